"""Tests that need no distribution, their effect sizes, and what corrects them for their number."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

# A matched-pairs rank-biserial correlation in words, from these sizes on (Vargha and Delaney 2000,
# by the probability of superiority that they correspond to: 0.56, 0.64, 0.71).
EFFECTS = {0.0: "negligible", 0.11: "small", 0.28: "medium", 0.43: "large"}

# Fewer pairs, or cells, carry no correlation; of so many every order is tried.
FEWEST, EXACT = 5, 7
# Flips of signs that are drawn where all of them are more.
FLIPS = 9999


def signed_ranks(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """(p, least p, matched-pairs rank-biserial correlation) of pairs: Wilcoxon's signed-rank test,
    exact for few; Kerby 2014 for the effect, from -1 to 1, above zero where the first is more.

    `least p` is the smallest that so many pairs can give: below six it is above 0.05, and the test
    cannot reject. NaN where no pair differs.
    """
    off = np.asarray(first, float) - np.asarray(second, float)
    off = off[~np.isnan(off) & (off != 0)]
    if not len(off):
        return math.nan, 1.0, math.nan
    exact = len(off) <= 50 and len(np.unique(np.abs(off))) == len(off)
    found = stats.wilcoxon(off, method="exact" if exact else "auto")
    return float(found.pvalue), min(1.0, 2.0 ** (1 - len(off))), rank_biserial(off)


def rank_biserial(differences: np.ndarray) -> float:
    """The effect alone; NaN where no pair differs."""
    off = np.asarray(differences, float)
    off = off[~np.isnan(off) & (off != 0)]
    ranks = stats.rankdata(np.abs(off))
    return float((ranks * np.sign(off)).sum() / ranks.sum()) if len(off) else math.nan


def effect(size: float) -> str:
    """A rank-biserial correlation in words; empty where there is none."""
    if math.isnan(size):
        return ""
    return EFFECTS[max(least for least in EFFECTS if least <= abs(size))]


def mcnemar(gained: int, lost: int) -> tuple[float, float]:
    """(p, least p) that as many were gained as lost, exact (McNemar 1947); NaN for no change."""
    if gained + lost == 0:
        return math.nan, 1.0
    p = float(statsmodels_mcnemar([[0, gained], [lost, 0]], exact=True).pvalue)
    return p, min(1.0, 2.0 ** (1 - gained - lost))


def no_loss(lost: int, number: int, margin: float) -> float:
    """p that of so many prompts at least a share `margin` is lost where `lost` of `number` were:
    the side that matters of two one-sided tests, exact binomial. NaN for none."""
    if number < 1:
        return math.nan
    return float(stats.binomtest(lost, number, margin, alternative="less").pvalue)


def holm(p: np.ndarray) -> np.ndarray:
    """p values adjusted for their number (Holm 1979); those that are NaN do not count.

    As statsmodels' `multipletests`, which collects garbage at each call: 0.2 s of it a family.
    """
    p = np.asarray(p, float)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    left = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(left * p[order]))
    return adjusted


def correlation(
    first: np.ndarray, second: np.ndarray, *, confidence: float
) -> tuple[float, float, float, float]:
    """(rho, low, high, p): Spearman's, of independent pairs, the p exact for few; NaN for fewer
    than five, or where one of the two never changes.

    The interval is of Fisher's z: a jackknife (Arvesen 1969), since near 1 that of Bonett and
    Wright (2000) holds the truth in 89 % of cases; never narrower than theirs, since of few pairs
    all in one order the jackknife sees no scatter.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    count = len(first)
    if count < FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return (math.nan,) * 4
    rho = float(stats.spearmanr(first, second).statistic)
    inside = _inside(rho, count)
    left_out = [
        _inside(_pearson(*(stats.rankdata(np.delete(side, at)) for side in (first, second))), count)
        for at in range(count)
    ]
    low, high = _jackknife(inside, np.array(left_out), count, confidence)
    if count <= EXACT:
        ranks = stats.rankdata(first), stats.rankdata(second)
        p = stats.permutation_test(
            ranks[:1],
            lambda each, axis: (each * ranks[1]).sum(axis=axis) - ranks[0].sum() * ranks[1].mean(),
            permutation_type="pairings",
            vectorized=True,
            n_resamples=math.factorial(EXACT) + 1,
        ).pvalue
    else:
        t = inside * math.sqrt((count - 2) / (1 - inside**2))
        p = 2 * stats.t.sf(abs(t), count - 2)
    return rho, min(low, rho), max(high, rho), float(p)


