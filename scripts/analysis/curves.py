"""Energy of a window from the readings of a meter, with its standard uncertainty. Pure arithmetic.

A domain's readings make a cumulative curve E(t); a window's energy is E(end) - E(start). So phases
add up to their whole by construction, and any estimator can be changed without measuring again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metering.counters import PACKAGE_POWER_BOUND_W, CounterReset, max_gap_s, unwrap

TO_JOULES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6}
TO_WATTS = {"W": 1.0, "mW": 1e-3}
# Intel's RAPL counts in units of 2^-14 J on most processors (Intel SDM, volume 3, 15.10.1).
STEP_J = {"mJ": 1e-3, "uJ": 2.0**-14}
# RAPL counters are updated about every millisecond (same source).
RAPL_PERIOD_S = 1e-3
# A measured counter that stands still for so long counts no more: no device draws no power.
FROZEN_S = 5.0


@dataclasses.dataclass(frozen=True)
class Energy:
    """Energies of windows; arrays of equal length, NaN where the curve does not reach.

    Attributes:
        joules: E(end) - E(start).
        uncertainty_j: Standard uncertainty of `joules`.
    """

    joules: np.ndarray
    uncertainty_j: np.ndarray


@dataclasses.dataclass(frozen=True)
class Curve:
    """The cumulative energy of one domain within one segment.

    Attributes:
        times_ns: Rising times at which the curve is known.
        joules: The energy counted until then; it never falls.
        period_s: How often the meter has news: its update period, or the sampling's where that
            is longer.
        timing_s: Standard uncertainty of when a value was true.
        step_j: The smallest change that the meter can show.
        lost_ns: Pairs of times between which the meter cannot be trusted: it stood still, or may
            have wrapped around unseen.
    """

    times_ns: np.ndarray
    joules: np.ndarray
    period_s: float
    timing_s: float
    step_j: float
    lost_ns: tuple[tuple[int, int], ...] = ()

    def at(self, times_ns: Sequence[int]) -> np.ndarray:
        """E(t) by linear interpolation, in joules; NaN outside the curve."""
        return np.interp(times_ns, self.times_ns, self.joules, left=np.nan, right=np.nan)

    def energy(self, start_ns: Sequence[int], end_ns: Sequence[int]) -> Energy:
        """Energies between pairs of times.

        The uncertainty of each edge combines, as independent (GUM, JCGM 100:2008, 5.1.2):
        the counter's step, rectangular; the time at which a reading was true, times the power;
        and interpolation: within an interval of length L between two known points, a power that
        steps by dp at an unknown moment moves E(t) by at most dp * L * f * (1 - f), f being
        where in the interval t lies; dp is taken from the neighbouring intervals.
        """
        joules = self.at(end_ns) - self.at(start_ns)
        for first, last in self.lost_ns:
            lost = (np.asarray(start_ns) < last) & (np.asarray(end_ns) > first)
            joules = np.where(lost, np.nan, joules)
        variance = self._edge_variance(start_ns) + self._edge_variance(end_ns)
        return Energy(joules, np.where(np.isnan(joules), np.nan, np.sqrt(variance)))

    def _edge_variance(self, times_ns: Sequence[int]) -> np.ndarray:
        times_ns = np.asarray(times_ns)
        lengths_s = np.diff(self.times_ns) / 1e9
        power_w = np.diff(self.joules) / lengths_s
        last = len(power_w) - 1
        inside = np.clip(np.searchsorted(self.times_ns, times_ns, "right") - 1, 0, last)
        around = np.stack([power_w[np.clip(inside + k, 0, last)] for k in (-1, 0, 1)])
        swing_w = around.max(axis=0) - around.min(axis=0)
        fraction = (times_ns - self.times_ns[inside]) / 1e9 / lengths_s[inside]
        interpolation_j = swing_w * lengths_s[inside] * fraction * (1 - fraction)
        return self.step_j**2 / 12 + (power_w[inside] * self.timing_s) ** 2 + interpolation_j**2 / 3


def curve(
    times_ns: Sequence[int], values: Sequence[float], domain: Mapping[str, Any]
) -> Curve | None:
    """The curve of a domain from its readings; None where they are too few to span any time.

    Args:
        times_ns: When each reading was taken.
        values: Raw counter values, or powers where the domain has no counter.
        domain: As the session recorded it: `quantity`, `unit`, `max_range`, `source`, `details`.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    keep = np.concatenate([[True], np.diff(times) > 0]) if len(times) else np.zeros(0, bool)
    times, raw = times[keep], [v for v, k in zip(values, keep, strict=True) if k]
    if len(times) < 3:
        return None
    gap_s = float(np.median(np.diff(times))) / 1e9
    if domain["quantity"] == "power":
        return _integrated(times, np.asarray(raw) * TO_WATTS[domain["unit"]], gap_s)
    try:
        joules = np.asarray(unwrap(raw, domain["max_range"]), float) * TO_JOULES[domain["unit"]]
    except CounterReset:
        return None
    changes = np.flatnonzero(np.diff(joules) > 0) + 1
    lost = _lost(times, changes, domain)
    declared_s = domain["details"].get("resolution_s")
    if domain["unit"] == "uJ":
        declared_s = RAPL_PERIOD_S
    update_s = declared_s or _typical_s(times[changes], gap_s)
    step_j = STEP_J.get(domain["unit"]) or _typical_step_j(domain)
    if update_s <= 1.5 * gap_s:
        # Every reading is news, at most one update old: half of one on average.
        times = times - round(update_s * 1e9 / 2)
        return Curve(times, joules, gap_s, update_s / 12**0.5, step_j, lost)
    # Readings between two updates repeat an old value: only the changes say when it was true,
    # which was between the reading before and the one that shows it.
    known_t, known_j = times[changes] - round(gap_s * 1e9 / 2), joules[changes]
    if len(known_t) < 3:
        return None
    # Behind the last change the power goes on for as long as no news is none: one update.
    end = min(int(times[-1]), int(known_t[-1] + update_s * 1e9))
    if end > known_t[-1]:
        rate = (known_j[-1] - known_j[-2]) / (known_t[-1] - known_t[-2])
        known_j = np.append(known_j, known_j[-1] + rate * (end - known_t[-1]))
        known_t = np.append(known_t, end)
    return Curve(known_t, known_j, update_s, gap_s / 12**0.5, step_j, lost)


