"""One sampling loop: read every meter at fixed deadlines, write what it says, outlive its loss."""

import time
from collections.abc import Callable, Collection

from metering.counters import CounterWatch
from metering.meter import Meter, Watcher, one_line
from metering.trace import EventWriter, TraceWriter

SLOW_PERIOD_S = 1.0  # temperature, clocks and limits: nothing there moves faster
FLUSH_PERIOD_S = 1.0  # at most this much is lost when the sampler is killed


class SamplingLoop:
    """Samples meters into a trace and an events file, and what watchers see beside them.

    A meter that raises is closed and dropped, with an event; the others go on. Nothing is ever
    written in place of a missing value.
    """

    def __init__(
        self,
        meters: Collection[Meter],
        trace: TraceWriter,
        events: EventWriter,
        frozen_after_s: float = 5.0,
        watchers: Collection[Watcher] = (),
    ):
        self._meters = [(m, CounterWatch(m.domain, frozen_after_s)) for m in meters]
        self._watchers = list(watchers)
        self._speechless: set[str] = set()  # domains whose slow quantities failed
        self._trace = trace
        self._events = events
        self.samples = 0
        self.late = 0

    def sample(self, slow: bool, everything: bool = False) -> None:
        """One round over all meters; ``slow`` also reads what moves slowly, ``everything`` also
        what a meter would leave for later."""
        for meter, watch in list(self._meters):
            domain = meter.domain.domain
            try:
                readings = meter.read(everything)
            except Exception as error:  # whatever it is, it must not take the other meters along
                self._event("meter-lost", domain, one_line(error))
                self._drop(meter)
                continue
            self._trace.write(readings)
            for kind, why in watch.see(readings):
                self._event(kind, domain, why)
            if slow and domain not in self._speechless:
                try:
                    self._trace.write(meter.read_slow())
                except Exception as error:  # energy may still be there: keep the meter
                    self._speechless.add(domain)
                    self._event("slow-quantities-lost", domain, one_line(error))
        if slow:
            self._watch()
        self.samples += 1

    def _watch(self) -> None:
        for watcher in list(self._watchers):
            try:
                self._trace.write(watcher.read_slow())
            except Exception as error:  # it only says who else was there
                self._watchers.remove(watcher)
                self._event("slow-quantities-lost", watcher.domain, one_line(error))

    def run(self, period_s: float, wait: Callable[[float], bool]) -> None:
        """Sample every ``period_s`` until ``wait(seconds)`` returns True, then once more.

        Deadlines are absolute, so the period does not drift. A round that overruns skips the
        deadlines that it missed (counted in ``late``) rather than chase them.
        """
        deadline = slow_due = flush_due = time.monotonic()
        deadline += period_s
        slow_due += SLOW_PERIOD_S
        flush_due += FLUSH_PERIOD_S
        while not wait(max(0.0, deadline - time.monotonic())):
            now = time.monotonic()
            if now < deadline:
                continue
            slow = now >= slow_due
            self.sample(slow)
            if slow:
                slow_due = now + SLOW_PERIOD_S
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
        for meter, _ in list(self._meters):
            self._drop(meter)

    def _drop(self, meter: Meter) -> None:
        self._meters = [pair for pair in self._meters if pair[0] is not meter]
        try:
            meter.close()
        except Exception as error:  # a lost device may not even close
            self._event("close-failed", meter.domain.domain, one_line(error))

    def _event(self, kind: str, domain: str, why: str) -> None:
        self._events.write(time.monotonic_ns(), kind, domain, why)
