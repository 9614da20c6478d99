"""Intervals and effect sizes. Pure functions on arrays; scipy does the work."""

from __future__ import annotations

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Measured:
    """A value with its standard uncertainty (GUM, JCGM 100:2008, 5.1 and G.4).

    Attributes:
        sources: Of each independent source of uncertainty the variance that it adds and its degrees
            of freedom; a variance of NaN is not known, and then there is no interval.
    """

    value: float
    sources: tuple[tuple[float, float], ...] = ()

    def __add__(self, other: Measured) -> Measured:
        return Measured(self.value + other.value, self.sources + other.sources)

    def __sub__(self, other: Measured) -> Measured:
        return self + other.times(-1)

    def times(self, factor: float) -> Measured:
        """So many times the value."""
        sources = tuple((variance * factor**2, freedom) for variance, freedom in self.sources)
        return Measured(self.value * factor, sources)

    def over(self, other: Measured) -> Measured:
        """The ratio, its uncertainty to first order."""
        ratio = self.value / other.value
        above, below = self.times(1 / other.value), other.times(ratio / other.value)
        return Measured(ratio, above.sources + below.sources)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Student's, its degrees of freedom after Welch and Satterthwaite."""
        variance = sum(variance for variance, _ in self.sources)
        if not variance >= 0 or np.isnan(self.value):
            return np.nan, np.nan
        below = sum(variance**2 / freedom for variance, freedom in self.sources)
        freedom = variance**2 / below if below > 0 else np.inf
        half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
        return self.value - half, self.value + half


def measured(values: np.ndarray, uncertainties: np.ndarray) -> Measured:
    """The mean of independent measurements of one thing: their scatter, and what reading the meter
    adds. One alone has no scatter, and so no interval."""
    count = len(values)
    if count == 0:
        return Measured(np.nan)
    scatter = float(np.var(values, ddof=1)) / count if count > 1 else np.nan
    reading = float(np.sum(np.square(uncertainties))) / count**2
    return Measured(float(np.mean(values)), ((scatter, count - 1), (reading, np.inf)))


def relative_polynomial(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """Coefficients, the constant first, of the polynomial with the least squares of relative
    residuals; `y` may be many rows, each with a fit of its own."""
    scale = float(np.max(np.abs(x))) or 1.0
    powers = np.arange(degree + 1)
    columns = (x[:, None] / scale) ** powers / np.asarray(y)[..., None]
    return np.linalg.pinv(columns).sum(axis=-1) / scale**powers


def line(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(slope, intercept) of least squares from the sums of 1, x, y, x x and x y, along the last
    axis; NaN where all x are one."""
    n, x, y, xx, xy = np.moveaxis(np.asarray(sums, float), -1, 0)
    spread = n * xx - x * x
    # Rounding alone must not make a slope.
    spread = np.where(spread > 1e-9 * n * xx, spread, np.nan)
    slope = (n * xy - x * y) / spread
    return slope, (y - slope * x) / n
