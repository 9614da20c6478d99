"""Arithmetic on raw counter values: wrap-around, resets, counters that stand still."""

from collections.abc import Iterable, Iterator, Sequence

from metering.meter import Domain, MeterError, Reading

# No processor package draws more; a bound for "how long until the counter may have wrapped twice".
PACKAGE_POWER_BOUND_W = 1000.0
# A counter can show so late what was drawn before: a step is compared with so much more time.
HELD_BACK_S = 1.0


class CounterReset(MeterError):
    """A counter went backwards for another reason than wrapping around."""


def unwrap(
    values: Iterable[int | float], max_range: int | None, most: float | None = None
) -> list[int | float]:
    """Raw counter values to a cumulative curve that never falls, in the counter's own unit.

    The curve starts at the first raw value; energy is a difference of two of its points. With
    ``max_range`` (RAPL: ``max_energy_range_uj``) a fall is one wrap-around, exact to one step of
    the counter. Two wraps between two samples look like one or none: see `max_gap_s`. Without it
    (NVML counts in 64 bits and does not wrap) a fall is a reset, as when the driver is reloaded; so
    is a wrap-around that would have counted more than ``most`` from one value to the next.

    Raises CounterReset on such a fall, a fall without ``max_range``, or a value above it. What an
    analysis can still make of such values tells `energy.cleaning`.
    """
    curve: list[int | float] = []
    wrapped = 0
    previous = None
    for value in values:
        if max_range is not None and value > max_range:
            raise CounterReset(
                f"counter value {value} is above its range {max_range}: "
                "the range is not this counter's; check max_range of the domain"
            )
        if previous is not None and value < previous:
            if max_range is None:
                raise CounterReset(
                    f"counter fell from {previous} to {value} and does not wrap: it was reset "
                    "(driver reloaded?); the energy across the reset is unknown, drop its window"
                )
            if most is not None and value - previous + max_range > most:
                raise CounterReset(
                    f"counter fell from {previous} to {value} far from its range {max_range}: it "
                    "was reset (suspended?); the energy across the reset is unknown"
                )
            wrapped += max_range
        curve.append(value + wrapped)
        previous = value
    return curve


def max_gap_s(max_range_uj: int, power_w: float) -> float:
    """The time in which ``power_w`` runs once through a counter of ``max_range_uj``, in seconds.

    Two samples further apart than this may hide a wrap-around.
    """
    return max_range_uj * 1e-6 / power_w


class CounterWatch:
    """Watches the energy counter of one domain while it is sampled.

    ``see`` yields (kind, why) for what the raw values alone would hide or only show later:
    ``counter-frozen``, ``counter-reset``, ``counter-jumped`` and ``wrap-risk``.
    """

    def __init__(self, domain: Domain, frozen_after_s: float = 5.0):
        self._domain = domain
        self._frozen_after_ns = frozen_after_s * 1e9
        self._last: Reading | None = None
        self._moved_ns = 0
        self._frozen = False

    def check(self, readings: Sequence[Reading]) -> Iterator[tuple[str, str]]:
        """What is odd about the domain's next readings, in the order in which they are read."""
        news = [r for r in readings if r.quantity == "energy"]
        for new in news:
            last, self._last = self._last, new
            if last is not None:
                yield from self._falls_and_gaps(last, new)
            if last is None or new.value != last.value:
                self._moved_ns = new.t_ns
                self._frozen = False
        if not news:
            return
        still_ns = new.t_ns - self._moved_ns
        if not self._frozen and still_ns > self._frozen_after_ns and self._draws_power(readings):
            self._frozen = True
            yield (
                "counter-frozen",
                f"the energy counter stood at {new.value} {new.unit} for {still_ns * 1e-9:.1f} s "
                "under power; do not trust its energy from there until it moves",
            )

    def _draws_power(self, readings: Sequence[Reading]) -> bool:
        if self._domain.estimate:
            return False  # an idle machine adds nothing to an estimate
        power = next((r.value for r in readings if r.quantity == "power"), None)
        return power is None or power > 0  # RAPL shows no power, and no package draws none

    def _falls_and_gaps(self, last: Reading, new: Reading) -> Iterator[tuple[str, str]]:
        max_range, bound_w = self._domain.max_range, self._domain.max_power_w
        step = new.value - last.value
        if step < 0:
            if max_range is None:
                yield "counter-reset", f"the energy counter fell from {last.value} to {new.value}"
                return
            step += max_range
        # A step holds what was drawn since the one before it, and some have been held back.
        over_s = (new.t_ns - self._moved_ns) * 1e-9 + HELD_BACK_S
        if bound_w is not None and step * self._domain.scale > bound_w * over_s:
            kind = "counter-jumped" if new.value > last.value else "counter-reset"
            yield (
                kind,
                f"the energy counter went from {last.value} to {new.value} {new.unit} within"
                f" {over_s - HELD_BACK_S:.2f} s: more than {bound_w:g} W",
            )
            return
        if max_range is None:
            return
        gap_s = (new.t_ns - last.t_ns) * 1e-9
        limit_s = max_range * self._domain.scale / (bound_w or PACKAGE_POWER_BOUND_W)
        if gap_s > limit_s:
            yield (
                "wrap-risk",
                f"{gap_s:.0f} s without a sample; above {limit_s:.0f} s the counter may have "
                "wrapped unseen",
            )
