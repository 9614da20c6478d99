"""The cumulative energy of a domain, and that of windows with its standard uncertainty. Pure
arithmetic; what a call costs grows with its windows, not with the curve."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import numpy as np

from analysis.energy.uncertainty import (
    Place,
    PowerChanges,
    bridge_variance,
    difference_weights,
    locate,
)

# The step of the power at a time is what it was so many periods before, less what it is so many
# behind.
STEP_SEEN = (1.25, 3.0)

Spans = tuple[tuple[int, int], ...]


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
        timing_s: Standard uncertainty of when a value was true, each for itself; of the anchors',
            where there are some. One for all, or one each.
        step_j: The smallest change that the meter can show.
        lost_ns: Pairs of times between which the meter cannot be trusted: it stood still, was
            reset, or may have wrapped around unseen. Rising, apart from each other.
        blind_ns: Pairs of times, likewise, between which it was not read: what was spent from the
            one to the other is known, but not when.
        delay_u_s: Standard uncertainty of the delay that all values have in common.
        anchors_ns: Times at which a counter was known, where power tells what lies between them.
        wander_j2_s: What power and counter differ by between two anchors: variance a second.
        reach: Over how many intervals to each side a step of the power may show.
        walked_j2: At each time, the variance that has added up since the first, where no counter
            ties the energy down.
        drift_u_s, drift_s: Standard uncertainty of the times of the anchors, which those within
            `drift_s` have in common.
        grid_s: How often the counter moves, where its moves are on a grid; `anchors_ns` are some.
        blur_s, blur_u_s: Of a step of one watt, the energy that a slow sensor shows on its wrong
            side, and its standard uncertainty.
        unseen_s: What the power does between its own values, at an edge: so much time of it.
        coarse_ns, coarse_s: Pairs of times between which the meter has news less often, and how
            often there.
        notes: What was odd about the readings and what was made of it, a short line each.
    """

    times_ns: np.ndarray
    joules: np.ndarray
    period_s: float
    timing_s: float | np.ndarray
    step_j: float
    lost_ns: Spans = ()
    blind_ns: Spans = ()
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
    blur_u_s: float = 0.0
    coarse_ns: Spans = ()
    coarse_s: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    def at(self, times_ns: Sequence[int]) -> np.ndarray:
        """E(t) by linear interpolation, in joules; NaN outside the curve.

        A slow sensor shows a step of the power before and behind it as a slope; where work begins
        or ends, a part of its energy seems to lie outside. That part goes with the step, which is
        what the power is well before that time less what it is well behind it.
        """
        seen_j = self.sensed(times_ns)
        return seen_j + self.blur_s * self._step_w(times_ns) if self.blur_s else seen_j

    def sensed(self, times_ns: Sequence[int]) -> np.ndarray:
        """The same as the sensor has it, blurred."""
        times_ns = np.asarray(times_ns)
        outside = (times_ns < self.times_ns[0]) | (times_ns > self.times_ns[-1])
        return np.where(outside, np.nan, self._upto(times_ns))

    def _upto(self, times_ns: np.ndarray) -> np.ndarray:
        """The same, outside the curve what it is at its end."""
        return _interpolated(self.joules, locate(self.times_ns, times_ns))

    def _step_w(self, times_ns: Sequence[int]) -> np.ndarray:
        """How much more the power was before those times than it is behind them, in watts."""
        near, far = (round(periods * self.period_s * 1e9) for periods in STEP_SEEN)
        at = [self._upto(np.asarray(times_ns) + shift) for shift in (-far, -near, near, far)]
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
        if not len(start_ns):
            return Energy(np.zeros(0), np.zeros(0))
        joules = self.at(end_ns) - self.at(start_ns)
        unknown = overlaps(self.lost_ns, start_ns, end_ns)
        for edge in (start_ns, end_ns):
            unknown = unknown | overlaps(self.blind_ns, edge, edge)
        joules = np.where(unknown, np.nan, joules)
        start, end = (locate(self.times_ns, edge) for edge in (start_ns, end_ns))
        (at, _), (to, _) = start, end
        changes = self._power_changes
        first_w, last_w = changes.power_w[at], changes.power_w[to]
        variance = np.zeros(len(joules))
        for point, weight in zip(
            (at, at + 1, to, to + 1), difference_weights(start, end), strict=True
        ):
            variance = variance + weight**2 * changes.of_points(point)
        step_j2, walk_j2 = changes.of_intervals(np.concatenate([at, to]))
        count = len(at)
        variance = variance + np.maximum(
            bridge_variance(start, end, step_j2[:count], step_j2[count:], squared=True),
            bridge_variance(start, end, walk_j2[:count], walk_j2[count:]),
        )
        if self.anchors_ns is not None:
            tied = [locate(self.anchors_ns, edge) for edge in (start_ns, end_ns)]
            wander = [
                self.wander_j2_s * (self.anchors_ns[i + 1] - self.anchors_ns[i]) / 1e9
                for i, _ in tied
            ]
            variance = variance + bridge_variance(*tied, *wander)
            (at, _), (to, _) = tied
            for point, weight in zip(
                (at, at + 1, to, to + 1), difference_weights(*tied), strict=True
            ):
                variance = variance + weight**2 * self._anchor_changes.of_points(point)
        if self.blur_u_s:
            steps_w = np.hypot(*(self._step_w(edge) for edge in (start_ns, end_ns)))
            variance = variance + (self.blur_u_s * steps_w) ** 2
        variance = variance + ((last_w - first_w) * self.delay_u_s) ** 2
        if self.walked_j2 is not None:
            low, high = (_interpolated(self.walked_j2, edge) for edge in (start, end))
            variance = variance + high - low
        lengths_s = (end_ns - start_ns) / 1e9
        for timing_s, common_s in ((self.drift_u_s, self.drift_s), (self.unseen_s, self.period_s)):
            apart = np.clip(lengths_s / common_s, 0, 1)
            variance = variance + apart * (first_w**2 + last_w**2) * timing_s**2
        return Energy(joules, np.where(np.isnan(joules), np.nan, np.sqrt(variance)))

    def periods_s(self, start_ns: Sequence[int], end_ns: Sequence[int]) -> np.ndarray:
        """How often the meter has news at the edges of windows, the less often of both."""
        found = np.full(len(start_ns), self.period_s)
        if not self.coarse_ns:
            return found
        spans, coarse_s = np.asarray(self.coarse_ns), np.asarray(self.coarse_s)
        for edge in (np.asarray(start_ns), np.asarray(end_ns)):
            at = np.clip(np.searchsorted(spans[:, 0], edge, "right") - 1, 0, None)
            inside = (spans[at, 0] <= edge) & (edge <= spans[at, 1])
            found = np.where(inside, np.maximum(found, coarse_s[at]), found)
        return found

    def readout(self, times_ns: Sequence[int]) -> np.ndarray:
        """What the counter itself showed at those times: its value at the last move before, in
        joules; NaN where its moves are on no grid."""
        times_ns = np.asarray(times_ns)
        if self.grid_s is None:
            return np.full(len(times_ns), np.nan)
        moves = self.times_ns if self.anchors_ns is None else self.anchors_ns
        near = moves[np.clip(np.searchsorted(moves, times_ns, "right") - 1, 0, None)]
        grid_ns = self.grid_s * 1e9
        return self.sensed(near + np.floor((times_ns - near) / grid_ns) * grid_ns)

    @functools.cached_property
    def _power_changes(self) -> PowerChanges:
        timing_s = self.timing_s if self.anchors_ns is None else 0.0
        return PowerChanges(self.times_ns, self.joules, self.step_j, timing_s, self.reach)

    @functools.cached_property
    def _anchor_changes(self) -> PowerChanges:
        """The anchors, which are uncertain as the counter's points are."""
        known_j = self._upto(self.anchors_ns)
        return PowerChanges(self.anchors_ns, known_j, self.step_j, self.timing_s, 1)


def _interpolated(values: np.ndarray, place: Place) -> np.ndarray:
    at, f = place
    return values[at] + np.clip(f, 0, 1) * (values[at + 1] - values[at])


def overlaps(spans: Spans, start_ns: np.ndarray, end_ns: np.ndarray) -> np.ndarray:
    """Of each window, whether it and one of the spans (rising, apart) overlap."""
    if not spans:
        return np.zeros(len(start_ns), bool)
    firsts, lasts = np.asarray(spans, np.int64).T
    at = np.searchsorted(lasts, start_ns, "right")
    return (at < len(lasts)) & (firsts[np.clip(at, 0, len(lasts) - 1)] < end_ns)


def merge_spans(spans: Iterable[tuple[int, int]]) -> Spans:
    """Spans rising and apart."""
    found: list[tuple[int, int]] = []
    for first, last in sorted((int(a), int(b)) for a, b in spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)
