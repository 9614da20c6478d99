"""The raw data of a session on disk, so written that a killed session goes on where it was.

While a session runs its files stand in a folder of their own; they appear in their final place when
it ends, all at once. Each process that works on the session is one segment: windows and
samples carry its number, since a clock and a counter only go on within one.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metering.meter import MeterError, error_message
from metering.torn import FILES, RecordingError, TornError, is_free, read_lines
from metering.trace import cut_torn_line, read_trace


def spec_digest(spec: Mapping[str, Any]) -> str:
    """SHA-256 of a session's configuration: equal when the experiment is equal."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


class Recording:
    """The files of one session.

    Args:
        partial: Where they stand while the session runs.
        final: The folder that they go to.
        spec: The session's configuration.
        wholes: The kinds of window that end a piece of work, such as `generation`. Every window of
            the piece names it under that word; names are unique over all kinds.

    Raises:
        TornError: A file of the unfinished session is damaged, but for its last line: that was
            being written when the process before was killed, and costs what it was of.
        RecordingError: They cannot be written.
    """

    def __init__(self, partial: Path, final: Path, spec: Mapping[str, Any], *wholes: str) -> None:
        self.partial = partial
        self._final = final
        self._spec = dict(spec)
        self._wholes = wholes
        with _write_errors_explained(partial):
            partial.mkdir(parents=True, exist_ok=True)
            for name in (*FILES, "segments.jsonl"):
                cut_torn_line(partial / name)
            self._drop_unfinished(covered := self._last_samples())
        self.finished = {
            name for w in self._windows() if (name := self._item_ended_by(w)) is not None
        }
        # A process that was killed before it could begin has left samples of its segment.
        self.segment = 1 + max([0, *covered, *(s["segment"] for s in self.segments)])

    @property
    def trace(self) -> Path:
        """Where the sampler writes."""
        return self.partial / "trace.csv"

    @property
    def events(self) -> Path:
        """Where the sampler says what went wrong."""
        return self.partial / "events.jsonl"

    @property
    def segments(self) -> list[dict[str, Any]]:
        """What was taken down of each process that worked on the session before."""
        return self._read("segments.jsonl")

    @property
    def last_end_ns(self) -> int | None:
        """When the last window of this segment ended; None before the first."""
        ends_ns = (w["end_ns"] for w in self._windows() if w["segment"] == self.segment)
        return max(ends_ns, default=None)

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Takes down who measures, where, and with what: one segment."""
        _append(self.partial / "segments.jsonl", [{"segment": self.segment, **facts}])

    def append(self, windows: Sequence[Mapping[str, Any]]) -> None:
        """Adds windows that have ended. Those of one piece of work come in one call, its own line
        last: all of them are on disk, or it is measured again."""
        lines = [{"segment": self.segment, **window} for window in windows]
        _append(self.partial / "windows.jsonl", lines)

    def finish(self, facts: Mapping[str, Any], *, measured: bool = True) -> None:
        """Puts everything in its final place, the sampler having ended; until then the unfinished
        session is still whole.

        Raises:
            RecordingError: It cannot be written, or something else stands there.

        Args:
            measured: Whether it was measured to its end: its raw data are then write-protected.
                Else only why it was not is put there, and what was measured of it is kept here.
        """
        with _write_errors_explained(self.partial):
            whole = self._complete_folder(facts, measured)
            if not is_free(self._final):
                raise RecordingError(f"{self._final} holds a finished session by now: it stays")
            _move_into_place(whole, self._final)
            if measured:
                for name in (*FILES, "session.json"):
                    path = self._final / name
                    path.chmod(path.stat().st_mode & ~0o222)
            if measured or not self.finished:
                shutil.rmtree(self.partial)

    def _complete_folder(self, facts: Mapping[str, Any], measured: bool) -> Path:
        """The folder as it will stand in its final place."""
        segments = [
            {**segment, "first_window_s": self._first_window_s(segment)}
            for segment in self.segments
        ]
        session = {"format": 1, "spec": self._spec, "segments": segments if measured else []}
        whole = self.partial / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        for name in FILES:
            (self.partial / name).touch()
            if measured:
                _link(self.partial / name, whole / name)
            else:
                (whole / name).touch()
            # Also of a session that only had to be put in place: what it was made from is older.
            os.utime(whole / name)
        session["files"] = {name: _size_and_digest(whole / name) for name in FILES}
        _write_atomically(whole / "session.json", json.dumps({**session, **facts}, indent=1) + "\n")
        return whole

    def _first_window_s(self, segment: Mapping[str, Any]) -> float | None:
        """From the start of a segment's process to its first measured window, in seconds; None
        where it measured none, or did not take down when it started."""
        starts_ns = [
            window["start_ns"]
            for window in self._windows()
            if window["segment"] == segment["segment"] and self._item_of(window) is not None
        ]
        if not starts_ns or segment.get("process_start_ns") is None:
            return None
        return (min(starts_ns) - segment["process_start_ns"]) / 1e9

    def _windows(self) -> list[dict[str, Any]]:
        windows = self._read("windows.jsonl")
        if not all({"segment", "kind"} <= window.keys() for window in windows):
            path = self.partial / "windows.jsonl"
            raise TornError(f"{path} is damaged: a line is no window{self._remedy}")
        return windows

    def _last_samples(self) -> dict[int, int]:
        try:
            return _last_samples(self.trace)
        except (MeterError, ValueError, csv.Error) as error:
            why = error_message(error, 300)
            raise TornError(f"{self.trace} is damaged: {why}{self._remedy}") from None

    def _read(self, name: str) -> list[dict[str, Any]]:
        path = self.partial / name
        try:
            return read_lines(path) if path.exists() else []
        except TornError as error:
            raise TornError(f"{error}{self._remedy}") from None

    @property
    def _remedy(self) -> str:
        return f"; mend it, or delete {self.partial} to begin the session again"

    def _item_of(self, window: Mapping[str, Any]) -> str | None:
        """The piece of work that a window belongs to."""
        return next((window[key] for key in self._wholes if window.get(key) is not None), None)

    def _item_ended_by(self, window: Mapping[str, Any]) -> str | None:
        """The piece of work that a window ends."""
        return window[window["kind"]] if window["kind"] in self._wholes else None

    def _drop_unfinished(self, covered: Mapping[int, int]) -> None:
        """Drops what a killed process left unfinished: windows of a piece of work that has no line
        of its own, or that ended after the last sample of its segment's meters; and windows of a
        segment of which nothing was taken down, as after a power cut."""
        windows = self._windows()
        begun = {s["segment"] for s in self.segments}
        whole = {
            name
            for w in windows
            if (name := self._item_ended_by(w)) is not None
            and w["end_ns"] <= covered.get(w["segment"], 0)
            and w["segment"] in begun
        }
        kept = [
            w
            for w in windows
            if w["segment"] in begun and ((name := self._item_of(w)) is None or name in whole)
        ]
        if len(kept) < len(windows):
            lines = "".join(json.dumps(w) + "\n" for w in kept)
            _write_atomically(self.partial / "windows.jsonl", lines)


def _append(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    with _write_errors_explained(path.parent), path.open("ab", buffering=0) as file:
        # On a disk that is nearly full a part is written, and only the next part fails.
        while data:
            data = data[file.write(data) :]
        os.fsync(file.fileno())


@contextlib.contextmanager
def _write_errors_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{error.filename or folder} cannot be written: {error.strerror}; what is finished is"
            f" kept in {folder}: mend that, and the same command goes on"
        ) from None


def _size_and_digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _link(path: Path, copy: Path) -> None:
    try:
        copy.hardlink_to(path)
    except OSError:  # not every file system has them
        shutil.copyfile(path, copy)


def _move_into_place(whole: Path, final: Path) -> None:
    """Puts a folder in its place: in one step, unless that is in another file system or holds files
    of other kinds already. Then session.json comes last."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(whole, final)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST):
            raise
        final.mkdir(exist_ok=True)
        for name in (*FILES, "session.json"):
            beside = final / f"{name}.partial"
            shutil.copy2(whole / name, beside)
            os.replace(beside, final / name)


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _last_samples(trace: Path) -> dict[int, int]:
    """For each segment until when all of its meters said something of energy, in nanoseconds: some
    are read less often than others."""
    last: dict[tuple[int, str], int] = {}
    for sample in read_trace(trace) if trace.exists() else ():
        if sample.quantity in ("energy", "power"):
            key = sample.segment, sample.domain
            last[key] = max(sample.t_ns, last.get(key, 0))
    return {
        segment: min(t_ns for (other, _), t_ns in last.items() if other == segment)
        for segment in {segment for segment, _ in last}
    }
