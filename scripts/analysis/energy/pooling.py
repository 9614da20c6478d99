"""Energy of phases that are shorter than the meter's period, from many of them. Pure arithmetic.

One phase of 20 ms under a counter that moves every 100 ms leaves no trace of its own: interpolation
gives it the power of its neighbours, however many are averaged. But each interval between two known
values of the counter is the sum of what happened in it; where phases meet the counter's moves at
random, so many sums tell what each kind of phase draws (ordinary least squares).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import signal

from analysis.energy.cumulative import Curve, overlaps

# A sample of the power is a mean over the period before it, of a sensor that follows the load as a
# low pass of first order. How slow it is and how late, in periods: the pair that leaves the least
# unexplained is taken, and looked for around there in smaller steps.
SLOWS = (0.0, 0.2, 0.4, 0.6, 0.8)
DELAYS = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4)
STEPS = (0.1, 0.04)
FINE_NS = 1_000_000
# Periods behind a window's start.
MARGIN = 3
# Sums this far apart may share an error.
LAGS = 8

Spans = tuple[Sequence[int], Sequence[int]]


@dataclasses.dataclass(frozen=True)
class Pooled:
    """What one of a kind of phase takes.

    Attributes:
        each_j: Mean energy of one.
        each_u_j: Its standard uncertainty, from what the sums leave unexplained.
        count: How many there were.
        freedom: Sums beyond the unknowns.
    """

    each_j: float
    each_u_j: float
    count: int
    freedom: int


def pool(
    curve: Curve, kinds: Mapping[str, Spans], inside: Spans | None = None
) -> dict[str, Pooled] | None:
    """Mean energy of each kind of phase; None where the counter has too few values to tell.

    All that is in none of them, from the first phase's start to the last one's end, counts as one
    more kind. A kind's power is taken to be the same whenever it happens.

    Args:
        curve: Of a domain.
        kinds: By name, (starts, ends) in nanoseconds; no two phases overlap.
        inside: Windows, likewise: only what the curve tells within one of them counts. Between
            them other work may go on.
    """
    spans = {name: tuple(map(np.asarray, edges)) for name, edges in kinds.items()}
    spans = {name: edges for name, edges in spans.items() if len(edges[0])}
    if not spans:
        return {}
    known_ns = curve.times_ns
    first = min(starts.min() for starts, _ in spans.values())
    last = max(ends.max() for _, ends in spans.values())
    low, high = np.searchsorted(known_ns, first, "right") - 1, np.searchsorted(known_ns, last)
    knots_ns = known_ns[max(low, 0) : high + 1]
    if len(knots_ns) <= len(spans) + 2:
        return None
    sums_j = np.diff(curve.sensed(knots_ns))
    lengths_s = np.diff(knots_ns) / 1e9
    kept = np.ones(len(sums_j), bool)
    if inside is not None:
        # At a window's edge the sensor still sees what was before.
        margin_ns = round(MARGIN * curve.period_s * 1e9)
        kept = _within(knots_ns, np.asarray(inside[0]) + margin_ns, np.asarray(inside[1]))
    # Where the meter was lost, or did not tell when, there is no sum.
    for spans_ns in (curve.lost_ns, curve.blind_ns):
        kept &= ~overlaps(spans_ns, knots_ns[:-1], knots_ns[1:])
    if kept.sum() <= len(spans) + 2:
        return None
    rows = _Rows(knots_ns, sums_j, lengths_s, list(spans.values()), kept)
    if curve.anchors_ns is None:
        best, nearby = rows.fit(0), []
    else:
        best, nearby = _sharpest(rows, curve.period_s * 1e9)
    if best is None:
        return None
    found = {}
    for at, (name, (starts, ends)) in enumerate(spans.items()):
        each_s = float(np.mean(ends - starts)) / 1e9
        # What one step of slowness or delay would change is not known either.
        moved_w2 = sum((fit.power_w[at] - best.power_w[at]) ** 2 for fit in nearby) / 4
        each_u_j = float(np.sqrt(best.variance_w2[at] + moved_w2)) * each_s
        found[name] = Pooled(float(best.power_w[at]) * each_s, each_u_j, len(starts), best.freedom)
    return found


def _sharpest(rows: _Rows, period_ns: float) -> tuple[_Fit | None, list[_Fit]]:
    """The fit whose sensor leaves the least unexplained, and those one step away."""

    @functools.cache
    def fit(slow: float, delay: float) -> _Fit | None:
        return rows.fit(round(delay * period_ns), round(period_ns), slow * period_ns)

    def residual_j2(at: tuple[float, float]) -> float:
        found = fit(*at)
        return np.inf if found is None else found.left_j2

    best = min(itertools.product(SLOWS, DELAYS), key=residual_j2)
    for step in STEPS:
        moves = (-2, -1, 0, 1, 2)
        around = [(best[0] + step * i, best[1] + step * j) for i in moves for j in moves]
        best = min((at for at in around if at[0] >= 0), key=residual_j2)
    away = [(best[0] + step, best[1]), (best[0] - step, best[1])]
    away += [(best[0], best[1] + step), (best[0], best[1] - step)]
    return fit(*best), [found for at in away if (found := fit(*at)) is not None]


@dataclasses.dataclass(frozen=True)
class _Fit:
    power_w: np.ndarray
    variance_w2: np.ndarray
    left_j2: float
    freedom: int


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The sums, and what happened in each."""

    knots_ns: np.ndarray
    sums_j: np.ndarray
    lengths_s: np.ndarray
    spans: Sequence[tuple[np.ndarray, np.ndarray]]
    kept: np.ndarray

    def fit(self, delay_ns: int, mean_ns: int = 0, slow_ns: float = 0.0) -> _Fit | None:
        """Least squares, seen through such a sensor; None where it has no solution."""
        knots_ns = self.knots_ns - delay_ns
        columns = [np.diff(_sensed_s(knots_ns, mean_ns, slow_ns, *edges)) for edges in self.spans]
        rest_s = self.lengths_s - np.sum(columns, axis=0)
        # Where phases follow each other without a pause there is no rest to tell.
        has_rest = rest_s[self.kept].sum() > 1e-2 * self.lengths_s[self.kept].sum()
        spent_s = np.stack([*columns, rest_s] if has_rest else columns, axis=1)[self.kept]
        sums_j = self.sums_j[self.kept]
        freedom = len(sums_j) - spent_s.shape[1]
        if freedom < 1 or np.linalg.matrix_rank(spent_s) < spent_s.shape[1]:
            return None
        inverse = np.linalg.inv(spent_s.T @ spent_s)
        power_w = inverse @ (spent_s.T @ sums_j)
        left_j = sums_j - spent_s @ power_w
        # Neighbouring sums are not independent: the blur is in both (Newey and West 1987).
        score = spent_s * left_j[:, None]
        meat = score.T @ score
        for lag in range(1, LAGS + 1):
            shared = score[lag:].T @ score[:-lag] * (1 - lag / (LAGS + 1))
            meat += shared + shared.T
        variance_w2 = np.clip(np.diag(inverse @ meat @ inverse), 0, None)
        return _Fit(power_w, variance_w2, float(left_j @ left_j), freedom)


