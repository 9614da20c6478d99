"""Values of the standard library and of numpy that never change: how they are written and read.

A writer gives `(tag, meta, children)`, a reader takes `(meta, values)`; see `values`.
"""

import array
import base64
import datetime
import decimal
import fractions
import importlib
import pathlib
import re
import sys
import types
import uuid
import zoneinfo

from .wire import WireError

_DTYPE = re.compile(r"[<>|=][biufcSUMm]\d+(\[\d*\w+\])?")
_PATHS = {
    kind.__name__: kind
    for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath)
}


def module_of(kind: type) -> str:
    """The module that a class says it is of; a class made by a program need not say."""
    found = getattr(kind, "__module__", None)
    return found if isinstance(found, str) else "builtins"


def write(value, spend):
    """`(tag, meta, children)`, or None for a value that has no writer here; `spend` bounds it."""
    kind = type(value)
    if module_of(kind) == "numpy":
        return _write_numpy(value, spend)
    for base, writer in _WRITERS:
        if issubclass(kind, base):
            return writer(value, spend)
    return None


def _bytes(tag):
    def writer(value, spend):
        plain = bytes(value)
        spend(2 * len(plain))
        return tag, plain.hex(), ()

    return writer


def _parts(tag, *names):
    return lambda value, spend: (tag, None, tuple(getattr(value, name) for name in names))


def _decimal(value, spend):
    text = decimal.Decimal.__str__(value)
    spend(len(text))
    return "decimal", text, ()


def _array(value, spend):
    plain = value.tobytes()
    spend(2 * len(plain))
    return "array", [value.typecode, plain.hex()], ()


_DATE = ("year", "month", "day")
_TIME = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_WRITERS = (
    (complex, _parts("complex", "real", "imag")),
    (bytes, _bytes("bytes")),
    (bytearray, _bytes("bytearray")),
    (memoryview, _bytes("memoryview")),
    (range, _parts("range", "start", "stop", "step")),
    (slice, _parts("slice", "start", "stop", "step")),
    (fractions.Fraction, _parts("fraction", "numerator", "denominator")),
    (decimal.Decimal, _decimal),
    (datetime.datetime, _parts("datetime", *_DATE, *_TIME)),  # a date as well: it goes first
    (datetime.date, _parts("date", *_DATE)),
    (datetime.time, _parts("time", *_TIME)),
    (datetime.timedelta, _parts("timedelta", "days", "seconds", "microseconds")),
    (datetime.timezone, lambda v, _: ("timezone", None, (v.utcoffset(None), v.tzname(None)))),
    (zoneinfo.ZoneInfo, _parts("zone", "key")),
    (uuid.UUID, lambda v, _: ("uuid", v.hex, ())),
    (tuple(_PATHS.values()), lambda v, _: ("path", None, (type(v).__name__, str(v)))),
    (re.Pattern, _parts("pattern", "pattern", "flags")),
    (array.array, _array),
    (types.MappingProxyType, lambda v, _: ("proxy", None, (dict(v),))),
)


def _numpy():
    return sys.modules.get("numpy") or importlib.import_module("numpy")


def _write_numpy(value, spend):
    numpy = _numpy()
    if not isinstance(value, numpy.ndarray | numpy.generic):
        return None
    whole = numpy.asarray(value)
    scalar = isinstance(value, numpy.generic)
    if whole.dtype.kind == "O":
        return "objects", None, (whole.shape, *whole.ravel().tolist())
    if not _DTYPE.fullmatch(whole.dtype.str):
        return None
    spend(whole.nbytes * 4 // 3)
    data = base64.b64encode(whole.tobytes()).decode()
    return "numpy", [whole.dtype.str, list(whole.shape), scalar, data], ()


def read_numpy(meta, _):
    """The array or scalar; only of plain types of elements, so that no code is in it."""
    dtype, shape, scalar, data = meta
    if not _DTYPE.fullmatch(dtype):
        raise WireError("not an encoded value")
    numpy = _numpy()
    data = bytearray(base64.b64decode(data))
    whole = numpy.frombuffer(data, numpy.dtype(dtype)).reshape([int(n) for n in shape])
    return whole[()] if scalar else whole


def _objects(_, values):
    whole = _numpy().empty(values[0], dtype=object)
    flat = whole.reshape(-1)
    for place, value in enumerate(values[1:]):
        flat[place] = value
    return whole


def _datetime(_, values):
    *parts, fold = values
    return datetime.datetime(*parts, fold=fold)


def _time(_, values):
    *parts, fold = values
    return datetime.time(*parts, fold=fold)


def _reader_of(kind):
    return lambda _, values: kind(*values)


READERS = {
    "complex": _reader_of(complex),
    "bytes": lambda meta, _: bytes.fromhex(meta),
    "bytearray": lambda meta, _: bytearray.fromhex(meta),
    "memoryview": lambda meta, _: memoryview(bytes.fromhex(meta)),
    "range": _reader_of(range),
    "slice": _reader_of(slice),
    "fraction": _reader_of(fractions.Fraction),
    "decimal": lambda meta, _: decimal.Decimal(meta),
    "datetime": _datetime,
    "date": _reader_of(datetime.date),
    "time": _time,
    "timedelta": _reader_of(datetime.timedelta),
    "timezone": _reader_of(datetime.timezone),
    "zone": _reader_of(zoneinfo.ZoneInfo),
    "uuid": lambda meta, _: uuid.UUID(meta),
    "path": lambda _, values: _PATHS[values[0]](values[1]),
    "pattern": _reader_of(re.compile),
    "array": lambda meta, _: array.array(meta[0], bytes.fromhex(meta[1])),
    "proxy": lambda _, values: types.MappingProxyType(dict(values[0])),
    "numpy": read_numpy,
    "objects": _objects,
}
TYPES = frozenset(
    kind for base, _ in _WRITERS for kind in (base if isinstance(base, tuple) else (base,))
)
