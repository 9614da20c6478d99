"""The raw data of a session on disk, so written that a killed session goes on where it was.

While a session runs its files stand in a folder of their own; they go to their final place when
it ends, `session.json` last. Each process that works on the session is one segment: windows and
samples carry its number, since a clock and a counter only go on within one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metering.trace import cut_torn_line, read_trace

FILES = ("windows.jsonl", "trace.csv", "events.jsonl")


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
    """

    def __init__(self, partial: Path, final: Path, spec: Mapping[str, Any], *wholes: str) -> None:
        self.partial = partial
        self._final = final
        self._spec = dict(spec)
        self._wholes = wholes
        partial.mkdir(parents=True, exist_ok=True)
        for name in (*FILES, "segments.jsonl"):
            cut_torn_line(partial / name)
        covered = _last_samples(self.trace)
        self._keep_whole_windows(covered)
        self.finished = {name for w in self._windows() if (name := self._ended(w)) is not None}
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
        return _read(self.partial / "segments.jsonl")

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

    def finish(self, facts: Mapping[str, Any], *, protect: bool = False) -> None:
        """Puts everything in its final place, the sampler having ended; until `session.json`
        stands there, the unfinished session is still whole.

        Args:
            protect: Take away the right to write the raw data.
        """
        segments = [
            {**segment, "first_window_s": self._first_window_s(segment)}
            for segment in self.segments
        ]
        session = {"format": 1, "spec": self._spec, "segments": segments, **facts}
        self._final.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (self.partial / name).touch()
            partial = self._final / f"{name}.partial"
            shutil.copyfile(self.partial / name, partial)
            os.replace(partial, self._final / name)
        _write_whole(self._final / "session.json", json.dumps(session, indent=1) + "\n")
        if protect:
            for name in (*FILES, "session.json"):
                path = self._final / name
                path.chmod(path.stat().st_mode & ~0o222)
        shutil.rmtree(self.partial)

    def _first_window_s(self, segment: Mapping[str, Any]) -> float | None:
        """From the start of a segment's process to its first measured window, in seconds; None
        where it measured none, or did not take down when it started."""
        starts_ns = [
            window["start_ns"]
            for window in self._windows()
            if window["segment"] == segment["segment"] and self._piece(window) is not None
        ]
        if not starts_ns or segment.get("process_start_ns") is None:
            return None
        return (min(starts_ns) - segment["process_start_ns"]) / 1e9

    def _windows(self) -> list[dict[str, Any]]:
        return _read(self.partial / "windows.jsonl")

    def _piece(self, window: Mapping[str, Any]) -> str | None:
        """The piece of work that a window belongs to."""
        return next((window[key] for key in self._wholes if window.get(key) is not None), None)

    def _ended(self, window: Mapping[str, Any]) -> str | None:
        """The piece of work that a window ends."""
        return window[window["kind"]] if window["kind"] in self._wholes else None

    def _keep_whole_windows(self, covered: Mapping[int, int]) -> None:
        """Drops what a killed process left unfinished: windows of a piece of work that has no line
        of its own, or that ended after the last sample of its segment's meters."""
        windows = self._windows()
        whole = {
            name
            for w in windows
            if (name := self._ended(w)) is not None and w["end_ns"] <= covered.get(w["segment"], 0)
        }
        kept = [w for w in windows if (name := self._piece(w)) is None or name in whole]
        if len(kept) < len(windows):
            lines = "".join(json.dumps(w) + "\n" for w in kept)
            _write_whole(self.partial / "windows.jsonl", lines)


def _append(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    with path.open("ab", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
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
