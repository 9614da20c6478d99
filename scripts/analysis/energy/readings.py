"""The readings of a trace as arrays, whatever its length: by Arrow where it is there, line by line
where a running session has numpy alone."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path

import numpy as np

from metering.trace import HEADER, Sample, read_trace

# The ways of a power, the best first: the driver's own samples, the value when it was read, a mean
# over a second or more (says nothing of when).
WAYS = ("samples", "instant", "average")
# Where a better way has a value so close, a worse one says nothing new.
NEAR_S = 0.1

Key = tuple[int, str, str]


@dataclasses.dataclass(frozen=True)
class Readings:
    """The readings of one quantity of one domain within one segment, as they were written.

    Attributes:
        times_ns: When.
        values: Integers stay exact.
        ways: By which way a power was read (see `metering.trace`), the index in `WAYS`; -1 where
            the trace does not say.
    """

    times_ns: np.ndarray
    values: np.ndarray
    ways: np.ndarray

    @property
    def floats(self) -> tuple[np.ndarray, np.ndarray]:
        """(times, values as floats), rising, each time by the best way that has it."""
        best = self.best()
        return best.times_ns, best.values.astype(float)

    def best(self, *ways: str, otherwise: str | None = None) -> Readings:
        """Those of these ways (all where none is named), by rising time; where two of them overlap,
        the better one's.

        Args:
            otherwise: The way where the trace does not say.
        """
        known = WAYS.index(otherwise) if otherwise in WAYS else -1
        way = np.where(self.ways < 0, known, self.ways)
        wanted = [WAYS.index(name) for name in ways] if ways else [-1, *range(len(WAYS))]
        kept = np.isin(way, wanted)
        there = np.unique(way[kept])
        for worse in there[1:]:
            better = np.sort(self.times_ns[kept & (way < worse)])
            if len(better):
                own = self.times_ns
                at = np.clip(np.searchsorted(better, own), 1, max(len(better) - 1, 1))
                around = better[np.minimum([at - 1, at], len(better) - 1)]
                near = np.abs(around - own).min(axis=0) <= NEAR_S * 1e9
                kept &= ~((way == worse) & near)
        at = np.flatnonzero(kept)
        if len(there) > 1:
            at = at[np.argsort(self.times_ns[at], kind="stable")]
        return Readings(self.times_ns[at], self.values[at], self.ways[at])


def read_readings(trace: Path) -> dict[Key, Readings]:
    """By (segment, domain, quantity), all readings of a trace.

    Raises MeterError, with the line's number, where the file is not a trace.
    """
    try:
        import pyarrow
    except ImportError:
        return _line_by_line(trace)
    try:
        return _by_arrow(trace)
    except (pyarrow.ArrowInvalid, UnicodeDecodeError):
        # It knows which line, and what is wrong with it.
        return _line_by_line(trace)


def _line_by_line(trace: Path) -> dict[Key, Readings]:
    found = defaultdict(lambda: ([], [], []))
    for sample in read_trace(trace):
        times, values, ways = found[sample.segment, sample.domain, sample.quantity]
        times.append(sample.t_ns)
        values.append(sample.value)
        ways.append(_way(sample.source))
    return {
        key: Readings(np.asarray(times, np.int64), _numbers(values), np.asarray(ways, np.int8))
        for key, (times, values, ways) in found.items()
    }


def _by_arrow(trace: Path) -> dict[Key, Readings]:
    import pyarrow as pa
    from pyarrow import compute as pc
    from pyarrow import csv

    with trace.open("rb") as file:
        headed = file.readline() == f"{HEADER}\n".encode()
    if not headed:
        # Empty, or no trace.
        return _line_by_line(trace)
    with pa.memory_map(str(trace)) as file:
        data = file.read_buffer(_last_newline(trace))
        word = pa.dictionary(pa.int32(), pa.string())
        types = {"segment": pa.int64(), "t_ns": pa.int64(), "value": pa.float64()}
        types |= {name: word for name in Sample._fields if name not in types}
        kept = [name for name in Sample._fields if name != "unit"]
        options = csv.ConvertOptions(column_types=types, include_columns=kept, null_values=[""])
        whole = csv.read_csv(pa.BufferReader(data), convert_options=options)
        if (pc.max(pc.abs(whole["value"])).as_py() or 0) >= 2**53:
            # Integers that outgrow a double.
            types["value"] = pa.string()
            options = csv.ConvertOptions(column_types=types, include_columns=kept, null_values=[""])
            whole = csv.read_csv(pa.BufferReader(data), convert_options=options)
    if any(column.null_count for column in whole.columns):
        raise pa.ArrowInvalid("a field is empty")
    if not whole.num_rows:
        return {}
    code = np.zeros(whole.num_rows, np.int64)
    words = []
    for name in ("segment", "domain", "quantity", "source"):
        column = whole[name].combine_chunks()
        column = column.dictionary_encode() if name == "segment" else column
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries().combine_chunks()
        words.append(column.dictionary.to_pylist())
        code = code * len(words[-1]) + column.indices.to_numpy()
    # A sort of small integers is linear.
    code = code.astype(np.uint16 if code.max() < 2**16 else np.int64)
    order = np.argsort(code, kind="stable")
    firsts = np.flatnonzero(np.diff(code[order], prepend=-1))
    times = whole["t_ns"].to_numpy()
    exact = pa.types.is_string(whole["value"].type)
    values = whole["value"].combine_chunks() if exact else whole["value"].to_numpy()
    del whole
    parts = defaultdict(list)
    for first, last in zip(firsts, [*firsts[1:], len(order)], strict=True):
        at = order[first:last]
        key, number = [], int(code[at[0]])
        for known in reversed(words):
            number, place = divmod(number, len(known))
            key.append(known[place])
        source, quantity, domain, segment = key
        parts[segment, domain, quantity].append((at, _way(source)))
    found = {}
    for key, several in parts.items():
        at = np.concatenate([part for part, _ in several])
        ways = np.concatenate([np.full(len(part), way, np.int8) for part, way in several])
        if len(several) > 1:
            back = np.argsort(at, kind="stable")
            at, ways = at[back], ways[back]
        read = _parsed(values.take(pa.array(at))) if exact else values[at]
        found[key] = Readings(times[at], read, ways)
    return found


def _parsed(texts) -> np.ndarray:
    """Numbers from their texts: of 64 bits where all are integers."""
    import pyarrow as pa

    for type_ in (pa.int64(), pa.uint64()):
        try:
            return texts.cast(type_).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            continue
    return texts.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _numbers(values: list[int | float]) -> np.ndarray:
    if all(isinstance(value, int) for value in values):
        for type_ in (np.int64, np.uint64):
            try:
                return np.asarray(values, type_)
            except OverflowError:
                continue
    return np.asarray(values, float)


def _way(source: str) -> int:
    way = source.partition(":")[2]
    return WAYS.index(way) if way in WAYS else -1


def _last_newline(path: Path, block: int = 1 << 16) -> int:
    """How many bytes there are up to the last newline, with it: behind it a line is torn."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        while end > 0:
            start = max(0, end - block)
            file.seek(start)
            at = file.read(end - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            end = start
    return 0
