"""Cells that were measured in rounds, each a process of its own; windows of one are repeats.

Student's t on the logarithms of round means, paired by round where two cells are compared.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.statistics.estimate import ONE_ROUND, ROUNDS, Estimate, of_rounds


def round_means(values: np.ndarray, rounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rounds, the mean of each one's windows); windows that are NaN do not count."""
    values, rounds = np.asarray(values, float), np.asarray(rounds)
    known = ~np.isnan(values)
    names, at = np.unique(rounds[known], return_inverse=True)
    return names, np.bincount(at, values[known], len(names)) / np.bincount(at, minlength=len(names))


def mean(
    values: np.ndarray,
    rounds: np.ndarray,
    *,
    confidence: float,
    reading_u: np.ndarray | float = 0.0,
    signed: bool = False,
) -> Estimate:
    """The mean over rounds of a cell.

    Geometric of the rounds' means, so that a ratio of two cells is the ratio of their means; of a
    `signed` quantity, which may be zero or less (energy above idle), arithmetic. One round gives a
    value and no interval.

    Args:
        values: One a window, or one a round.
        rounds: The round of each.
        reading_u: Standard uncertainty of reading, of each value or of all, taken to be common to
            the windows of a round (an idle power that is subtracted from all of them is).
    """
    names, means = round_means(values, rounds)
    if not len(names):
        return Estimate(confidence=confidence, why="no window has a value")
    # Of a window that has no value, nothing of how it was read counts either.
    own_u = np.where(np.isnan(values), np.nan, np.nan_to_num(reading_u))
    u = round_means(own_u, rounds)[1]
    known = {"confidence": confidence, "rounds": len(names)}
    logs = not signed and bool(np.all(means > 0))
    seen = np.log(means) if logs else means
    middle = float(seen.mean())
    value = math.exp(middle) if logs else middle
    relative_u = u / means if logs else u
    reading = float(np.sqrt(np.mean(np.square(relative_u)) / len(names)))
    known |= {"value": value, "reading_u": reading * (value if logs else 1.0)}
    if len(names) < 2:
        return Estimate(why=ONE_ROUND, **known)
    spread = of_rounds(seen, relative_u)
    half = spread.half(confidence)
    edges = (middle - half, middle + half)
    low, high = map(math.exp, edges) if logs else edges
    p = math.nan if logs else spread.p(middle)
    return Estimate(low=low, high=high, unit=ROUNDS, freedom=spread.freedom, p=p, **known)


def paired(
    first: np.ndarray,
    first_rounds: np.ndarray,
    second: np.ndarray,
    second_rounds: np.ndarray,
    *,
    signed: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """(rounds, differences) of the round means of two cells, in the rounds that both have: of their
    logarithms, or as they are where they are `signed`. Empty where a mean has no logarithm."""
    names, means = round_means(first, first_rounds)
    others, other_means = round_means(second, second_rounds)
    shared, at, to = np.intersect1d(names, others, return_indices=True)
    above, below = means[at], other_means[to]
    if signed:
        return shared, above - below
    if not (np.all(above > 0) and np.all(below > 0)):
        return shared[:0], above[:0]
    return shared, np.log(above) - np.log(below)


def ratio(
    first: np.ndarray,
    first_rounds: np.ndarray,
    second: np.ndarray,
    second_rounds: np.ndarray,
    *,
    confidence: float,
    reading_u: float = 0.0,
) -> Estimate:
    """One cell over another, paired by round: value, Student's interval, p that it is 1.

    Args:
        reading_u: Relative standard uncertainty of reading the ratio of one round.
    """
    shared, logs = paired(first, first_rounds, second, second_rounds)
    if not len(shared):
        return Estimate(confidence=confidence, why="no round has both, above zero")
    return of_logs(logs, confidence=confidence, reading_u=reading_u)


def of_logs(logs: np.ndarray, *, confidence: float, reading_u: float = 0.0) -> Estimate:
    """The ratio whose logarithm each round gives once."""
    middle = float(np.mean(logs))
    known = {"confidence": confidence, "rounds": len(logs), "value": math.exp(middle)}
    known |= {"reading_u": math.exp(middle) * reading_u / len(logs) ** 0.5}
    if len(logs) < 2:
        return Estimate(why=ONE_ROUND, **known)
    spread = of_rounds(np.asarray(logs), reading_u)
    half = spread.half(confidence)
    return Estimate(
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        unit=ROUNDS,
        freedom=spread.freedom,
        p=spread.p(middle),
        **known,
    )


def difference(
    logs_or_values: np.ndarray, *, confidence: float, reading_u: np.ndarray | float = 0.0
) -> Estimate:
    """The mean of what each round gives once, with its interval and the p that it is zero.

    Args:
        reading_u: Standard uncertainty of reading the difference of one round.
    """
    values = np.asarray(logs_or_values, float)
    if not len(values):
        return Estimate(confidence=confidence, why="no round has both")
    numbers = np.arange(len(values))
    return mean(values, numbers, confidence=confidence, reading_u=reading_u, signed=True)


def equivalent(logs: np.ndarray, margin: float, *, reading_u: float = 0.0) -> float:
    """p of two one-sided tests that a ratio lies within 1/(1 + margin) and 1 + margin; NaN for
    fewer than two rounds.

    Args:
        logs: The ratio's logarithm, one a round.
        reading_u: Relative standard uncertainty of reading the ratio of one round.
    """
    if len(logs) < 2:
        return math.nan
    bound = math.log1p(margin)
    spread = of_rounds(np.asarray(logs, float), reading_u)
    return spread.equivalence_p(float(np.mean(logs)), -bound, bound)


def variation(values: np.ndarray, *, confidence: float) -> Estimate:
    """How much rounds differ: their coefficient of variation (sample standard deviation over mean)
    with its interval (chi-square of the variance; for coefficients below a third).

    Args:
        values: One a round, above zero.
    """
    values = np.asarray(values, float)
    known = {"confidence": confidence, "rounds": len(values)}
    if len(values) < 2:
        return Estimate(why=ONE_ROUND, **known)
    freedom = len(values) - 1
    value = float(np.std(values, ddof=1) / values.mean())
    tails = stats.chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], freedom)
    low, high = (value * math.sqrt(freedom / tail) for tail in tails)
    return Estimate(value=value, low=low, high=high, unit=ROUNDS, freedom=freedom, **known)


