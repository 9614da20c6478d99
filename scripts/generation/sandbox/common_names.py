"""What both sides have under the same name: classes of the prompt, and things of the library.

A class of the prompt is known if the prompt defines it whole. Its instances cross as their state,
and the side of the tests builds them with the prompt's own class: its `==`, not the candidate's.
"""

import builtins
import collections
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import sys
import types

from .wire import WireError


def words(text: str) -> list[str]:
    return text.split()


HEAP_TYPE = 1 << 9  # of the flags of a class: made by a program, not by the interpreter
_BASES = (list, dict, set, tuple, str, int, float, bytes, frozenset)
_CHANGE_IN_PLACE = (list, dict, set)
_CALLABLES = (types.BuiltinFunctionType, types.FunctionType, type, types.MethodDescriptorType)
_USUAL_ALIASES = {"numpy": ("np",), "datetime": ("dt",), "itertools": ("it",), "functools": ("ft",)}
# What a candidate may name to the tests: types and functions that read their arguments only.
_ALLOWED_TO_TESTS = frozenset(
    f"builtins.{name}"
    for name in words(
        "abs all any ascii bin bool bytearray bytes chr complex dict divmod enumerate filter float"
        " format frozenset hash hex int isinstance issubclass iter len list map max min next"
        " object oct ord pow print range repr reversed round set slice sorted str sum tuple type"
        " zip"
    )
) | {
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (
        collections.Counter,
        collections.OrderedDict,
        collections.defaultdict,
        collections.deque,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        fractions.Fraction,
        types.NoneType,
        *(
            kind
            for kind in vars(builtins).values()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ),
    )
}


def library_name(value, to_tests: bool) -> str | None:
    """`module.name` of a class, function or module of the library; None for anything else."""
    if isinstance(value, types.ModuleType):
        return value.__name__ + ":" if _of_library(value.__name__) and not to_tests else None
    if not isinstance(value, _CALLABLES):
        return None
    owner = getattr(value, "__objclass__", value)
    module, name = getattr(owner, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or not _of_library(module):
        return None
    if to_tests and f"{module}.{name}" not in _ALLOWED_TO_TESTS:
        return None
    try:
        return f"{module}:{name}" if _look_up(module, name) is value else None
    except (ImportError, AttributeError):
        return None


def library_value(name: str, from_candidate: bool):
    module, _, attribute = name.partition(":")
    if from_candidate and f"{module}.{attribute}" not in _ALLOWED_TO_TESTS:
        raise WireError("not a name for the tests")
    return _look_up(module, attribute)


def resolve_import(name: str, library: str):
    """What a test means by `name` if the program has imported it under that name.

    The side of the tests imports it itself: the candidate only says from which module.
    Raises WireError for what is not of the library, or is there under another name.
    """
    module, _, attribute = library.partition(":")
    usual = (attribute or module.rpartition(".")[2], *_USUAL_ALIASES.get(module, ()))
    if not _of_library(module) or name not in usual:
        raise WireError("not what is usually imported under this name")
    return _look_up(module, attribute)


def _of_library(module: str) -> bool:
    root = module.partition(".")[0]
    return root in sys.stdlib_module_names or root == "numpy"


def _look_up(module: str, name: str):
    found = sys.modules.get(module) or importlib.import_module(module)
    return functools.reduce(getattr, name.split("."), found) if name else found


class KnownClasses:
    """The known classes of one side, by name; see the module."""

    def __init__(self, classes: dict[str, type]):
        self._classes = classes
        self._names = {kind: name for name, kind in classes.items()}

    def keep(self, names) -> None:
        """Forget those that the other side does not have."""
        self.__init__({name: self._classes[name] for name in names if name in self._classes})

    def name(self, kind: type) -> str | None:
        return self._names.get(kind)

    def get(self, name: str) -> type:
        return self._classes[name]

    @property
    def names(self) -> list[str]:
        return list(self._classes)

    def nearest(self, kind: type) -> str | None:
        """The name of the nearest known ancestor."""
        return next((self._names[k] for k in kind.__mro__ if k in self._names), None)

    def member(self, value) -> list | None:
        """`[class, name]` of a member of a known enumeration."""
        name = self._names.get(type(value))
        if name is None or not isinstance(value, enum.Enum) or value.name is None:
            return None
        return [name, value.name]

    def mutable(self, value) -> bool:
        kind = type(value)
        if kind not in self._names or issubclass(kind, enum.Enum | BaseException | type):
            return False
        return _builtin_base(kind) in (object, *_CHANGE_IN_PLACE)

    def make(self, name: str):
        kind = self._classes[name]
        base = _builtin_base(kind)
        if issubclass(kind, enum.Enum | BaseException) or base not in (object, *_CHANGE_IN_PLACE):
            raise WireError("not a class of changing objects")
        return base.__new__(kind)

    def contents(self, value) -> list:
        """Names and values of its attributes, and first what it holds as a builtin."""
        base = _builtin_base(type(value))
        if base is object:
            held = None
        else:
            held = _plain_tuple(value, base) if base in _CHANGE_IN_PLACE else base(value)
        return [held, *state(value)]

    def fill(self, value, contents: list) -> None:
        held, *attributes = contents
        base = _builtin_base(type(value))
        if base in _CHANGE_IN_PLACE:
            base.clear(value)
            if base is dict:
                for key, item in zip(held[::2], held[1::2], strict=True):
                    dict.__setitem__(value, key, item)
            else:
                (list.extend if base is list else set.update)(value, held)
        set_state(value, attributes)

    def build(self, name: str, contents: list):
        """One that never changes: a named tuple, say."""
        kind, (held, *attributes) = self._classes[name], contents
        base = _builtin_base(kind)
        if base in (object, *_CHANGE_IN_PLACE) or issubclass(kind, enum.Enum):
            raise WireError("not a class of constant objects")
        if type(held) is not base:
            raise WireError("not what it holds")
        value = base.__new__(kind, held)
        set_state(value, attributes)
        return value


def _builtin_base(kind: type) -> type:
    return next((base for base in _BASES if issubclass(kind, base)), object)


def _plain_tuple(value, base) -> tuple:
    if base is dict:
        return tuple(part for pair in dict.items(value) for part in pair)
    return tuple(base.__iter__(value))


def state(value) -> list:
    """Names and values of the attributes of an instance, in turn."""
    found = dict(getattr(value, "__dict__", None) or {})
    for kind in type(value).__mro__:
        if not kind.__flags__ & HEAP_TYPE:
            continue
        for name, slot in vars(kind).items():
            if isinstance(slot, types.MemberDescriptorType) and hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return [part for pair in found.items() for part in pair if not _dunder(pair[0])]


def _dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def shadows(kind: type, name: str) -> bool:
    """Whether an attribute of an instance would stand in the place of a method or property."""
    own = next((vars(k)[name] for k in kind.__mro__ if name in vars(k)), None)
    allowed = isinstance(own, types.MemberDescriptorType | functools.cached_property)
    return hasattr(type(own), "__get__") and not allowed


def set_state(value, attributes: list) -> None:
    """Set them, and only them; none may stand in the place of what the class defines."""
    new = dict(zip(attributes[::2], attributes[1::2], strict=True))
    for name in new:
        if type(name) is not str or _dunder(name) or shadows(type(value), name):
            raise WireError("not an attribute of its own")
    for name in state(value)[::2]:
        if name not in new:
            object.__delattr__(value, name)
    setter = BaseException.__setattr__ if isinstance(value, BaseException) else object.__setattr__
    for name, item in new.items():
        setter(value, name, item)
