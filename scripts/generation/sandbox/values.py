"""Values as JSON and back, so that `==` says of the copy what it says of the original.

JSON's own scalars stand for themselves. Everything else is a row of a table, which is flat: a
value may be of any depth, hold itself, or hold another one twice. A row is `[slot, tag, meta,
cells]`, where a cell is a scalar or `[slot]`; rows stand in the order in which they can be built.

An instance of a subclass travels as its plain base, so that no method of its own travels with it;
what has no plain form arrives as an `Opaque`, unless a context (see `peer`) knows better. Decoding
builds plain values only and is safe on any JSON.
"""

import collections
import itertools
import math
from collections.abc import Iterator

from . import errors, library
from .wire import VALUE_BYTES, WireError

MAX_BYTES = VALUE_BYTES
MAX_ITERATOR_ITEMS = 10_000
MAX_MESSAGE_CHARS = errors.MAX_MESSAGE_CHARS
CandidateError, encode_error, decode_error = errors.CandidateError, errors.encode, errors.decode

SCALARS = frozenset({type(None), bool, int, float, str})
_NUMBERS = frozenset({int, float})
_SMALL = 1 << 63


class Opaque:
    """A value without a plain form: it equals nothing, and keeps only its type and truth."""

    def __init__(self, type_name: str, truth: bool):
        self._type_name, self._truth = type_name, truth

    def __eq__(self, other):
        return False

    __hash__ = object.__hash__

    def __bool__(self):
        return self._truth

    def __repr__(self):
        return f"<a {self._type_name} of the candidate>"


def encode(value):
    """JSON values for `value`. Raises WireError if it is too large."""
    table, (root,) = Encoder().encode((value,))
    return [table, root]


def decode(data):
    """The value that `encode` wrote. Raises WireError on anything that it did not write."""
    try:
        table, root = data
    except (TypeError, ValueError):
        raise WireError("not an encoded value") from None
    return Decoder().decode([table, [root]])[0]


