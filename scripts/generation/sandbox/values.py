"""Plain values as JSON and back, so that `==` says of the copy what it says of the original.

JSON's own scalars stand for themselves; everything else is `[tag, payload]`. An instance of a
subclass travels as its plain base, so that no method of its own travels with it; what has no
plain form arrives as an `Opaque`. Decoding builds plain values only and is safe on any JSON.
"""

import builtins
import collections
import decimal
import fractions
import itertools
import math
from collections.abc import Iterator

from .wire import MAX_BYTES, WireError

MAX_DEPTH = 200
MAX_ITERATOR_ITEMS = 10_000
MAX_MESSAGE_CHARS = 300


class CandidateError(RuntimeError):
    """The candidate raised something that has no builtin exception type, or cannot be copied."""


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
    """JSON values for `value`. Raises WireError if it is too large, too deep, or holds itself."""
    return _Encoder().encode(value, 0)


class _Encoder:
    def __init__(self):
        self._left = MAX_BYTES

    def encode(self, value, depth: int):
        if depth > MAX_DEPTH:
            raise WireError(f"a value nested more than {MAX_DEPTH} deep, or inside itself")
        self._spend(1)
        if value is None or value is True or value is False:
            return value
        for base, write in _WRITERS:
            if isinstance(value, base):
                return write(self, value, depth + 1)
        return ["opaque", [type(value).__name__[:MAX_MESSAGE_CHARS], bool(value)]]

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise WireError(f"a value of more than {MAX_BYTES} bytes")

    def _int(self, value, depth):
        # Large ones as hex: linear in time, and free of the limit on decimal digits.
        plain = int.__index__(value)
        if plain.bit_length() <= 64:
            return plain
        self._spend(plain.bit_length() // 4)
        return ["int", format(plain, "x")]

    def _float(self, value, depth):
        plain = float.__float__(value)
        return plain if math.isfinite(plain) else ["float", repr(plain)]

    def _str(self, value, depth):
        plain = str.__str__(value)
        self._spend(len(plain))
        try:
            plain.encode()
        except UnicodeEncodeError:  # lone surrogates, which JSON may join into one character
            return ["str", plain.encode("utf-8", "surrogatepass").hex()]
        return plain

    def _bytes(self, value, depth):
        plain = bytes(value)
        self._spend(2 * len(plain))
        return ["bytes", plain.hex()]

    def _complex(self, value, depth):
        return ["complex", [self._float(value.real, depth), self._float(value.imag, depth)]]

    def _range(self, value, depth):
        return self._items("range", (value.start, value.stop, value.step), depth)

    def _fraction(self, value, depth):
        return self._items("fraction", (value.numerator, value.denominator), depth)

    def _decimal(self, value, depth):
        return ["decimal", self._str(str(value), depth)]

    def _items(self, tag, items, depth):
        return [tag, [self.encode(item, depth) for item in items]]

    def _pairs(self, tag, pairs, depth):
        return [tag, [[self.encode(k, depth), self.encode(v, depth)] for k, v in pairs]]

    def _iterator(self, value, depth):
        """The first items, and how it ended: None, or an exception to raise after them."""
        items, error = [], None
        try:
            for item in itertools.islice(value, MAX_ITERATOR_ITEMS):
                items.append(self.encode(item, depth))
            if len(items) == MAX_ITERATOR_ITEMS and next(value, self) is not self:
                error = ["", f"an iterator of more than {MAX_ITERATOR_ITEMS} items"]
        except WireError:
            raise
        except Exception as raised:
            error = encode_error(raised)
        return ["iterator", [items, error]]


# In order of how often they are met; a subclass before its base where both have a writer.
_WRITERS = (
    (int, _Encoder._int),
    (str, _Encoder._str),
    (float, _Encoder._float),
    (list, lambda self, v, d: self._items("list", list.__iter__(v), d)),
    (tuple, lambda self, v, d: self._items("tuple", tuple.__iter__(v), d)),
    (collections.Counter, lambda self, v, d: self._pairs("counter", dict.items(v), d)),
    (collections.OrderedDict, lambda self, v, d: self._pairs("ordered", v.items(), d)),
    (dict, lambda self, v, d: self._pairs("dict", dict.items(v), d)),
    (set, lambda self, v, d: self._items("set", set.__iter__(v), d)),
    (frozenset, lambda self, v, d: self._items("frozenset", frozenset.__iter__(v), d)),
    (complex, _Encoder._complex),
    ((bytes, bytearray), _Encoder._bytes),
    (range, _Encoder._range),
    (collections.deque, lambda self, v, d: self._items("deque", collections.deque.__iter__(v), d)),
    (fractions.Fraction, _Encoder._fraction),
    (decimal.Decimal, _Encoder._decimal),
    (type({}.keys()), lambda self, v, d: self._items("keys", v, d)),
    (type({}.values()), lambda self, v, d: self._items("values", v, d)),
    (type({}.items()), lambda self, v, d: self._pairs("pairs", v, d)),
    (Iterator, _Encoder._iterator),
)


def decode(data):
    """The value that `encode` wrote. Raises WireError on anything that it did not write."""
    try:
        return _decode(data)
    except Exception:  # whatever it was that hostile data upset
        raise WireError("not an encoded value") from None


def _decode(data):
    if data is None or isinstance(data, bool | int | float | str):
        return data
    tag, payload = data
    return _READERS[tag](payload)


def _list(payload) -> list:
    if not isinstance(payload, list):
        raise WireError("not an encoded value")
    return [_decode(item) for item in payload]


def _dict(payload) -> dict:
    return {_decode(key): _decode(value) for key, value in payload}


def _iterator(payload):
    items, error = payload
    return _then(_list(items), None if error is None else decode_error(error))


def _then(items, error):
    yield from items
    if error is not None:
        raise error


_READERS = {
    "int": lambda payload: int(payload, 16),
    "float": float,
    "str": lambda payload: bytes.fromhex(payload).decode("utf-8", "surrogatepass"),
    "bytes": bytes.fromhex,
    "complex": lambda payload: complex(*_list(payload)),
    "range": lambda payload: range(*_list(payload)),
    "fraction": lambda payload: fractions.Fraction(*_list(payload)),
    "decimal": lambda payload: decimal.Decimal(_decode(payload)),
    "list": _list,
    "tuple": lambda payload: tuple(_list(payload)),
    "set": lambda payload: set(_list(payload)),
    "frozenset": lambda payload: frozenset(_list(payload)),
    "deque": lambda payload: collections.deque(_list(payload)),
    "dict": _dict,
    "ordered": lambda payload: collections.OrderedDict(_dict(payload)),
    "counter": lambda payload: collections.Counter(_dict(payload)),
    # True views, over a dict made for them: a view of values equals nothing, keys equal sets.
    "keys": lambda payload: dict.fromkeys(_list(payload)).keys(),
    "values": lambda payload: dict(enumerate(_list(payload))).values(),
    "pairs": lambda payload: _dict(payload).items(),
    "iterator": _iterator,
    "opaque": lambda payload: Opaque(str(payload[0]), payload[1] is True),
}


def encode_error(error: BaseException) -> list:
    """`[builtin type name or "", message]`: the type is the nearest builtin ancestor's."""
    kinds = (kind.__name__ for kind in type(error).__mro__ if _builtin(kind.__name__) is kind)
    name = next(kinds, "")
    try:
        message = str.__str__(str(error))[:MAX_MESSAGE_CHARS]
    except Exception:
        message = "an exception that has no message"
    return [name, message if name else f"{type(error).__name__}: {message}"]


def decode_error(data) -> Exception:
    """An exception to raise in the place of one that `encode_error` wrote."""
    name, message = data
    kind, message = _builtin(name), str(message)[:MAX_MESSAGE_CHARS]
    try:
        if kind is not None:
            return kind(message)
    except TypeError:  # a few want more than a message, as UnicodeDecodeError does
        message = f"{name}: {message}"
    return CandidateError(message)


def _builtin(name) -> type[Exception] | None:
    """Exceptions only: SystemExit and its like must not end the process that judges."""
    kind = getattr(builtins, name, None) if isinstance(name, str) else None
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None
