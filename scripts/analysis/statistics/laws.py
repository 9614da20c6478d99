"""Polynomials through what lengths take: their terms, and how far they can be trusted."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from analysis.statistics.estimate import BOTH, PROMPTS, Estimate, Spread


@dataclasses.dataclass(frozen=True)
class Law:
    """y = c0 + c1 x + c2 x^2 ..., by the least squares of relative residuals.

    Attributes:
        terms: The constant first; each with its interval.
        covariance: Of the terms, of one round's lengths.
        r2: Of the values at each length, as logarithms.
        lack_of_fit_p: p that what lengths are off by is no more than what windows of one length
            vary by (F test); NaN where no length has two windows.
        left_out: Of each term, its smallest and largest value when one length is left out.
        worst_residual: Of a length, relative.
        lengths, rounds: How many.
    """

    terms: tuple[Estimate, ...]
    covariance: np.ndarray
    r2: float
    lack_of_fit_p: float
    left_out: tuple[tuple[float, float], ...]
    worst_residual: float
    lengths: int
    rounds: int

    def at(self, x: np.ndarray) -> np.ndarray:
        """Its values."""
        return np.polynomial.polynomial.polyval(x, [term.value for term in self.terms])

    def ratio(self, x: float, other: float, *, confidence: float) -> Estimate:
        """What it says at one length over what it says at another; the interval to first order.

        What a process adds to all lengths cancels: one round gives an interval over its lengths.
        """
        powers = np.arange(len(self.terms))
        above, below = float(self.at(x)), float(self.at(other))
        value = above / below if below > 0 else math.nan
        known = {"value": value, "confidence": confidence, "rounds": self.rounds}
        freedom = self.lengths - len(self.terms)
        if not value > 0 or freedom < 1:
            return Estimate(why="too few lengths", **known)
        slope = x**powers / above - other**powers / below
        half = Spread.of(float(slope @ self.covariance @ slope), freedom).half(confidence)
        edges = value * math.exp(-half), value * math.exp(half)
        return Estimate(
            low=edges[0],
            high=edges[1],
            unit=PROMPTS,
            freedom=freedom,
            prompts=self.lengths,
            **known,
        )

    def relative_spread(self, x: float) -> Spread:
        """Of the logarithm of what it says at one length, over its lengths."""
        slope = x ** np.arange(len(self.terms)) / float(self.at(x))
        variance = float(slope @ self.covariance @ slope)
        return Spread.of(variance, self.lengths - len(self.terms))


def share(
    first: Law, x: float, second: Law, z: float, times: float, *, confidence: float
) -> Estimate:
    """What one law says at `x` of that and so many `times` what another says at `z`, of one sweep;
    the interval to first order, over the lengths."""
    part, rest = float(first.at(x)), times * float(second.at(z))
    known = {"confidence": confidence, "rounds": first.rounds, "prompts": first.lengths}
    if not (part > 0 and rest > 0):
        return Estimate(why="too few lengths", **known)
    found = first.relative_spread(x) + second.relative_spread(z)
    half = found.half(confidence)
    low, value, high = (1 / (1 + rest / part * math.exp(step)) for step in (half, 0.0, -half))
    return Estimate(value=value, low=low, high=high, unit=PROMPTS, freedom=found.freedom, **known)


def _fit(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """Coefficients of the least squares of relative residuals."""
    scale = float(np.max(np.abs(x))) or 1.0
    powers = np.arange(degree + 1)
    columns = (x[:, None] / scale) ** powers / y[:, None]
    return np.linalg.lstsq(columns, np.ones(len(x)), rcond=None)[0] / scale**powers


def polynomial(
    x: np.ndarray, y: np.ndarray, rounds: np.ndarray, degree: int, *, confidence: float
) -> Law | None:
    """The law through the medians of each round's windows at each length; None for lengths that are
    not more than its terms.

    The unit is the length, then the round: windows of one length share what that length, its
    prompt and its process are off by. A median, since what goes wrong in a window makes it dearer
    and never cheaper. Intervals are Student's with the lengths beyond the terms; of several rounds,
    what they differ by is added. Of one round they hold what lengths differ by within one process.

    Args:
        x, y: Of each window, the length and what it took, above zero.
        rounds: Of each window.
    """
    x, y, rounds = np.asarray(x, float), np.asarray(y, float), np.asarray(rounds)
    lengths, at = np.unique(x, return_inverse=True)
    names, to = np.unique(rounds, return_inverse=True)
    freedom = len(lengths) - degree - 1
    if freedom < 1:
        return None
    table = np.full((len(names), len(lengths)), np.nan)
    for i, j in set(zip(to.tolist(), at.tolist(), strict=True)):
        table[i, j] = np.median(y[(to == i) & (at == j)])
    # In logarithms a round that is dearer in all is so at each length alike.
    middle = np.exp(np.nanmean(np.log(table), axis=0))
    values = _fit(lengths, middle, degree)
    fitted = np.polynomial.polynomial.polyval(lengths, values)
    relative = middle / fitted - 1
    columns = lengths[:, None] ** np.arange(degree + 1) / middle[:, None]
    scale = np.abs(columns).max(axis=0)
    inverse = np.linalg.inv((columns / scale).T @ (columns / scale)) / np.outer(scale, scale)
    lengths_off = float(((1 - fitted / middle) ** 2).sum()) / freedom
    covariance = inverse * lengths_off
    complete = table[~np.isnan(table).any(axis=1)]
    terms = _terms(values, covariance, freedom, lengths, complete, lengths_off, degree, confidence)
    left = [_fit(np.delete(lengths, i), np.delete(middle, i), degree) for i in range(len(lengths))]
    logs = np.log(middle)
    off = np.log(middle / fitted) if np.all(fitted > 0) else np.full(len(fitted), np.nan)
    around = ((logs - logs.mean()) ** 2).sum()
    return Law(
        terms=terms,
        covariance=covariance,
        r2=float(1 - (off**2).sum() / around) if around > 0 else math.nan,
        lack_of_fit_p=_lack_of_fit(y / fitted[at], at, to, degree),
        left_out=tuple(
            zip(np.min(left, axis=0).tolist(), np.max(left, axis=0).tolist(), strict=True)
        ),
        worst_residual=float(np.abs(relative).max()),
        lengths=len(lengths),
        rounds=len(names),
    )


def _terms(
    values: np.ndarray,
    covariance: np.ndarray,
    freedom: int,
    lengths: np.ndarray,
    complete: np.ndarray,
    lengths_off: float,
    degree: int,
    confidence: float,
) -> tuple[Estimate, ...]:
    each = np.array([_fit(lengths, row, degree) for row in complete])
    alone = _single_share(np.log(complete), lengths_off)
    found = []
    for number, value in enumerate(values):
        made, unit = Spread.of(float(covariance[number, number]), freedom), PROMPTS
        if len(complete) > 1:
            # What single cells vary by is in the scatter of rounds already.
            of_rounds = Spread.of(
                float(np.var(each[:, number], ddof=1)) / len(complete), len(complete) - 1
            )
            made = of_rounds + made.less(alone * float(covariance[number, number]))
            unit = BOTH
        half = made.half(confidence)
        found.append(
            Estimate(
                value=float(value),
                low=float(value) - half,
                high=float(value) + half,
                confidence=confidence,
                rounds=max(1, len(complete)),
                prompts=len(lengths),
                unit=unit,
                freedom=made.freedom,
                p=made.p(float(value)),
            )
        )
    return tuple(found)


def _single_share(logs: np.ndarray, lengths_off: float) -> float:
    """Of what the means of lengths are off by, the share that single cells (a length in a round)
    make."""
    rounds, lengths = logs.shape
    if rounds < 2 or not lengths_off > 0:
        return 0.0
    left = logs - logs.mean(axis=0) - logs.mean(axis=1, keepdims=True) + logs.mean()
    return float((left**2).sum()) / ((rounds - 1) * (lengths - 1)) / rounds / lengths_off


def _lack_of_fit(relative: np.ndarray, at: np.ndarray, to: np.ndarray, degree: int) -> float:
    """F test: what cells (a length in a round) are off by, against what windows in them vary by."""
    key = to * (at.max() + 1) + at
    _, back, sizes = np.unique(key, return_inverse=True, return_counts=True)
    cells, freedom = len(sizes), len(relative) - len(sizes)
    if freedom < 1 or cells <= degree + 1:
        return math.nan
    means = np.bincount(back, relative) / sizes
    pure = float(((relative - means[back]) ** 2).sum()) / freedom
    lack = float((sizes * (means - 1) ** 2).sum()) / (cells - degree - 1)
    return float(stats.f.sf(lack / pure, cells - degree - 1, freedom)) if pure > 0 else math.nan
