"""Values that no device can have: they are not written, and an event says so."""

import math

from metering.meter import Domain, Reading

# A sensor may miss once; nothing that runs draws no power for so long.
ZERO_S = 5.0


class Plausible:
    """Tells what may be true of one domain's readings from garbage."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._refusing: set[str] = set()
        self._zero_since_ns: int | None = None

    def why_not(self, reading: Reading) -> str | None:
        """Why a reading of energy or power cannot be true; None where it may be."""
        why = refused(reading, self._domain)
        if why is None and reading.quantity == "power" and not self._domain.estimate:
            if reading.value != 0:
                self._zero_since_ns = None
            elif self._zero_since_ns is None:
                self._zero_since_ns = reading.t_ns
            elif reading.t_ns - self._zero_since_ns > ZERO_S * 1e9:
                why = f"no power at all for {ZERO_S:g} s: nothing that runs draws none"
        return why

    def is_news(self, reading: Reading, why: str | None) -> bool:
        """Whether this one is the first that is refused, or is not: one event a stretch."""
        if why is None:
            self._refusing.discard(reading.quantity)
            return False
        news = reading.quantity not in self._refusing
        self._refusing.add(reading.quantity)
        return news


def refused(reading: Reading, domain: Domain) -> str | None:
    """Why a reading of energy or power is garbage; None where it may be true.

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
