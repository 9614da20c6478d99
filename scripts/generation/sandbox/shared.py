"""Objects that both sides hold a copy of, so that a change on one is a change on the other.

Arguments are shared: a function may change them in place, give one back, or keep it. Each message
carries the contents of those that have changed since the last one; an object that only the table
still knows is let go.
"""

import collections
import itertools
import operator
import sys
import types

from . import values


def _pairs(target) -> list:
    return list(itertools.chain.from_iterable(dict.items(target)))


def _fill_list(target, items):
    target[:] = items


def _fill_dict(target, items):
    target.clear()
    values.fill_pairs(target, items)


def _fill_set(target, items):
    target.clear()
    target.update(items)


def _fill_deque(target, items):
    target.clear()
    target.extend(items)


def _fill_bytes(target, items):
    target[:] = items[0]


def _fill_default(target, items):
    target.default_factory = items[0]
    _fill_dict(target, items[1:])


def _fill_namespace(target, items):
    vars(target).clear()
    values.fill_pairs(vars(target), items)


# type: (make an empty one, its contents, replace them)
_KINDS = {
    list: (list, list, _fill_list),
    dict: (dict, _pairs, _fill_dict),
    collections.OrderedDict: (collections.OrderedDict, lambda v: _flat(v.items()), _fill_dict),
    collections.Counter: (collections.Counter, _pairs, _fill_dict),
    collections.defaultdict: (
        collections.defaultdict,
        lambda v: [v.default_factory, *_pairs(v)],
        _fill_default,
    ),
    types.SimpleNamespace: (
        types.SimpleNamespace,
        lambda v: _flat(vars(v).items()),
        _fill_namespace,
    ),
    set: (set, list, _fill_set),
    collections.deque: (collections.deque, list, _fill_deque),
    bytearray: (bytearray, lambda v: [bytes(v)], _fill_bytes),
}
_NAMES = {kind.__name__: kind for kind in _KINDS}


def _flat(pairs) -> list:
    return list(itertools.chain.from_iterable(pairs))


class Array:
    """An array of numpy, whose elements change in place and whose shape does not."""

    @staticmethod
    def contents(target) -> list:
        return [target.tobytes()]

    @staticmethod
    def meta(target):
        return [target.dtype.str, list(target.shape)]

    @staticmethod
    def make(meta):
        dtype, shape = meta
        empty = [dtype, shape, False, ""]
        if 0 in shape:
            return values.library.read_numpy(empty, ())
        numpy = sys.modules.get("numpy") or __import__("numpy")
        values.library.read_numpy([dtype, [0], False, ""], ())  # refuses what is no plain dtype
        return numpy.zeros([int(size) for size in shape], numpy.dtype(dtype))

    @staticmethod
    def fill(target, items):
        numpy = sys.modules["numpy"]
        target[...] = numpy.frombuffer(items[0], target.dtype).reshape(target.shape)


def is_array(value) -> bool:
    kind = type(value)
    if values.library.module_of(kind) != "numpy" or kind.__name__ != "ndarray":
        return False
    return value.flags.writeable and value.dtype.kind in "biufcSUMm"


class Entry:
    """One of them, and its contents when both sides last knew the same."""

    __slots__ = ("held", "known")

    def __init__(self, held):
        self.held, self.known = held, None


class Table:
    """The shared objects of one side, by a key that both know; `sign` tells their keys apart."""

    def __init__(self, sign: int, known_classes):
        self._sign, self.known_classes = sign, known_classes
        self._count = 0
        self.entries: dict[int, Entry] = {}
        self._keys: dict[int, int] = {}

    def key(self, value) -> int | None:
        return self._keys.get(id(value))

    def shareable(self, value) -> bool:
        return type(value) in _KINDS or is_array(value) or self.known_classes.mutable(value)

    def add(self, value, key: int | None = None) -> int:
        if key is None:
            self._count += self._sign
            key = self._count
        self.entries[key] = Entry(value)
        self._keys[id(value)] = key
        return key

    def write(self, key: int):
        """`(tag, meta, children)` of the object, whose contents the other side then knows."""
        entry = self.entries[key]
        contents = self._contents(entry.held)
        entry.known = contents
        kind = type(entry.held)
        if kind in _KINDS:
            extra = entry.held.maxlen if kind is collections.deque else None
            return "shared", [key, kind.__name__, extra], contents
        if is_array(entry.held):
            return "shared", [key, "ndarray", Array.meta(entry.held)], contents
        return "shared", [key, "instance", self.known_classes.name(kind)], contents

    def shell(self, meta):
        """The object of a key that the other side names, made if it is new."""
        key, kind, extra = meta
        if key in self.entries:
            return self.entries[key].held
        if type(key) is not int or (key > 0) == (self._sign > 0):
            raise ValueError("a key that was not given out")
        if kind == "ndarray":
            made = Array.make(extra)
        elif kind == "instance":
            made = self.known_classes.make(extra)
        elif kind == "deque":
            made = collections.deque(maxlen=extra)
        else:
            made = _KINDS[_NAMES[kind]][0]()
        self.add(made, key)
        return made

    def fill(self, target, meta, items: list) -> None:
        key, kind, _ = meta
        entry = self.entries[key]
        if not _same_contents(self._contents(target), items):
            if type(target) in _KINDS and type(target).__name__ == kind:
                _KINDS[type(target)][2](target, items)
            elif kind == "ndarray" and is_array(target):
                Array.fill(target, items)
            elif kind == "instance" and self.known_classes.mutable(target):
                self.known_classes.fill(target, items)
            else:
                raise ValueError("another kind of object")
        entry.known = self._contents(target)

    def changed(self) -> list:
        """Those whose contents are not what the other side knows."""
        return [
            entry.held
            for entry in list(self.entries.values())
            if not _same_contents(self._contents(entry.held), entry.known)
        ]

    def release(self) -> list[int]:
        """Let go of what came from the other side and is held by nobody here; their keys."""
        released = []
        for key in [key for key in reversed(self.entries) if (key > 0) != (self._sign > 0)]:
            if _holders(self.entries[key]) <= _UNSHARED_HOLDERS:
                self.drop(key)
                released.append(key)
        return released

    def drop(self, key: int) -> None:
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._keys.pop(id(entry.held), None)

    def _contents(self, target) -> list:
        kind = type(target)
        if kind in _KINDS:
            return _KINDS[kind][1](target)
        return Array.contents(target) if is_array(target) else self.known_classes.contents(target)


def _same_contents(one: list, other: list | None) -> bool:
    """The same objects; texts and whole numbers may be equal only, for copies of them are."""
    if other is None or len(one) != len(other):
        return False
    return all(map(operator.is_, one, other)) or all(
        a is b or (type(a) is type(b) and type(a) in _EQUAL and a == b)
        for a, b in zip(one, other, strict=True)
    )


_EQUAL = (int, str, bytes, bool)


def _holders(entry: Entry) -> int:
    return sys.getrefcount(entry.held)


_UNSHARED_HOLDERS = _holders(Entry([]))
