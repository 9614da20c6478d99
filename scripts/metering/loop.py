"""One sampling loop: read every meter at fixed deadlines, write what it says, outlive its loss."""

import time
from collections.abc import Callable, Collection

from metering.counters import CounterWatch
from metering.meter import Meter, MeterEvent, MeterGoneError, Reading, Watcher, error_message
from metering.pace import PROCESS_BUDGET, Budget
from metering.plausible import PlausibilityCheck
from metering.probes import ROUND_S, Retry
from metering.trace import EventWriter, TraceWriter

SLOW_PERIOD_S = ROUND_S  # temperature, clocks and limits: nothing there moves faster
FLUSH_PERIOD_S = 1.0  # at most this much is lost when the sampler is killed
# A meter that cannot be read for so long is given up: what passes has passed by then.
LOST_AFTER_S = 5.0


class _SampledMeter:
    """A meter, and what is known of how it fares."""

    def __init__(self, meter: Meter, watch: CounterWatch) -> None:
        self.meter, self.watch = meter, watch
        self.failing_since_s: float | None = None
        self.slow = Retry()
        self.plausible = PlausibilityCheck(meter.domain)


class SamplingLoop:
    """Samples meters into a trace and an events file, and what watchers see beside them.

    A meter that raises is asked again for some seconds, then closed and dropped, with events; the
    others go on. Nothing is ever written in place of a missing value, and no garbage.
    """

    def __init__(
        self,
        meters: Collection[Meter],
        trace: TraceWriter,
        events: EventWriter,
        frozen_after_s: float = 5.0,
        watchers: Collection[Watcher] = (),
        budget: Budget = PROCESS_BUDGET,
    ):
        self._meters = [
            _SampledMeter(m, CounterWatch(m.domain, getattr(m, "frozen_after_s", frozen_after_s)))
            for m in meters
        ]
        self._watchers = [(watcher, Retry()) for watcher in watchers]
        self._trace = trace
        self._events = events
        self._budget = budget
        self.samples = 0
        self.late = 0

    def sample(self, slow: bool, everything: bool = False) -> None:
        """One round over all meters; ``slow`` also reads what moves slowly, ``everything`` also
        what a meter would leave for later."""
        for one in list(self._meters):
            if self._read(one, everything) and slow:
                self._read_slow(one.meter.domain.domain, one.meter.read_slow, one.slow)
            self._write_events(one.meter)
        if slow:
            for watcher, retry in self._watchers:
                self._read_slow(watcher.domain, watcher.read_slow, retry)
        self.samples += 1

    def _read(self, one: _SampledMeter, everything: bool) -> bool:
        """Whether the meter could be read."""
        domain = one.meter.domain.domain
        try:
            readings = one.meter.read(everything)
        except Exception as error:  # whatever it is, it must not take the other meters along
            self._failed(one, error)
            return False
        if one.failing_since_s is not None:
            one.failing_since_s = None
            self._event("meter-back", domain, "it can be read again")
        readings = [reading for reading in readings if self._is_plausible(one, reading)]
        self._trace.write(readings)
        for kind, why in one.watch.check(readings):
            self._event(kind, domain, why)
        return True

    def _failed(self, one: _SampledMeter, error: Exception) -> None:
        domain, now_s = one.meter.domain.domain, time.monotonic()
        # A right that was taken away is not given back while we ask.
        gone = isinstance(error, MeterGoneError | PermissionError)
        why = error_message(error.__cause__ or error)
        if not gone and one.failing_since_s is None:
            one.failing_since_s = now_s
            self._event("meter-failed", domain, why)
        elif gone or now_s - one.failing_since_s >= getattr(one.meter, "patience_s", LOST_AFTER_S):
            self._event("meter-lost", domain, why)
            self._drop(one)

    def _is_plausible(self, one: _SampledMeter, reading: Reading) -> bool:
        why = one.plausible.why_implausible(reading)
        if one.plausible.starts_rejection(reading, why):
            self._event("value-refused", reading.domain, why, reading.quantity)
        return why is None

    def _read_slow(self, domain: str, read: Callable[[], list[Reading]], retry: Retry) -> None:
        if not retry.due():
            return
        try:
            self._trace.write(read())
        except Exception as error:  # energy may still be there: keep the meter
            if retry.failures == 0:
                self._event("slow-quantities-lost", domain, error_message(error))
            retry.failed()
            return
        if retry.succeeded():
            self._event("slow-quantities-back", domain, "they can be read again")

    def _write_events(self, meter: Meter) -> None:
        new_events: Callable[[], list[MeterEvent]] = getattr(meter, "new_events", list)
        for kind, why, quantity in new_events():
            self._event(kind, meter.domain.domain, why, quantity)

    def run(self, period_s: float, wait: Callable[[float], bool]) -> None:
        """Sample every ``period_s`` until ``wait(seconds)`` returns True, then once more.

        Deadlines are absolute, so the period does not drift. A round that overruns skips the
        deadlines that it missed (counted in ``late``) rather than chase them.
        """
        deadline = slow_due = flush_due = time.monotonic()
        deadline += period_s
        slow_due += SLOW_PERIOD_S
        flush_due += FLUSH_PERIOD_S
        self._budget.update()
        while not wait(max(0.0, deadline - time.monotonic())):
            now = time.monotonic()
            if now < deadline:
                continue
            slow = now >= slow_due
            self.sample(slow)
            if slow:
                slow_due = now + SLOW_PERIOD_S
                self._budget.update()
            if now >= flush_due:
                self._trace.flush()
                flush_due = now + FLUSH_PERIOD_S
            deadline += period_s
            missed = max(0, int((time.monotonic() - deadline) / period_s))
            self.late += missed
            deadline += missed * period_s
        self.sample(slow=True, everything=True)
        self._trace.flush()

    def close(self) -> None:
        """Close the meters that are left."""
        for one in list(self._meters):
            self._drop(one)

    def _drop(self, one: _SampledMeter) -> None:
        self._meters = [other for other in self._meters if other is not one]
        try:
            one.meter.close()
        except Exception as error:  # a lost device may not even close
            self._event("close-failed", one.meter.domain.domain, error_message(error))

    def _event(self, kind: str, domain: str, why: str, quantity: str | None = None) -> None:
        more = {} if quantity is None else {"quantity": quantity}
        self._events.write(time.monotonic_ns(), kind, domain, why, **more)
