"""Proxies for objects of the other side: functions, classes, iterators, instances.

What is done to a stand-in is done there, and what comes back crosses as any value does. On the
side of the tests `==` is an exception: two stand-ins are equal if they are the same object, or if
their states are; only where the task itself is to write a class is the class's own `==` asked. A
stand-in equals nothing that the tests themselves hold. Questions whose answer would be the verdict
(`in`, arithmetic, `<`, `startswith`) are not put to an object of a class that nobody asked for.
"""

import collections
import datetime
import decimal
import fractions
import inspect

from .common_names import words

_ALWAYS = frozenset(
    words(
        "__call__ __iter__ __next__ __len__ __getitem__ __setitem__ __delitem__ __enter__ __exit__"
        " __float__ __int__ __index__ __complex__ __aiter__ __anext__ __aenter__ __aexit__"
        " __fspath__"
    )
)
_BINARY = words("add sub mul truediv floordiv mod divmod pow matmul and or xor lshift rshift")
_IN_TASK = frozenset(
    words(
        "__contains__ __lt__ __le__ __gt__ __ge__ __neg__ __pos__ __abs__ __invert__ __round__"
        " __trunc__ __floor__ __ceil__ __reversed__"
    )
) | {f"__{side}{name}__" for name in _BINARY for side in ("", "r", "i")}
SPECIAL = _ALWAYS | _IN_TASK

# Methods that builtin values have and that may be part of any object's interface.
_COMMON = frozenset(
    words(
        "add append appendleft clear copy discard extend get insert items keys pop popitem popleft"
        " remove setdefault sort update values read write readline readlines close flush"
        " replace year month day hour minute second name"
    )
)
_PLAIN = (str, bytes, list, tuple, dict, set, frozenset, int, float, complex, range)
_PLAIN += (collections.deque, collections.Counter, decimal.Decimal, fractions.Fraction)
_PLAIN += (datetime.date, datetime.datetime, datetime.timedelta)
# Attributes of builtin values: an object that has one could pass for such a value.
ORACLES = frozenset(
    name for kind in _PLAIN for name in dir(kind) if not name.startswith("_")
) - _COMMON | {"equals", "all", "any", "item", "tolist", "shape", "dtype", "allclose"}


class Proxy:
    """Base of all stand-ins; `_peer` is this side's end and `_number` the object's name there."""

    __slots__ = ("__weakref__", "_ahead", "_most", "_number", "_peer", "_remote_type")

    def __init__(self, peer, number: int, remote_type: list):
        set_ = object.__setattr__
        set_(self, "_peer", peer)
        set_(self, "_number", number)
        set_(self, "_remote_type", remote_type)
        set_(
            self, "_ahead", collections.deque()
        )  # items that were fetched before they are asked for
        set_(self, "_most", 1)

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__") and name not in _ASKED:
            raise AttributeError(name)
        return self._peer.get(self, name)

    def __setattr__(self, name, value):
        self._peer.request("set", self, name, value)

    def __delattr__(self, name):
        self._peer.request("del", self, name)

    def __eq__(self, other):
        return self._peer.equal(self, other)

    def __ne__(self, other):
        return not self._peer.equal(self, other)

    def __hash__(self):
        return hash(Proxy)  # those that are equal must share it

    def __bool__(self):
        return self._peer.request("bool", self) is True

    def __str__(self):
        return text(self._peer.request("str", self))

    def __repr__(self):
        return text(self._peer.request("repr", self))

    def __format__(self, spec):
        return text(self._peer.request("format", self, spec))

    def __dir__(self):
        return self._peer.request("dir", self)

    def __copy__(self):
        return self._peer.request("copy", self, False)

    def __deepcopy__(self, memo):
        return self._peer.request("copy", self, True)

    def __instancecheck__(self, value):
        return isinstance(value, Proxy) and self._peer.request("isinstance", value, self) is True

    def __subclasscheck__(self, kind):
        return isinstance(kind, Proxy) and self._peer.request("issubclass", kind, self) is True

    @property
    def __class__(self):
        classes = self._peer.known_classes
        nearest = self._remote_type[2]
        return classes.get(nearest) if nearest in classes.names else type(self)

    @property
    def __name__(self):
        return self._peer.request("name", self)


_ASKED = frozenset(
    words(
        "__qualname__ __code__ __defaults__ __kwdefaults__ __annotations__ __closure__ __wrapped__"
        " __dict__ __slots__ __dataclass_fields__ __members__"
    )
)


def text(value) -> str:
    if type(value) is not str:
        raise TypeError("a text was expected")
    return value


def _method(name: str):
    def call(self, *arguments, **keywords):
        return self._peer.special(self, name, arguments, keywords)

    call.__name__ = name
    return call


def _next(self):
    return self._peer.next(self)


def _doc(self):
    return self._peer.request("get", self, "__doc__")


def _signature(self):
    kinds = list(inspect._ParameterKind)
    return inspect.Signature(
        [
            inspect.Parameter(name, kinds[kind], default=default[0] if default else inspect._empty)
            for name, kind, default in self._peer.request("signature", self)
        ]
    )


def _await(self):
    return self._peer.awaiting(self).__await__()


_METHODS = {name: _method(name) for name in SPECIAL} | {"__next__": _next, "__await__": _await}
_classes: dict[tuple, type] = {}


def make_proxy(peer, number: int, remote_type: list) -> Proxy:
    """A stand-in with those of its original's special methods that this side lets it have."""
    names = frozenset(name for name in remote_type[1] if type(name) is str and name in _METHODS)
    key = (str(remote_type[0]), names)
    if key not in _classes:
        body = {name: _METHODS[name] for name in sorted(names)}
        body |= {"__slots__": (), "__doc__": property(_doc), "__signature__": property(_signature)}
        _classes[key] = type(str(remote_type[0]), (Proxy,), body)
    return _classes[key](peer, number, remote_type)


def specials(kind: type) -> list[str]:
    """Names of the special methods that a type has, of those that can cross."""
    return [name for name in _METHODS if getattr(kind, name, None) is not None]


def allowed_outside_a_task(name: str) -> bool:
    """Whether a special method may be asked of an object of a class that nobody asked for."""
    return name in _ALWAYS
