"""Values that no device can have: they are not written, and an event says so."""

import math

from metering.meter import Domain, Reading

# A sensor may miss once; nothing that runs draws no power for so long.
ZERO_S = 5.0


class PlausibilityCheck:
    """Tells plausible readings of one domain from values that no device can have."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._rejecting: set[str] = set()
        self._zero_since_ns: int | None = None

    def why_implausible(self, reading: Reading) -> str | None:
        """Why a reading of energy or power cannot be true; None where it may be."""
        why = why_implausible(reading, self._domain)
        if why is None and reading.quantity == "power" and not self._domain.estimate:
            if reading.value != 0:
                self._zero_since_ns = None
            elif self._zero_since_ns is None:
                self._zero_since_ns = reading.t_ns
            elif reading.t_ns - self._zero_since_ns > ZERO_S * 1e9:
                why = f"no power at all for {ZERO_S:g} s: nothing that runs draws none"
        return why

    def starts_rejection(self, reading: Reading, why: str | None) -> bool:
        """Whether this is the first of several rejected readings: each stretch is one event."""
        if why is None:
            self._rejecting.discard(reading.quantity)
            return False
        news = reading.quantity not in self._rejecting
        self._rejecting.add(reading.quantity)
        return news


def why_implausible(reading: Reading, domain: Domain) -> str | None:
    """Why a reading of energy or power cannot be true; None where it may be.

    A driver that has no value gives 2^32 - 1, a sensor on its way out anything. Counters stay raw
    apart from that: whether a step of one is possible, the analysis says (`counters.unwrap`).
    """
    if reading.quantity not in ("energy", "power"):
        return None
    value = reading.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"{reading.quantity} of {value!r}: not a number"
    if reading.quantity == "energy":
        return f"an energy counter at {value}: below zero" if value < 0 else None
    scale = domain.scale if domain.quantity == "power" else domain.power_scale
    watts = value * (1.0 if scale is None else scale)
    if watts < 0:
        return f"power of {watts:g} W: below zero"
    if domain.max_power_w is not None and watts > domain.max_power_w:
        return f"power of {watts:.4g} W: above the {domain.max_power_w:g} W that it can draw"
    return None