def _lost(
    times_ns: np.ndarray, changes: np.ndarray, domain: Mapping[str, Any]
) -> tuple[tuple[int, int], ...]:
    """Where a counter stood still, or went unread for so long that it may have wrapped around."""
    lost = []
    if not domain["estimate"]:
        # An estimate rightly stands still while nothing is busy.
        moved = np.concatenate([times_ns[:1], times_ns[changes], times_ns[-1:]])
        lost += [(moved, FROZEN_S)]
    if domain["max_range"] is not None:
        joules = domain["max_range"] * TO_JOULES[domain["unit"]]
        lost += [(times_ns, max_gap_s(round(joules * 1e6), PACKAGE_POWER_BOUND_W))]
    return tuple(
        (int(known[at]), int(known[at + 1]))
        for known, limit_s in lost
        for at in np.flatnonzero(np.diff(known) > limit_s * 1e9)
    )


def _integrated(times_ns: np.ndarray, power_w: np.ndarray, gap_s: float) -> Curve:
    steps = np.diff(times_ns) / 1e9 * (power_w[1:] + power_w[:-1]) / 2
    joules = np.concatenate([[0.0], np.cumsum(steps)])
    changes = np.flatnonzero(np.diff(power_w) != 0) + 1
    update_s = max(gap_s, _typical_s(times_ns[changes], gap_s))
    # A reading is at most one update old: half of one on average.
    times_ns = times_ns - round(update_s * 1e9 / 2)
    return Curve(times_ns, joules, update_s, update_s / 12**0.5, 0.0)


def _typical_s(times_ns: np.ndarray, otherwise: float) -> float:
    return float(np.median(np.diff(times_ns))) / 1e9 if len(times_ns) > 2 else otherwise


def _typical_step_j(domain: Mapping[str, Any]) -> float:
    """One clock tick of one CPU at its share of the rated power."""
    details = domain["details"]
    return details["rated_power_w"] / details["logical_cpus"] * details["resolution_s"]
