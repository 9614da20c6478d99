"""Intervals and effect sizes. Pure functions on arrays; scipy does the work."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

# Cliff's delta in words, from these sizes on (Romano et al. 2006).
EFFECTS = {0.0: "negligible", 0.147: "small", 0.33: "medium", 0.474: "large"}
# Resamples that are ranked at once: bounds the memory.
CHUNK = 500


def interval(
    statistic: Callable[..., np.ndarray],
    samples: tuple[np.ndarray, ...],
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float, float]:
    """A statistic of paired samples and its percentile bootstrap interval (Efron 1979).

    Args:
        statistic: Takes the samples and `axis`; vectorized.
        samples: Arrays of equal length, resampled together.
        confidence: Level of the interval, e.g. 0.95.

    Returns:
        (value, low, high); low and high are NaN for fewer than two observations, all for none.
    """
    if len(samples[0]) == 0:
        return np.nan, np.nan, np.nan
    value = float(statistic(*samples, axis=-1))
    if len(samples[0]) < 2 or np.isnan(value):
        return value, np.nan, np.nan
    result = stats.bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        confidence_level=confidence,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return value, float(low), float(high)


def ratio_of_sums(above: np.ndarray, below: np.ndarray, axis: int = -1) -> np.ndarray:
    """sum(above) / sum(below): short windows weigh as little as they should."""
    return np.sum(above, axis=axis) / np.sum(below, axis=axis)


def saved_share(before: np.ndarray, after: np.ndarray, axis: int = -1) -> np.ndarray:
    """1 - sum(after) / sum(before)."""
    return 1 - ratio_of_sums(after, before, axis=axis)


def cliffs_delta(first: np.ndarray, second: np.ndarray) -> float:
    """P(first > second) - P(first < second), from -1 to 1 (Cliff 1993)."""
    difference = np.sign(np.subtract.outer(np.asarray(first), np.asarray(second)))
    return float(difference.mean())


def wilcoxon_p(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; NaN where no pair differs."""
    if len(first) < 2 or np.all(first == second):
        return float("nan")
    return float(stats.wilcoxon(first, second).pvalue)


def effect(delta: float) -> str:
    """Cliff's delta in words."""
    return EFFECTS[max(size for size in EFFECTS if size <= abs(delta))]


def draws(rounds: np.ndarray, resamples: int, randoms: np.random.Generator) -> np.ndarray:
    """Indices of a hierarchical bootstrap, one row a resample (Saravanan et al. 2020).

    Rounds are independent and the windows of one are not: rounds are drawn first, then windows
    within each that was drawn. Each drawn round gives as many windows as the one that it stands
    for, so that all resamples are of one size.

    Args:
        rounds: The round of each observation.
    """
    order = np.argsort(rounds, kind="stable")
    _, sizes = np.unique(rounds, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    drawn = randoms.integers(0, len(sizes), (resamples, len(sizes)))
    slots = [
        starts[chosen][:, None]
        + (randoms.random((resamples, size)) * sizes[chosen][:, None]).astype(int)
        for chosen, size in zip(drawn.T, sizes, strict=True)
    ]
    return order[np.concatenate(slots, axis=1)]


def bounds(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """The percentile interval of a statistic's resamples; those that have no value are left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def holm(p: np.ndarray) -> np.ndarray:
    """p values adjusted for their number (Holm 1979); those that are NaN do not count."""
    p = np.asarray(p, float)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    left = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(left * p[order]))
    return adjusted


def mann_whitney_p(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p of the Mann-Whitney U test; NaN for fewer than two on a side."""
    if min(len(first), len(second)) < 2:
        return float("nan")
    return float(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)


def kruskal_wallis(*groups: np.ndarray) -> tuple[float, float, float]:
    """(H, p, epsilon squared = H / (n - 1)) (Tomczak and Tomczak 2014); NaN where none differs."""
    together = np.concatenate(groups)
    if np.all(together == together[0]):
        return np.nan, np.nan, np.nan
    h, p = stats.kruskal(*groups)
    return float(h), float(p), float(h / (len(together) - 1))


def spearman(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(rho, two-sided p); NaN where one of the two never changes."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan, np.nan
    rho, p = stats.spearmanr(first, second)
    return float(rho), float(p)


def spearman_rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """rho of each row of two equal arrays."""
    rhos = []
    for start in range(0, len(first), CHUNK):
        a, b = (stats.rankdata(each[start : start + CHUNK], axis=1) for each in (first, second))
        a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (a, b))
        above, below = (a * b).sum(axis=1), (a**2).sum(axis=1) * (b**2).sum(axis=1)
        rhos.append(np.where(below > 0, above / np.sqrt(np.where(below > 0, below, 1)), np.nan))
    return np.concatenate(rhos)
