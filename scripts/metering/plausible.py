"""Values that no device can have: they are not written, and an event says so."""

import math

from metering.meter import Domain, Reading


def refused(reading: Reading, domain: Domain) -> str | None:
    """Why a reading of energy or power is garbage; None where it may be true.

    A driver that has no value gives 2^32 - 1 or 0, a sensor on its way out anything. Nothing that
    runs draws no power; an estimate may find an idle machine. Counters stay raw apart from that:
    whether a step of one is possible, the analysis says (`counters.unwrap`).
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
    if watts < 0 or (watts == 0 and not domain.estimate):
        return f"power of {watts:g} W: nothing that runs draws that"
    if domain.max_power_w is not None and watts > domain.max_power_w:
        return f"power of {watts:.4g} W: above the {domain.max_power_w:g} W that it can draw"
    return None
