"""Means and ratios over prompts that were measured in rounds: both are sampled, and crossed.

What a process adds to every prompt is common to a round, what a prompt asks for is common to all
rounds: resampling one of the two alone gives intervals that are several times too narrow.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from analysis.statistics.estimate import (
    BOTH,
    ONE_ROUND,
    PROMPTS,
    ROUNDS,
    Estimate,
    Spread,
    of_rounds,
)

# Fewer prompts cannot carry an interval of a share: of three, all are often of one kind.
FEWEST_PROMPTS = 5
# Of a share, what is not seen weighs half a prompt at either bound (see `share`).
UNSEEN = 0.5
# So many that the edges of an interval do not move with them; of many prompts fewer do.
RESAMPLES, WEIGHTS = 20_000, 4_000_000
# From so many on no kind of prompt goes unseen, and a mean of them is normal.
MANY_PROMPTS = 1000
ALIKE = "no two differ"


@dataclasses.dataclass(frozen=True)
class Cells:
    """Sums of one workload by round and prompt: a mean, or a ratio of two.

    Attributes:
        rounds, prompts: Of each cell, numbered from 0.
        above, below: Of each cell, mean over its repetitions.
    """

    rounds: np.ndarray
    prompts: np.ndarray
    above: np.ndarray
    below: np.ndarray

    @property
    def value(self) -> float:
        """The ratio of sums; NaN for none."""
        total = self.below.sum()
        return float(self.above.sum() / total) if total > 0 else math.nan

    @property
    def counts(self) -> tuple[int, int]:
        """How many rounds and prompts there are."""
        return len(np.unique(self.rounds)), len(np.unique(self.prompts))


def cells(
    rounds: np.ndarray, prompts: np.ndarray, above: np.ndarray, below: np.ndarray | None = None
) -> Cells:
    """Rows to cells: repetitions of a prompt in a round are averaged; rows without a value go.

    Args:
        above, below: Of each row; without `below` the value is a mean.
    """
    above = np.asarray(above, float)
    below = np.ones(len(above)) if below is None else np.asarray(below, float)
    known = ~(np.isnan(above) | np.isnan(below))
    _, at = np.unique(np.asarray(rounds)[known], return_inverse=True)
    _, to = np.unique(np.asarray(prompts)[known], return_inverse=True)
    key = at * (to.max() + 1 if len(to) else 1) + to
    _, first, back, sizes = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    sums = [np.bincount(back, values[known], len(first)) / sizes for values in (above, below)]
    return Cells(at[first], to[first], *sums)


def _parts(made: Cells) -> tuple[Spread, Spread, float]:
    """Of the value: the variance that prompts make, that rounds make (both with that of single
    cells in them), and that of single cells alone."""
    value, count = made.value, len(made.above)
    influence = (made.above - value * made.below) / made.below.mean()
    rounds, prompts = made.counts

    def between(groups: np.ndarray, number: int) -> Spread:
        if number < 2:
            return Spread()
        sums = np.bincount(groups, influence, number) / count
        # One that weighs much hides itself (jackknife; HC3 of MacKinnon and White 1985), and where
        # few weigh most of it the others are no degrees of freedom (Kish 1965).
        weights = np.bincount(groups, made.below, number) / made.below.sum()
        seen = sums / (1 - weights)
        freedom = max(1.0, 1 / float(weights @ weights) - 1)
        return Spread.of(float((seen**2).sum()) * (number - 1) / number, freedom)

    left = influence.copy()
    # Alternating means: exact at once where every prompt is in every round.
    for _ in range(1 if count == rounds * prompts else 50):
        for groups, number in ((made.rounds, rounds), (made.prompts, prompts)):
            means = np.bincount(groups, left, number) / np.bincount(groups, minlength=number)
            left -= means[groups]
    freedom = count - rounds - prompts + 1
    alone = float((left**2).sum()) / freedom / count if freedom > 0 else 0.0
    return between(made.prompts, prompts), between(made.rounds, rounds), alone


def spread(made: Cells) -> Spread:
    """Of the value, prompts and rounds both sampled (two-way clustering, after Cameron, Gelbach and
    Miller 2011, with the interaction taken off once); what is sampled once is not in it."""
    of_prompts, of_rounds, alone = _parts(made)
    # What single cells vary by is in both: it is taken off the one that is known better.
    few, many = sorted((of_prompts, of_rounds), key=lambda part: part.freedom)
    return few + many.less(alone)


def relative_spread(made: Cells) -> Spread:
    """Of the logarithm of a value above zero. Where every prompt is in every round, the rounds' own
    values are taken in logarithms: of two rounds the interval is then exact."""
    value, (rounds, prompts) = made.value, made.counts
    each = [_only(made, [one]).value for one in range(rounds)]
    if rounds < 2 or len(made.above) < rounds * prompts or min(each) <= 0:
        return spread(made).times(1 / value)
    of_prompts, _, alone = _parts(made)
    between = of_rounds(np.log(each))
    return between + of_prompts.less(alone).times(1 / value)


def mean(
    made: Cells,
    *,
    confidence: float,
    reading_u: float = math.nan,
    common_u: float = 0.0,
    signed: bool = False,
) -> Estimate:
    """An absolute quantity (joules, seconds): of a process, so one round gives no interval.

    The interval is of the logarithm where the value is above zero, unless the quantity is `signed`.

    Args:
        reading_u: Standard uncertainty of reading, of the value; what windows do not share of it.
        common_u: The same, of what all windows of a round share (an idle power).
    """
    return _estimate(made, confidence, reading_u, common_u, absolute=True, signed=signed)


def count(made: Cells, *, confidence: float) -> Estimate:
    """A quantity that the process has no hand in (tokens): its unit is the prompt alone; rounds of
    the same prompts repeat it."""
    found = _estimate(over_rounds(made), confidence, absolute=False)
    return dataclasses.replace(found, why="one prompt") if made.counts[1] == 1 else found


def within(
    made: Cells,
    *,
    confidence: float,
    reading_u: float = math.nan,
    common_u: float = 0.0,
    signed: bool = False,
) -> Estimate:
    """A ratio of two quantities of one process, in which what is common to the process cancels: one
    round gives an interval over its prompts, more give one over both. Arguments as of `mean`."""
    return _estimate(made, confidence, reading_u, common_u, absolute=False, signed=signed)


def over_rounds(made: Cells) -> Cells:
    """The means over rounds, as of one round."""
    zeros = np.zeros(len(made.prompts), int)
    return cells(zeros, made.prompts, made.above, made.below)


def _estimate(
    made: Cells,
    confidence: float,
    reading_u: float = math.nan,
    common_u: float = 0.0,
    *,
    absolute: bool,
    signed: bool = False,
) -> Estimate:
    rounds, prompts = made.counts
    value = made.value
    known = {"value": value, "confidence": confidence, "rounds": rounds, "prompts": prompts}
    known["reading_u"] = both_u = math.hypot(reading_u, common_u)
    if math.isnan(value):
        return Estimate(why="nothing has a value", **known)
    if absolute and rounds < 2:
        return Estimate(why=ONE_ROUND, **known)
    if prompts < 2 and rounds < 2:
        return Estimate(why="one prompt in one round", **known)
    logs = value > 0 and not signed
    scale = value if logs else 1.0
    found = relative_spread(made) if logs else spread(made)
    found = found.at_least(both_u / scale)
    if rounds < 2 and common_u > 0:
        # Prompts of one round all share it: it is not in what they differ by.
        found = spread(made).times(1 / scale) + Spread.of((common_u / scale) ** 2, math.inf)
    half = found.half(confidence)
    if not half > 0:
        return Estimate(why=ALIKE, **known)
    if logs:
        edges = value * math.exp(-half), value * math.exp(half)
    else:
        edges = value - half, value + half
    unit = PROMPTS if rounds < 2 else ROUNDS if prompts < 2 else BOTH
    return Estimate(
        low=edges[0],
        high=edges[1],
        unit=unit,
        freedom=found.freedom,
        p=found.p(value) if not logs else math.nan,
        **known,
    )


def over(first: Cells, second: Cells, *, confidence: float) -> Estimate:
    """One workload's value over another's, minus nothing: rounds paired, prompts of each sampled.

    Needs two rounds that both have; p is that the ratio is 1.
    """
    shared = np.intersect1d(first.rounds, second.rounds)
    sides = [_only(side, shared) for side in (first, second)]
    value = first.value / second.value if second.value else math.nan
    known = {"value": value, "confidence": confidence, "rounds": len(shared)}
    known["prompts"] = min(side.counts[1] for side in (first, second))
    if math.isnan(value) or not value > 0:
        return Estimate(why="nothing has a value", **known)
    if len(shared) < 2:
        return Estimate(why=ONE_ROUND, **known)
    each = [[_only(side, [one]).value for one in shared] for side in sides]
    logs = np.log(each[0]) - np.log(each[1])
    found = of_rounds(logs)
    for side in sides:
        of_prompts, _, alone = _parts(side)
        # What single cells vary by is in the scatter of rounds already.
        found += of_prompts.less(alone).times(1 / side.value)
    half = found.half(confidence)
    middle = math.log(sides[0].value / sides[1].value)
    return Estimate(
        **known | {"value": math.exp(middle)},
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        unit=BOTH,
        freedom=found.freedom,
        p=found.p(middle),
    )


def _only(made: Cells, rounds) -> Cells:
    kept = np.isin(made.rounds, rounds)
    return Cells(made.rounds[kept], made.prompts[kept], made.above[kept], made.below[kept])


def share(
    made: Cells, *, confidence: float, bounds: tuple[float, float] = (0.0, 1.0), seed: int = 0
) -> Estimate:
    """A share of sums within one process, between two bounds: babble of all tokens, energy after
    suppression of that before, passes.

    Over prompts by the Bayesian bootstrap (Rubin 1981) with one more prompt that nobody saw, of
    half a weight, at the lower bound for the lower edge and at the upper for the upper: without it
    the interval of few prompts, mostly of one kind, misses the truth in one case of four, since the
    other kind was not drawn. With one at full weight it holds for any distribution (Gaffke 2005),
    and too often. A share that differs from round to round by more than its cells is widened by
    Student's interval of rounds.
    """
    rounds, prompts = made.counts
    value = made.value
    known = {"value": value, "confidence": confidence, "rounds": rounds, "prompts": prompts}
    if math.isnan(value):
        return Estimate(why="nothing has a value", **known)
    if prompts < FEWEST_PROMPTS:
        return Estimate(why=f"fewer than {FEWEST_PROMPTS} prompts", **known)
    if prompts >= MANY_PROMPTS:
        return _estimate(made, confidence, absolute=False, signed=True)
    one = over_rounds(made)
    weights = np.random.default_rng(seed).dirichlet(
        [*[1.0] * prompts, UNSEEN], min(RESAMPLES, WEIGHTS // prompts)
    )
    seen, unseen_below = weights[:, :-1], weights[:, -1] * one.below.mean()
    above, below = seen @ one.above, seen @ one.below + unseen_below
    extremes = one.above[one.below > 0] / one.below[one.below > 0]
    worst = min(bounds[0], extremes.min()), max(bounds[1], extremes.max())
    tail = (1 - confidence) / 2
    low = float(np.quantile((above + worst[0] * unseen_below) / below, tail))
    high = float(np.quantile((above + worst[1] * unseen_below) / below, 1 - tail))
    unit = PROMPTS
    if rounds > 1:
        _, between, alone = _parts(made)
        more = between.less(alone).half(confidence)
        low, high = value - math.hypot(value - low, more), value + math.hypot(high - value, more)
        unit = BOTH
    return Estimate(low=max(low, worst[0]), high=min(high, worst[1]), unit=unit, **known)


def proportion(passes: np.ndarray, prompts: np.ndarray, *, confidence: float) -> Estimate:
    """A share of prompts, each passed or not: exact binomial (Clopper and Pearson 1934).

    Of prompts that were sampled several times with different outcomes, the mean of their shares, as
    `share`.

    Args:
        passes: Of each sample, 0 or 1.
        prompts: The prompt of each.
    """
    made = over_rounds(cells(np.zeros(len(passes), int), prompts, passes))
    if not len(made.above) or not np.all(np.isin(made.above, (0, 1))):
        return share(made, confidence=confidence)
    number, passed = len(made.above), int(made.above.sum())
    found = stats.binomtest(passed, number).proportion_ci(confidence, method="exact")
    return Estimate(
        value=passed / number,
        low=float(found.low),
        high=float(found.high),
        confidence=confidence,
        rounds=1,
        prompts=number,
        unit=PROMPTS,
    )
