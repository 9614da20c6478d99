"""Energy of a window from the readings of a meter, with its standard uncertainty. Pure arithmetic.

A domain's readings make a cumulative curve E(t); a window's energy is E(end) - E(start). So phases
add up to their whole by construction, and any estimator can be changed without measuring again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.edges import Edges, located, on_time
from metering.counters import PACKAGE_POWER_BOUND_W, CounterReset, max_gap_s, unwrap

TO_JOULES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6}
TO_WATTS = {"W": 1.0, "mW": 1e-3}
# Intel's RAPL counts in units of 2^-14 J on most processors (Intel SDM, volume 3, 15.10.1).
STEP_J = {"mJ": 1e-3, "uJ": 2.0**-14}
# RAPL counters are updated about every millisecond (same source).
RAPL_PERIOD_S = 1e-3
# What NVML shows is so old, measured on an H100 against loads whose times are known; see
# docs/metering.md.
NVML_DELAY_S, NVML_DELAY_U_S = 0.008, 0.003
# Changes to each side that say what may go on within an interval; the median square of normal ones
# over their mean square; and the variance of the energy within an interval over that median.
AROUND, MEDIAN_SQUARE, UNREST = 9, 0.455, 1.0
# The same loads: 6.5 ms of a step's power seem to lie on its wrong side. The step is what the power
# was so many periods before, less what it is so many behind.
BLUR_S, STEP_SEEN = 0.0065, (1.25, 3.0)
# In periods of the power, how late it may be shown.
LATES = np.arange(0, 2.01, 0.1)
# Within a token the power rises and falls faster than samples that are means over 20 ms show: at an
# edge of a window, by as much as this time of it.
UNSEEN_S = 2e-4
# A step of the power shows over so many samples to each side: their times are off by one, and the
# sensor is slow.
REACH = 2
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
        timing_s: Standard uncertainty of when a value was true, each for itself.
        step_j: The smallest change that the meter can show.
        lost_ns: Pairs of times between which the meter cannot be trusted: it stood still, or may
            have wrapped around unseen.
        delay_u_s: Standard uncertainty of the delay that all values have in common.
        anchors_ns: Times at which a counter was known, where power tells what lies between them.
        wander_j2_s: What power and counter differ by between two anchors: variance a second.
        reach: Over how many intervals to each side a step of the power may show.
        walked_j2: At each time, the variance that has added up since the first, where no counter
            ties the energy down.
        drift_u_s, drift_s: Standard uncertainty of the times of the anchors, which those within
            `drift_s` have in common.
        grid_s: How often the counter moves, where its moves are on a grid; `anchors_ns` are some.
        blur_s: Of a step of one watt, the energy that a slow sensor shows on its wrong side.
        unseen_s: What the power does between its own values, at an edge: so much time of it.
    """

    times_ns: np.ndarray
    joules: np.ndarray
    period_s: float
    timing_s: float
    step_j: float
    lost_ns: tuple[tuple[int, int], ...] = ()
    delay_u_s: float = 0.0
    anchors_ns: np.ndarray | None = None
    wander_j2_s: float = 0.0
    reach: int = 1
    walked_j2: np.ndarray | None = None
    drift_u_s: float = 0.0
    drift_s: float = 1.0
    unseen_s: float = 0.0
    grid_s: float | None = None
    blur_s: float = 0.0

    def at(self, times_ns: Sequence[int]) -> np.ndarray:
        """E(t) by linear interpolation, in joules; NaN outside the curve.

        A slow sensor shows a step of the power before and behind it as a slope; where work begins
        or ends, a part of its energy seems to lie outside. That part goes with the step, which is
        what the power is well before that time less what it is well behind it.
        """
        seen_j = self.seen(times_ns)
        return seen_j + self.blur_s * self._step_w(times_ns) if self.blur_s else seen_j

    def seen(self, times_ns: Sequence[int]) -> np.ndarray:
        """The same as the sensor has it, blurred."""
        return np.interp(times_ns, self.times_ns, self.joules, left=np.nan, right=np.nan)

    def _step_w(self, times_ns: Sequence[int]) -> np.ndarray:
        """How much more the power was before those times than it is behind them, in watts."""
        near, far = (round(periods * self.period_s * 1e9) for periods in STEP_SEEN)
        around = [np.asarray(times_ns) + shift for shift in (-far, -near, near, far)]
        at = [np.interp(times, self.times_ns, self.joules) for times in around]
        return (at[1] - at[0] - at[3] + at[2]) / ((far - near) / 1e9)

    def energy(self, start_ns: Sequence[int], end_ns: Sequence[int]) -> Energy:
        """Energies between pairs of times.

        The variance adds up, as of independent sources (GUM, JCGM 100:2008, 5.1.2):
        what the known points are uncertain by (the counter's step, rectangular, and the power
        times the uncertainty of their times), interpolated as they are; what the power may have
        done between two points, a random walk that is tied down at both (a Brownian bridge),
        its step the change of power from interval to interval around there; the same between two
        anchors, its step what power and counter differ by; the common delay, times the difference
        of the powers at both edges; and what edges close to each other have in common: the error
        of the anchors' times, and what the power does unseen.
        """
        start_ns, end_ns = np.asarray(start_ns), np.asarray(end_ns)
        joules = self.at(end_ns) - self.at(start_ns)
        for first, last in self.lost_ns:
            lost = (start_ns < last) & (end_ns > first)
            joules = np.where(lost, np.nan, joules)
        lengths_s = np.diff(self.times_ns) / 1e9
        power_w = np.diff(self.joules) / lengths_s
        start, end = (_within(self.times_ns, edge) for edge in (start_ns, end_ns))
        points_j2 = self._point_variance(power_w)
        step_j2, walk_j2 = _unrest(power_w, lengths_s, points_j2, self.reach)
        variance = _of_points(start, end, points_j2)
        variance = variance + np.maximum(
            _bridged(start, end, step_j2, squared=True), _bridged(start, end, walk_j2)
        )
        if self.anchors_ns is not None:
            tied = (_within(self.anchors_ns, edge) for edge in (start_ns, end_ns))
            lengths_s = np.diff(self.anchors_ns) / 1e9
            variance = variance + _bridged(*tied, self.wander_j2_s * lengths_s)
        if self.blur_s:
            steps_w = np.hypot(*(self._step_w(edge) for edge in (start_ns, end_ns)))
            variance = variance + (self.blur_s / 2 * steps_w) ** 2
        first_w, last_w = power_w[start[0]], power_w[end[0]]
        variance = variance + ((last_w - first_w) * self.delay_u_s) ** 2
        if self.walked_j2 is not None:
            walked = [np.interp(t, self.times_ns, self.walked_j2) for t in (start_ns, end_ns)]
            variance = variance + walked[1] - walked[0]
        lengths_s = (end_ns - start_ns) / 1e9
        for timing_s, common_s in ((self.drift_u_s, self.drift_s), (self.unseen_s, self.period_s)):
            apart = np.clip(lengths_s / common_s, 0, 1)
            variance = variance + apart * (first_w**2 + last_w**2) * timing_s**2
        return Energy(joules, np.where(np.isnan(joules), np.nan, np.sqrt(variance)))

    def shown(self, times_ns: Sequence[int]) -> np.ndarray:
        """What the counter itself showed at those times: its value at the last move before, in
        joules; NaN where its moves are on no grid."""
        times_ns = np.asarray(times_ns)
        if self.grid_s is None:
            return np.full(len(times_ns), np.nan)
        moves = self.times_ns if self.anchors_ns is None else self.anchors_ns
        near = moves[np.clip(np.searchsorted(moves, times_ns, "right") - 1, 0, None)]
        grid_ns = self.grid_s * 1e9
        return self.seen(near + np.floor((times_ns - near) / grid_ns) * grid_ns)

    def _point_variance(self, power_w: np.ndarray) -> np.ndarray:
        """Of each known point, in square joules."""
        around_w = np.maximum(np.append(power_w, 0), np.insert(power_w, 0, 0))
        return self.step_j**2 / 12 + (around_w * self.timing_s) ** 2


