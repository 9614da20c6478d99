"""The trace file and the events file: raw, append-only, whole lines.

A process killed in mid-write leaves at most one torn last line, which `read_trace` drops and the
next writer cuts off.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from metering.meter import MeterError, Reading


class Sample(NamedTuple):
    """One line of trace.csv: a `Reading` and the segment (run of the sampler) that took it."""

    segment: int
    t_ns: int
    domain: str
    quantity: str
    value: int | float
    unit: str
    source: str


HEADER = ",".join(Sample._fields)


class TraceWriter:
    """Appends readings to trace.csv; they are on disk after ``flush``."""

    def __init__(self, path: str | os.PathLike, segment: int):
        self._segment = segment
        self._file = _open_append(path, HEADER)

    def write(self, readings: Iterable[Reading]) -> None:
        """Append readings as they are; floats keep every digit."""
        self._file.writelines(
            f"{self._segment},{r.t_ns},{r.domain},{r.quantity},{r.value!r},{r.unit},{r.source}\n"
            for r in readings
        )

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        self._file.close()


class EventWriter:
    """Appends what happened to the meters to events.jsonl, each line at once."""

    def __init__(self, path: str | os.PathLike, segment: int):
        self._segment = segment
        self._file = _open_append(path)

    def write(
        self, t_ns: int, kind: str, domain: str, why: str, quantity: str | None = None
    ) -> None:
        """Append one event; it names a quantity where it concerns only that."""
        event = {
            "segment": self._segment,
            "t_ns": t_ns,
            "kind": kind,
            "domain": domain,
            "why": why,
        }
        if quantity is not None:
            event["quantity"] = quantity
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_trace(path: str | os.PathLike) -> Iterator[Sample]:
    """The samples of trace.csv, in the order in which they were written.

    A torn last line is dropped. Raises MeterError, with the line's number, where the file is not a
    trace. An empty file is an empty trace.
    """
    with open(path, encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(_whole_lines(file)), start=1):
            if number == 1:
                if row != list(Sample._fields):
                    raise MeterError(f"{path} is not a trace: its first line is not {HEADER!r}")
                continue
            try:
                segment, t_ns, domain, quantity, value, unit, source = row
                yield Sample(
                    int(segment), int(t_ns), domain, quantity, _number(value), unit, source
                )
            except ValueError:
                raise MeterError(
                    f"{path}, line {number}: not a sample: {','.join(row)!r}"
                ) from None


def _whole_lines(file: Iterable[str]) -> Iterator[str]:
    return (line for line in file if line.endswith("\n"))


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _open_append(path: str | os.PathLike, header: str | None = None) -> TextIO:
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut_torn_line(path)
        # The buffer holds seconds of samples: one write a flush, so a kill rarely tears a line.
        file = open(path, "a", buffering=1 << 20, encoding="utf-8", newline="")  # noqa: SIM115
    except OSError as error:
        raise MeterError(
            f"cannot write {path}: {error.strerror}; give a path that is writable"
        ) from error
    if header and path.stat().st_size == 0:
        file.write(header + "\n")
    return file


def cut_torn_line(path: Path) -> None:
    """Cut what a killed writer left after the last newline, or the next line would grow onto it."""
    if not path.exists():
        return
    with open(path, "rb+") as file:
        end = position = file.seek(0, os.SEEK_END)
        while position > 0:
            file.seek(position - 1)
            if file.read(1) == b"\n":
                break
            position -= 1
        if position < end:
            file.truncate(position)
