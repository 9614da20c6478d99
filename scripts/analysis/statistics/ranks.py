"""Tests that need no distribution, their effect sizes, and what corrects them for their number."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

# A matched-pairs rank-biserial correlation in words, from these sizes on (Vargha and Delaney 2000,
# by the probability of superiority that they correspond to: 0.56, 0.64, 0.71).
EFFECTS = {0.0: "negligible", 0.11: "small", 0.28: "medium", 0.43: "large"}


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
    ranks = stats.rankdata(np.abs(off))
    effect = float((ranks[off > 0].sum() - ranks[off < 0].sum()) / ranks.sum())
    exact = len(off) <= 50 and len(np.unique(np.abs(off))) == len(off)
    found = stats.wilcoxon(off, method="exact" if exact else "auto")
    return float(found.pvalue), min(1.0, 2.0 ** (1 - len(off))), effect


def rank_biserial(differences: np.ndarray) -> float:
    """The effect alone."""
    return signed_ranks(differences, np.zeros(len(differences)))[2]


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
    """p values adjusted for their number (Holm 1979); those that are NaN do not count."""
    p = np.asarray(p, float)
    adjusted, known = np.full(len(p), np.nan), ~np.isnan(p)
    if known.any():
        adjusted[known] = multipletests(p[known], method="holm")[1]
    return adjusted


def correlation(
    first: np.ndarray, second: np.ndarray, *, confidence: float, about_zero: bool = False
) -> tuple[float, float, float, float]:
    """(rho, low, high, p): Spearman's, of independent pairs, with the interval of Bonett and Wright
    (2000); NaN for fewer than five, or where one of the two never changes.

    Args:
        about_zero: The pairs are differences whose sign is an accident of what was taken from what:
            each counts with both signs.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    # A mean that was taken off costs one pair.
    count = len(first) + about_zero
    if about_zero:
        first, second = (np.concatenate([side, -side]) for side in (first, second))
    if count < 5 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return (math.nan,) * 4
    rho = float(stats.spearmanr(first, second).statistic)
    inside = min(max(rho, -1 + 1e-12), 1 - 1e-12)
    u = math.sqrt((1 + inside**2 / 2) / (count - 3))
    half = float(stats.norm.ppf((1 + confidence) / 2)) * u
    low, high = (math.tanh(math.atanh(inside) + step) for step in (-half, half))
    t = inside * math.sqrt((count - 2) / (1 - inside**2))
    return rho, low, high, float(2 * stats.t.sf(abs(t), count - 2))