class Encoder:
    """Writes one table. `describe` of a context may answer for a value before the rules here."""

    def __init__(self, context=None):
        self._describe = context.describe if context else lambda value: None
        self._table, self._slots, self._left = [], {}, MAX_BYTES
        self._kept = []  # what is written stays alive, so that no id is used twice

    def encode(self, values) -> list:
        """`[table, cells]` for some values at once. Raises WireError."""
        roots = []
        stack = [(0, "", None, iter(values), roots)]
        while stack:
            slot, tag, meta, children, cells = stack[-1]
            for child in children:
                self._left -= 2
                kind = type(child)
                if kind is str and child.isascii():
                    self._spend(len(child))
                    cells.append(child)
                elif (
                    child is None or kind is bool or (kind in _NUMBERS and -_SMALL < child < _SMALL)
                ):
                    cells.append(child)
                elif (known := self._slots.get(id(child))) is not None:
                    cells.append([known])
                else:
                    new = self._slots[id(child)] = len(self._kept)
                    self._kept.append(child)
                    cells.append([new])
                    tag, meta, inner = self._describe(child) or self._plain(child)
                    stack.append((new, tag, meta, iter(inner), []))
                    break
            else:
                stack.pop()
                if stack:
                    self._table.append([slot, tag, meta, cells])
            self._spend(8)
        return [self._table, roots]

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WireError(f"a value of more than {MAX_BYTES} bytes")

    def _plain(self, value):
        """`(tag, meta, children)` of a value that is not a scalar cell."""
        kind = type(value)
        if (write := _BY_TYPE.get(kind)) is not None:
            return write(self, value)
        if (written := library.write(value, self._spend)) is not None:
            return written
        for base, write in _WRITERS:
            if issubclass(kind, base):
                return write(self, value)
        return "opaque", [kind.__name__[:MAX_MESSAGE_CHARS], bool(value)], ()

    def _int(self, value):
        # Large ones as hex: linear in time, and free of the limit on decimal digits.
        plain = int.__index__(value)
        if -_SMALL < plain < _SMALL:
            return "plain", plain, ()
        self._spend(plain.bit_length() // 4)
        return "int", format(plain, "x"), ()

    def _float(self, value):
        plain = float.__float__(value)
        return ("plain", plain, ()) if math.isfinite(plain) else ("float", repr(plain), ())

    def _str(self, value):
        plain = str.__str__(value)
        self._spend(len(plain))
        try:
            plain.encode()
        except UnicodeEncodeError:  # lone surrogates, which JSON may join into one character
            self._spend(6 * len(plain))
            return "str", plain.encode("utf-8", "surrogatepass").hex(), ()
        return "plain", plain, ()

    def _iterator(self, value):
        """The first items, and how it ended: None, or an exception to raise after them."""
        items, error = [], None
        try:
            items.extend(itertools.islice(value, MAX_ITERATOR_ITEMS))
            if len(items) == MAX_ITERATOR_ITEMS and next(value, self) is not self:
                error = ["", f"an iterator of more than {MAX_ITERATOR_ITEMS} items"]
        except Exception as raised:
            error = encode_error(raised)
        return "iterator", error, items


def _pairs(items):
    return itertools.chain.from_iterable(items)


# In order of how often they are met; a subclass before its base where both have a writer.
_WRITERS = (
    (int, Encoder._int),
    (str, Encoder._str),
    (float, Encoder._float),
    (list, lambda self, v: ("list", None, list.__iter__(v))),
    (tuple, lambda self, v: ("tuple", None, tuple.__iter__(v))),
    (collections.Counter, lambda self, v: ("counter", None, _pairs(dict.items(v)))),
    (collections.OrderedDict, lambda self, v: ("ordered", None, _pairs(v.items()))),
    (dict, lambda self, v: ("dict", None, _pairs(dict.items(v)))),
    (set, lambda self, v: ("set", None, set.__iter__(v))),
    (frozenset, lambda self, v: ("frozenset", None, frozenset.__iter__(v))),
    (collections.deque, lambda self, v: ("deque", v.maxlen, collections.deque.__iter__(v))),
    # True views, over a dict made for them: a view of values equals nothing, keys equal sets.
    (type({}.keys()), lambda self, v: ("keys", None, v)),
    (type({}.values()), lambda self, v: ("values", None, v)),
    (type({}.items()), lambda self, v: ("pairs", None, _pairs(v))),
    (Iterator, Encoder._iterator),
)
_BY_TYPE = dict(_WRITERS)
PLAIN = frozenset({base for base, _ in _WRITERS if base is not Iterator}) | library.TYPES


class Decoder:
    """Reads one table. A context has a `shell`, `fill` and `build` of its own."""

    def __init__(self, context=None):
        self._context = context

    def decode(self, data) -> list:
        """The values of `Encoder.encode`. Raises WireError on anything that it did not write."""
        try:
            return self._decode(*data)
        except Exception:  # whatever it was that hostile data upset
            raise WireError("not an encoded value") from None

    def _decode(self, table, roots):
        slots, shells, context = {}, {}, self._context
        for slot, tag, meta, _ in table:
            if tag in _SHELLS:
                shells[slot] = _SHELLS[tag](meta)
            elif context is not None and (shell := context.shell(tag, meta)) is not None:
                shells[slot] = shell
        slots.update(shells)

        def resolve(cells):
            return [cell if type(cell) in SCALARS else _slot(slots, cell) for cell in cells]

        for slot, tag, meta, cells in table:
            values = resolve(cells)
            if tag in _SHELLS:
                _FILLERS[tag](shells[slot], values)
            elif slot in shells:
                context.fill(shells[slot], tag, meta, values)
            elif tag in _READERS:
                slots[slot] = _READERS[tag](meta, values)
            elif tag in library.READERS:
                slots[slot] = library.READERS[tag](meta, values)
            else:
                slots[slot] = context.build(tag, meta, values)
        return resolve(roots)


def _slot(slots, cell):
    if type(cell) is not list:
        raise WireError("not an encoded value")
    (slot,) = cell
    return slots[slot]


def fill_pairs(target: dict, values: list) -> None:
    """Keys and values in turn."""
    for key, value in zip(values[::2], values[1::2], strict=True):
        dict.__setitem__(target, key, value)


def _dict(values) -> dict:
    found: dict = {}
    fill_pairs(found, values)
    return found


def _items_then_raise(items, error):
    yield from items
    if error is not None:
        raise error


def _scalar(meta, _):
    if type(meta) not in SCALARS:
        raise WireError("not an encoded value")
    return meta


# What can hold itself is made empty first.
_SHELLS = {
    "list": lambda meta: [],
    "dict": lambda meta: {},
    "ordered": lambda meta: collections.OrderedDict(),
    "counter": lambda meta: collections.Counter(),
    "set": lambda meta: set(),
    "deque": lambda meta: collections.deque(maxlen=meta),
}
_FILLERS = {
    "list": list.extend,
    "dict": fill_pairs,
    "ordered": lambda target, values: target.update(_dict(values)),
    "counter": fill_pairs,
    "set": set.update,
    "deque": collections.deque.extend,
}
_READERS = {
    "plain": _scalar,
    "int": lambda meta, _: int(meta, 16),
    "float": lambda meta, _: float(meta),
    "str": lambda meta, _: bytes.fromhex(meta).decode("utf-8", "surrogatepass"),
    "tuple": lambda _, values: tuple(values),
    "frozenset": lambda _, values: frozenset(values),
    "keys": lambda _, values: dict.fromkeys(values).keys(),
    "values": lambda _, values: dict(enumerate(values)).values(),
    "pairs": lambda _, values: _dict(values).items(),
    "iterator": lambda meta, values: _items_then_raise(
        values, None if meta is None else decode_error(meta)
    ),
    "opaque": lambda meta, _: Opaque(str(meta[0]), meta[1] is True),
}