def blocks(table: np.ndarray) -> tuple[float, float, float]:
    """(F, p, eta squared) that the columns of a table differ, rows being rounds: analysis of
    variance of a randomised block design, on logarithms of round means (Fisher 1935).

    Returns NaN for fewer than two rows or columns, or without any scatter.

    Args:
        table: Rounds x cells, positive and complete.
    """
    rows, columns = table.shape
    if rows < 2 or columns < 2:
        return math.nan, math.nan, math.nan
    logs = np.log(table)
    middle = logs.mean()
    between = rows * ((logs.mean(axis=0) - middle) ** 2).sum()
    left = logs - logs.mean(axis=0) - logs.mean(axis=1, keepdims=True) + middle
    within = (left**2).sum()
    freedom = columns - 1, (rows - 1) * (columns - 1)
    if not within > 0:
        return math.nan, math.nan, math.nan
    f = (between / freedom[0]) / (within / freedom[1])
    return float(f), float(stats.f.sf(f, *freedom)), float(between / (between + within))


def intraclass(values: np.ndarray, rounds: np.ndarray) -> float:
    """Intra-class correlation ICC(1) of windows in rounds (Shrout and Fleiss 1979): which part of
    the variance of a window is between rounds; NaN where there are too few of either."""
    known = ~np.isnan(np.asarray(values, float))
    values, rounds = np.asarray(values, float)[known], np.asarray(rounds)[known]
    names, at, sizes = np.unique(rounds, return_inverse=True, return_counts=True)
    means = np.bincount(at, values, len(names)) / sizes
    squares = np.bincount(at, (values - means[at]) ** 2, len(names))
    variances = np.divide(squares, sizes - 1, out=np.full(len(names), np.nan), where=sizes > 1)
    return intraclass_of(sizes, means, variances)


def intraclass_of(sizes: np.ndarray, means: np.ndarray, variances: np.ndarray) -> float:
    """The same from what each round's windows are: how many, their mean and their variance (NaN of
    one window)."""
    sizes, means, variances = (each[sizes > 0] for each in (sizes, means, variances))
    count, number = sizes.sum(), len(sizes)
    if number < 2 or count <= number:
        return math.nan
    middle = (sizes * means).sum() / count
    between = (sizes * (means - middle) ** 2).sum() / (number - 1)
    inside = within(sizes, variances)
    size = (count - (sizes**2).sum() / count) / (number - 1)
    below = between + (size - 1) * inside
    return float((between - inside) / below) if below > 0 else math.nan


def within(sizes: np.ndarray, variances: np.ndarray) -> float:
    """The variance of windows of one round, pooled over rounds; NaN where no round has two."""
    freedom = np.maximum(sizes - 1, 0).sum()
    squares = np.nansum(variances * (sizes - 1))
    return float(squares / freedom) if freedom > 0 else math.nan
