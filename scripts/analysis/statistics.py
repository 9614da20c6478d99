"""Intervals and effect sizes. Pure functions on arrays; scipy does the work."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats


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