# An edge of a window: the interval that it lies in, and where in it, from 0 to 1.
Place = tuple[np.ndarray, np.ndarray]


def _within(knots_ns: np.ndarray, times_ns: np.ndarray) -> Place:
    """Where times lie between knots; before the first and behind the last, in the next interval
    and outside 0 to 1."""
    at = np.clip(np.searchsorted(knots_ns, times_ns, "right") - 1, 0, len(knots_ns) - 2)
    return at, (times_ns - knots_ns[at]) / (knots_ns[at + 1] - knots_ns[at])


def _of_points(start: Place, end: Place, variance: np.ndarray) -> np.ndarray:
    """What independent errors of the points do to the difference of two interpolated values."""
    (at, f), (to, g) = start, end
    apart = to - at
    # Weights of the up to four points; those that both edges lean on cancel in part.
    first = np.where(apart == 0, f - g, -(1 - f))
    second = np.where(apart == 0, g - f, np.where(apart == 1, 1 - g - f, -f))
    third = np.where(apart > 1, 1 - g, 0.0)
    fourth = np.where(apart > 0, g, 0.0)
    return (
        first**2 * variance[at]
        + second**2 * variance[at + 1]
        + third**2 * variance[to]
        + fourth**2 * variance[to + 1]
    )


def _bridged(start: Place, end: Place, step_j2: np.ndarray, squared: bool = False) -> np.ndarray:
    """Variance of the difference of two points of random walks that are tied down at every knot;
    outside the knots, at the nearest.

    Args:
        step_j2: Of each interval, the variance that an untied walk has at its end.
        squared: What is bridged is no walk but one step of the power: the error, not its variance,
            goes with f * (1 - f).
    """
    (at, f), (to, g) = start, end

    def tied(x: np.ndarray) -> np.ndarray:
        inside = (x >= 0) & (x <= 1)
        share = np.where(inside, x * (1 - x), np.minimum(abs(x), abs(x - 1)))
        return share**2 if squared else share

    apart = tied(f) * step_j2[at] + tied(g) * step_j2[to]
    return np.where(at == to, tied(np.clip(g - f, 0, 1)) * step_j2[at], apart)


