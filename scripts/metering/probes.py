"""Quantities that a device may or may not tell, each for itself: what one of them costs, and that
it fails, concerns no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from metering.meter import MeterEvent, Reading, error_message, timed
from metering.pace import SLOW, RateLimiter

# The slow quantities are asked for so often; one that fails is asked again at once, then after so
# long and twice as long each time, and no more after so many times.
ROUND_S = 1.0
RETRY_S, LONGEST_RETRY_S, TRIES = 1.0, 60.0, 12


class Probe(NamedTuple):
    """One quantity of a device, and how to read it; ``way`` tells several apart that give power."""

    quantity: str
    unit: str
    read: Callable[[], int | float]
    way: str | None = None


class Retry:
    """When to ask again for what failed."""

    def __init__(self) -> None:
        self.failures = 0
        self._due_s = 0.0

    def due(self) -> bool:
        """Whether to ask now."""
        return self.failures < TRIES and time.monotonic() >= self._due_s

    def failed(self) -> None:
        """It failed once more."""
        # At once, after one second, two, four ...
        wait_s = RETRY_S * 2.0 ** (self.failures - 1) if self.failures else 0.0
        self.failures += 1
        self._due_s = time.monotonic() + min(wait_s, LONGEST_RETRY_S)

    def succeeded(self) -> bool:
        """It answered; True if it had failed before."""
        failed, self.failures = self.failures > 0, 0
        return failed


class Probes:
    """The slow quantities of one device.

    Args:
        domain, source: Of the readings.
        share: What all of them together may take of a core.
    """

    def __init__(
        self, domain: str, source: str, probes: Sequence[Probe], share: float = SLOW
    ) -> None:
        self._domain, self._source = domain, source
        each = share / max(1, len(probes))
        self._probes = [
            (probe, RateLimiter(each, slack_s=ROUND_S / 2), Retry()) for probe in probes
        ]
        self._new_events: list[MeterEvent] = []

    def read(self) -> list[Reading]:
        """Those that are due and answer."""
        readings = []
        for probe, paced, retry in self._probes:
            if not (paced.due() if retry.failures == 0 else retry.due()):
                continue
            try:
                t_ns, value = paced.call(lambda probe=probe: timed(probe.read))
                readings.append(
                    Reading(t_ns, self._domain, probe.quantity, value + 0, probe.unit, self._source)
                )
            except Exception as error:  # whatever it is: this quantity only
                if retry.failures == 0:
                    why = error_message(error)
                    self._new_events.append(MeterEvent("quantity-lost", why, probe.quantity))
                retry.failed()
                continue
            if retry.succeeded():
                self._new_events.append(
                    MeterEvent("quantity-back", "it can be read again", probe.quantity)
                )
        return readings

    def new_events(self) -> list[MeterEvent]:
        """What was lost and came back since the last call."""
        found, self._new_events = self._new_events, []
        return found


def supported(
    probes: Iterable[Probe], passing: Callable[[Exception], bool] = lambda error: False
) -> tuple[list[Probe], dict[str, str]]:
    """Probes that answer now, and by quantity (or way) why the others do not.

    Args:
        passing: Whether an error may be gone in a moment: then it is tried once more.
    """
    usable, refused = [], {}
    for probe in probes:
        try:
            try:
                probe.read() + 0
            except Exception as error:
                if not passing(error):
                    raise
                time.sleep(0.05)
                probe.read() + 0
        except Exception as error:  # each library has its own, and bindings raise others
            refused[probe.way or probe.quantity] = error_message(error)
        else:
            usable.append(probe)
    return usable, refused