def _within(knots_ns: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Of each interval between two knots, whether it lies in one of the windows."""
    order = np.argsort(starts)
    at = np.searchsorted(starts[order], knots_ns[:-1], "right") - 1
    return (at >= 0) & (knots_ns[1:] <= ends[order][np.clip(at, 0, None)])


def _sensed_s(
    times_ns: np.ndarray, mean_ns: int, slow_ns: float, starts: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Seconds of a kind of phase until each of the times, as the curve sees them: by a sensor of
    that time constant, each value a mean over `mean_ns` around it."""
    if not mean_ns:
        return _spent_s(times_ns, starts, ends)
    half = mean_ns // 2
    grid_ns = np.arange(times_ns[0] - 20 * mean_ns, times_ns[-1] + mean_ns, FINE_NS)
    upto = _spent_s(grid_ns, starts, ends)
    if slow_ns > 0:
        keep = np.exp(-FINE_NS / slow_ns)
        upto = signal.lfilter([1 - keep], [1, -keep], upto, zi=[keep * upto[0]])[0]
    before, behind = (np.interp(times_ns + shift, grid_ns, upto) for shift in (-half, half))
    share = (behind - before) / (2 * half / 1e9)
    return np.concatenate(
        [[0.0], np.cumsum(np.diff(times_ns) / 1e9 * (share[1:] + share[:-1]) / 2)]
    )


def _spent_s(times_ns: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Seconds of a kind of phase until each of the times."""
    order = np.argsort(starts)
    starts, ends = starts[order], ends[order]
    knots = np.stack([starts, ends], axis=1).ravel()
    lengths = np.stack([np.zeros(len(starts)), (ends - starts) / 1e9], axis=1).ravel()
    return np.interp(times_ns, knots, np.cumsum(lengths), left=0.0)