def correlation_within(
    first: np.ndarray, second: np.ndarray, cells: np.ndarray, *, confidence: float
) -> tuple[float, float, float, float]:
    """(rho, low, high, p) of what two quantities do within cells, pooled over them: Spearman's of
    contrasts, of which R rounds give R - 1 independent ones (Helmert), each with both signs, since
    which round was taken from which is an accident.

    The unit is the cell: some vary more than others, in both quantities at once, and pairs of them
    are then no sample of one distribution (Student's p is below 0.05 in one case of eight). The p
    flips the signs of whole cells, exact where there are few (Good 2005); the interval is a
    jackknife over cells. NaN for fewer than five
    cells with two rounds, or where one of the two never changes.

    Args:
        first, second: One a round.
        cells: Of each, its cell.
    """
    one, other, at = _contrasts(*(np.asarray(side, float) for side in (first, second)), cells)
    names, at = np.unique(at, return_inverse=True)
    if len(names) < FEWEST or not one.any() or not other.any():
        return (math.nan,) * 4
    by_cell = np.bincount(at, _signed(one) * _signed(other))
    found = stats.permutation_test(
        (by_cell,),
        lambda each, axis: each.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=FLIPS,
        rng=np.random.default_rng(0),
    )
    rho = _rho(one, other)
    left_out = np.array([_rho(one[at != cell], other[at != cell]) for cell in range(len(names))])
    # A mean that was taken off costs one pair.
    low, high = _jackknife(rho, left_out, len(one) + 1, confidence)
    return rho, low, high, float(found.pvalue)


def _contrasts(
    first: np.ndarray, second: np.ndarray, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each round less the mean of those of its cell before it, all of one variance; their cells."""
    known = ~(np.isnan(first) | np.isnan(second))
    _, at = np.unique(np.asarray(cells)[known], return_inverse=True)
    order = np.argsort(at, kind="stable")
    at = at[order]
    place = np.arange(len(at)) - np.searchsorted(at, at)
    made = []
    for side in (first, second):
        values = side[known][order]
        before = np.concatenate([[0.0], np.cumsum(values)])
        sums = before[:-1] - before[np.searchsorted(at, at)]
        with np.errstate(invalid="ignore", divide="ignore"):
            made.append((values - sums / place) * np.sqrt(place / (place + 1)))
    return made[0][place > 0], made[1][place > 0], at[place > 0]


def _signed(values: np.ndarray) -> np.ndarray:
    """Ranks of sizes with their signs: those of the values and of their opposites together."""
    return np.sign(values) * (stats.rankdata(np.abs(values)) - 0.5)


def _rho(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's of values that count with both signs, short of 1."""
    one, other = _signed(first), _signed(second)
    below = math.sqrt(float(one @ one) * float(other @ other))
    return _inside(float(one @ other) / below if below > 0 else 0.0, 2 * len(first))


def _inside(rho: float, count: int) -> float:
    """Half-way between 1 and the next rho that so many can have, at most: of few, all in one order
    are no certainty."""
    most = 1 - 6 / (count * (count**2 - 1))
    return min(max(rho, -most), most)


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    one, other = first - first.mean(), second - second.mean()
    below = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / below if below > 0 else 0.0


def _jackknife(
    rho: float, left_out: np.ndarray, pairs: int, confidence: float
) -> tuple[float, float]:
    """The interval of rho from what it is without each unit."""
    count, level = len(left_out), (1 + confidence) / 2
    u = math.sqrt(np.var(np.arctanh(left_out)) * (count - 1))
    least_u = math.sqrt((1 + rho**2 / 2) / (pairs - 3))
    half = max(u * float(stats.t.ppf(level, count - 1)), least_u * float(stats.norm.ppf(level)))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