def _unrest(
    power_w: np.ndarray, lengths_s: np.ndarray, point_j2: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each interval, what the energy may do within it: of one step of the power its square, and
    the variance of a walk.

    A step of dp where a window begins or ends, as they do, moves E(t) by dp * L * f * (1 - f), L
    being the interval's length and f where in it the step is; dp is not more than the change of
    power at the interval's ends. Where the power keeps changing, faster than the points tell, the
    energy walks, by the changes around.

    Args:
        point_j2: Variance of each point: what they are off by looks like changes, and is none.
            It varies by itself, so more than its mean is taken off.
        reach: See `Curve`.
    """
    if len(power_w) < 2:
        return np.zeros(len(power_w)), np.zeros(len(power_w))
    noise_w2 = 6 * point_j2[1:-1] / (lengths_s[1:] * lengths_s[:-1])
    change_w2 = np.diff(power_w) ** 2
    near_w2 = np.clip(_windows(change_w2, reach).max(axis=1) - 3 * noise_w2, 0, None)
    # The median: steps that come now and then are no unrest.
    usual_w2 = np.median(_windows(change_w2, AROUND), axis=1)
    usual_w2 = np.clip(usual_w2 - 1.5 * MEDIAN_SQUARE * noise_w2, 0, None)

    def of_intervals(changes_w2: np.ndarray) -> np.ndarray:
        # An interval has a change at each end.
        ends_w2 = np.pad(changes_w2, 1, "edge")
        return np.maximum(ends_w2[:-1], ends_w2[1:]) * lengths_s**2

    return of_intervals(near_w2), UNREST * of_intervals(usual_w2)


def _windows(values: np.ndarray, reach: int) -> np.ndarray:
    """Of each value, those up to `reach` - 1 places away."""
    padded = np.pad(values, reach - 1, "edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach - 1)


def curve(
    times_ns: Sequence[int],
    values: Sequence[float],
    domain: Mapping[str, Any],
    power: tuple[Sequence[int], Sequence[float]] | None = None,
) -> Curve | None:
    """The curve of a domain from its readings; None where they are too few to span any time.

    Args:
        times_ns: When each reading was taken.
        values: Raw counter values, or powers where the domain has no counter.
        domain: As the session recorded it: `quantity`, `unit`, `max_range`, `source`, `details`.
        power: (times, milliwatts) of a domain with a counter, where they tell what the power was
            at that time and not its mean over a second: how the energy was spread between two
            moves of the counter.
    """
    times, raw = _rising(times_ns, values)
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
    step_j = STEP_J.get(domain["unit"]) or _typical_step_j(domain)
    if domain["source"] == "nvml" and (edges := located(times, joules)) is not None:
        on_grid = _on_grid(joules, edges, step_j, lost)
        fused = None if power is None else _fused(on_grid, *_rising(*power))
        return fused or _extended(on_grid, int(times[-1]), edges.period_s)
    declared_s = domain["details"].get("resolution_s")
    if domain["unit"] == "uJ":
        declared_s = RAPL_PERIOD_S
    update_s = declared_s or _typical_s(times[changes], gap_s)
    if update_s <= 1.5 * gap_s:
        # Every reading is news, at most one update old: half of one on average.
        times = times - round(update_s * 1e9 / 2)
        return Curve(times, joules, gap_s, update_s / 12**0.5, step_j, lost)
    # Readings between two updates repeat an old value: only the changes say when it was true,
    # which was between the reading before and the one that shows it.
    known_t, known_j = times[changes] - round(gap_s * 1e9 / 2), joules[changes]
    if len(known_t) < 3:
        return None
    made = Curve(known_t, known_j, update_s, gap_s / 12**0.5, step_j, lost)
    return _extended(made, int(times[-1]), update_s)


def _rising(
    times_ns: Sequence[int], values: Sequence[float]
) -> tuple[np.ndarray, list[int | float]]:
    """Readings whose times rise; integers stay integers, for counters outgrow a double."""
    times = np.asarray(times_ns, dtype=np.int64)
    keep = np.concatenate([[True], np.diff(np.maximum.accumulate(times)) > 0])[: len(times)]
    return times[keep], [v for v, k in zip(values, keep, strict=True) if k]


def _extended(made: Curve, last_ns: int, update_s: float) -> Curve:
    """Behind the last change the power goes on for as long as no news is none: one update."""
    times, joules = made.times_ns, made.joules
    end = min(last_ns, int(times[-1] + update_s * 1e9))
    if end <= times[-1]:
        return made
    rate = (joules[-1] - joules[-2]) / (times[-1] - times[-2])
    more = joules[-1] + rate * (end - times[-1])
    return dataclasses.replace(made, times_ns=np.append(times, end), joules=np.append(joules, more))


def _on_grid(
    joules: np.ndarray, edges: Edges, step_j: float, lost: tuple[tuple[int, int], ...]
) -> Curve:
    """From moves whose times are known; between those that were not read the power is even."""
    known_t, known_j = edges.times_ns - round(NVML_DELAY_S * 1e9), joules[edges.at]
    period_s = max(edges.period_s, float(np.median(np.diff(known_t))) / 1e9)
    drift = edges.timing_s, edges.together_s
    return Curve(
        *(known_t, known_j, period_s, 0.0, step_j, lost),
        delay_u_s=NVML_DELAY_U_S,
        drift_u_s=drift[0],
        drift_s=drift[1],
        grid_s=edges.period_s,
    )


def _fused(counter: Curve, times_ns: np.ndarray, milliwatts: Sequence[float]) -> Curve | None:
    """The counter says how much, the power when: between two anchors the curve has the shape of
    the power's integral and the height of the counter. None where they do not go together."""
    if len(times_ns) < 3:
        return None
    watts = np.asarray(milliwatts) * TO_WATTS["mW"]
    update_s = _typical_s(times_ns[np.flatnonzero(np.diff(watts)) + 1], 0.0)
    update_s = max(update_s, float(np.median(np.diff(times_ns))) / 1e9)
    shown_ns = on_time(times_ns)
    steps_j = np.diff(shown_ns) / 1e9 * (watts[1:] + watts[:-1]) / 2
    integral_j = np.concatenate([[0.0], np.cumsum(steps_j)])
    margin_ns = round(max(LATES) * update_s * 1e9)
    inside = (counter.times_ns >= shown_ns[0]) & (counter.times_ns <= shown_ns[-1] - margin_ns)
    anchors, known_j = counter.times_ns[inside], counter.joules[inside]
    if len(anchors) < 3:
        return None
    more_j, lengths_s = np.diff(known_j), np.diff(anchors) / 1e9

    def off_j(late_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """What power, if so late, and counter differ by between two anchors, over the root of the
        time between them; and the power's energies."""
        of_power_j = np.diff(np.interp(anchors + late_ns, shown_ns, integral_j))
        ratio = more_j.sum() / max(of_power_j.sum(), 1e-9)
        return (more_j - ratio * of_power_j) / lengths_s**0.5, of_power_j

    # How late the power is shown, the counter tells.
    lates_ns = [round(late * update_s * 1e9) for late in LATES]
    late_ns = min(lates_ns, key=lambda ns: float(np.mean(off_j(ns)[0] ** 2)))
    off, of_power_j = off_j(late_ns)
    # What an anchor itself is off by is in the two around it with opposite signs.
    own_j2 = max(-2 * float(np.mean(off[1:] * off[:-1])), 0.0)
    all_j2 = float(np.mean(off**2))
    wander_j2_s = max(all_j2 - own_j2, all_j2 / 4)
    if not np.all(of_power_j > 0):
        return None
    ratio = more_j.sum() / of_power_j.sum()
    times = shown_ns - late_ns
    knots = np.union1d(times, anchors)
    at = np.searchsorted(anchors, knots, "right") - 1
    ratios = np.concatenate([[ratio], more_j / of_power_j, [ratio]])
    base = np.clip(at, 0, None)
    by_power_j = np.interp(anchors, times, integral_j)
    since_j = np.interp(knots, times, integral_j) - by_power_j[base]
    joules = known_j[base] + since_j * ratios[at + 1]
    return dataclasses.replace(
        counter,
        times_ns=knots,
        joules=np.maximum.accumulate(joules),
        period_s=update_s,
        anchors_ns=anchors,
        wander_j2_s=wander_j2_s,
        reach=REACH,
        unseen_s=UNSEEN_S,
        blur_s=BLUR_S,
    )


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
    changes = np.flatnonzero(np.diff(power_w) != 0) + 1
    update_s = max(gap_s, _typical_s(times_ns[changes], gap_s))
    # A reading that repeats the one before is no news; the last says that nothing came.
    news = np.union1d(changes, [0, len(power_w) - 1])
    times_ns, power_w = times_ns[news], power_w[news]
    steps = np.diff(times_ns) / 1e9 * (power_w[1:] + power_w[:-1]) / 2
    joules = np.concatenate([[0.0], np.cumsum(steps)])
    # A reading is at most one update old: half of one on average.
    times_ns = times_ns - round(update_s * 1e9 / 2)
    # A step within an interval is off by up to half of it, and shows as two bends of the power.
    bends_w2 = np.pad(np.diff(power_w, 2) ** 2, 1) if len(power_w) > 2 else 0 * power_w
    added_j2 = (bends_w2[1:] * np.diff(times_ns / 1e9) ** 2) / 24
    walked_j2 = np.concatenate([[0.0], np.cumsum(added_j2)])
    return Curve(
        times_ns, joules, update_s, update_s / 12**0.5, 0.0, reach=REACH, walked_j2=walked_j2
    )


def _typical_s(times_ns: np.ndarray, otherwise: float) -> float:
    return float(np.median(np.diff(times_ns))) / 1e9 if len(times_ns) > 2 else otherwise


def _typical_step_j(domain: Mapping[str, Any]) -> float:
    """One clock tick of one CPU at its share of the rated power."""
    details = domain["details"]
    return details["rated_power_w"] / details["logical_cpus"] * details["resolution_s"]
