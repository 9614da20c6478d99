"""The power of an NVIDIA board in the way that says most of when: the driver's samples, else what
is read now, else a mean. Ways fail, end and come back: a reading's source says by which it came."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType

from metering.meter import MeterError, MeterEvent, Reading, error_message, timed
from metering.pace import POWER, RateLimiter
from metering.probes import Probe

# The driver keeps about 2.4 s of samples; they are fetched about once a second, or a little
# more seldom where that is dear.
SAMPLES_EVERY_S, FETCH_S, BUFFER_S = 1.0, 2.2, 2.4
FIRST_TRIES, FIRST_WAIT_S = 5, 0.1
# Without samples they are asked for so often.
RETRY_SAMPLES_S = 5.0
# A sample is never from the future, and the two clocks are compared to less than this.
FUTURE_NS = 5_000_000
# Between two fetches the wall clock is slewed by less: by more, it was set.
STEP_NS = 5_000_000
# Samples come more often than that.
FRESH_NS = 500_000_000
# How a sample's value is told: nvml.h, nvmlValueType_t.
_VALUES = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal"}


class PowerSamples:
    """The driver's buffer of power samples, each with the time at which it was taken, by the wall
    clock. Those whose time cannot be placed on the monotonic clock are left out.

    Raises what the library raises where there is no such buffer.

    Attributes:
        works: Whether it had samples at the start.
        misplaced: How many of those fetched last have times that cannot be.
    """

    def __init__(self, nvml: ModuleType, handle) -> None:
        self._nvml, self._handle = nvml, handle
        self._seen_us = self._last_ns = 0
        self._offset_ns = _wall_clock_offset_ns()
        self._suspect: tuple[int, int] | None = None
        self._new_events: list[MeterEvent] = []
        self.misplaced = 0
        for _ in range(FIRST_TRIES):  # a driver that was loaded just now has none yet
            self.works = bool(self._with_known_times(self._fetch()))
            if self.works:
                break
            time.sleep(FIRST_WAIT_S)

    def new_samples(self) -> list[tuple[int, int | float]]:
        """(CLOCK_MONOTONIC in nanoseconds, milliwatts) of those not given yet."""
        offset_ns = _wall_clock_offset_ns()
        stepped_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        if abs(stepped_ns) > STEP_NS:
            # Some are stamped by the clock before, some by the one after: nobody knows which.
            now_ns = time.monotonic_ns()
            self._seen_us = (now_ns + offset_ns) // 1000
            old_us = self._seen_us + max(0, -stepped_ns) // 1000
            self._suspect = now_ns + round(BUFFER_S * 1e9), old_us
            why = f"the wall clock was set by {stepped_ns / 1e9:+.3f} s; samples since are left out"
            self._new_events.append(MeterEvent("clock-stepped", why, "power"))
            return []
        return self._with_known_times(self._fetch())

    def new_events(self) -> list[MeterEvent]:
        """What happened to the clock since the last call."""
        found, self._new_events = self._new_events, []
        return found

    def _with_known_times(
        self, found: Sequence[tuple[int, int | float]]
    ) -> list[tuple[int, int | float]]:
        """Those whose times rise until now. They must reach now and not beyond: what is stamped by
        another clock, or no more, does not."""
        now_ns, kept, before_ns = time.monotonic_ns(), [], self._last_ns
        for t_us, mw in found:
            t_ns = 1000 * t_us - self._offset_ns
            if self._is_suspect(t_us, now_ns):
                continue
            if t_ns > now_ns + FUTURE_NS:
                kept = []  # nor are those before it where they seem to be
                break
            if t_ns > max(before_ns, now_ns - 2 * BUFFER_S * 1e9):
                before_ns = t_ns
                kept.append((t_ns, mw))
        if kept and now_ns - kept[-1][0] > FRESH_NS:
            kept = []
        if kept:
            self._last_ns = kept[-1][0]
            self._seen_us = (kept[-1][0] + self._offset_ns) // 1000
        self.misplaced = len(found) - len(kept)
        return kept

    def _is_suspect(self, t_us: int, now_ns: int) -> bool:
        """Whether it may have been stamped before the clock was set back, and look newer."""
        if self._suspect is None:
            return False
        until_ns, old_us = self._suspect
        if now_ns > until_ns:
            self._suspect = None
            return False
        return t_us <= old_us

    def _fetch(self) -> list[tuple[int, int | float]]:
        nvml = self._nvml
        try:
            kind, samples = nvml.nvmlDeviceGetSamples(
                self._handle, nvml.NVML_TOTAL_POWER_SAMPLES, self._seen_us
            )
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_NOT_FOUND:
                raise
            return []  # none since the last time
        name = _VALUES.get(kind, "uiVal")
        return [
            (s.timeStamp, getattr(s.sampleValue, name))
            for s in samples
            if s.timeStamp > self._seen_us
        ]


class Power:
    """Readings of power, by the best way that works now.

    Args:
        domain, source: Of the readings; the way is put behind the source.
        samples: None where the board never had any.
        direct: Probes that are read now, the best first: `instant`, `average`.
        share: What it may take of a core.

    Attributes:
        way: `samples`, `instant`, `average`, or None.
        failure: Why no way works now; None where one does.
    """

    def __init__(
        self,
        domain: str,
        source: str,
        samples: PowerSamples | None,
        direct: Sequence[Probe],
        share: float = POWER,
    ) -> None:
        self._domain, self._source = domain, source
        self._samples, self._direct = samples, list(direct)
        sampling = samples is not None and samples.works
        self.way = "samples" if sampling else self._direct[0].way if direct else None
        self._fetches = RateLimiter(share, longest_s=FETCH_S)
        self._reads = RateLimiter(share)
        self._last_s, self._fetch_s = time.monotonic(), 0.0
        self.failure: Exception | None = None
        self._new_events: list[MeterEvent] = []

    def read(self, everything: bool = False) -> list[Reading]:
        """What is due. Never raises: power that fails is left out, and an event says so."""
        readings = self._read_samples(everything) if self._samples else []
        if self.way != "samples" and (everything or self._reads.due()):
            readings += self._read_now()
        return readings

    def new_events(self) -> list[MeterEvent]:
        """What happened to the ways since the last call."""
        found, self._new_events = self._new_events, []
        return (self._samples.new_events() if self._samples else []) + found

    def _read_samples(self, everything: bool) -> list[Reading]:
        now_s = time.monotonic()
        sampling = self.way == "samples"
        if not (now_s >= self._fetch_s and self._fetches.due()) and not (everything and sampling):
            return []
        self._fetch_s = now_s + (SAMPLES_EVERY_S if sampling else RETRY_SAMPLES_S)
        why = "the driver gives no sample"
        try:
            found = self._fetches.call(self._samples.new_samples)
            if self._samples.misplaced:
                why = f"{self._samples.misplaced} samples stamped with times that cannot be"
        except Exception as error:  # the binding has several kinds; power is not the energy
            found, why = [], error_message(error)
        if found:
            self._last_s = now_s
            if not sampling:
                self._change("samples", "the driver gives samples again")
        elif sampling and now_s - self._last_s >= SAMPLES_EVERY_S / 2:
            self._change(self._direct[0].way if self._direct else None, why)
        source = f"{self._source}:samples"
        return [Reading(t_ns, self._domain, "power", mw, "mW", source) for t_ns, mw in found]

    def _read_now(self) -> list[Reading]:
        failure: Exception = MeterError("no way of reading it is left")
        why = error_message(failure)
        for probe in self._direct:
            try:
                t_ns, mw = self._reads.call(lambda probe=probe: timed(probe.read))
            except Exception as error:  # the next way may work
                failure, why = error, error_message(error)
                continue
            if self.failure or probe.way != self.way:
                self._change(probe.way, why if probe.way != self.way else "it can be read again")
            source = f"{self._source}:{probe.way}"
            return [Reading(t_ns, self._domain, "power", mw, probe.unit, source)]
        if self.failure is None:
            self._new_events.append(MeterEvent("quantity-lost", why, "power"))
        self.failure = failure
        return []

    def _change(self, way: str | None, why: str) -> None:
        if self.failure:
            self.failure = None
            self._new_events.append(MeterEvent("quantity-back", why, "power"))
        if way != self.way:
            words = f"power by {way or 'no way'}, not by {self.way or 'no way'} any more: {why}"
            self._new_events.append(MeterEvent("source-changed", words, "power"))
            self.way = way


def _wall_clock_offset_ns() -> int:
    """How far the wall clock is ahead of the monotonic one, read close together."""
    best = None
    for _ in range(5):
        before_ns, wall_ns, after_ns = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if best is None or after_ns - before_ns < best[0]:
            best = after_ns - before_ns, wall_ns - (before_ns + after_ns) // 2
        if best[0] < 50_000:
            break
    return best[1]
