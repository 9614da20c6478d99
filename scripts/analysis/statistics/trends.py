"""Whether what a session measures drifts with its course, neighbours being alike."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from scipy import optimize, stats

from analysis.statistics.estimate import Estimate

# Fewer windows beyond what is fitted cannot tell a drift from neighbours that are alike.
FEWEST_FREEDOM = 15
# Serial correlations that are weighed, and their prior: between a flat one, which finds too much in
# short sessions, and Jeffreys', which finds too little in all.
SERIAL = np.linspace(0, 0.98, 25)
PRIOR = (1 - SERIAL**2) ** -0.25
# More windows than this are averaged with their neighbours.
MOST = 1000
TOO_FEW = "too few repeated windows"


@dataclasses.dataclass(frozen=True)
class Course:
    """The repeated windows of a session in their order.

    Attributes:
        at: Of each, the number of its cell.
        x: Of each, its position from 0 to 1.
        y: Of each, the logarithm of what it took.
        kept: Of each, its place among those that were given.
    """

    at: np.ndarray
    x: np.ndarray
    y: np.ndarray
    kept: np.ndarray

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self.at.max()) + 1 if len(self.at) else 0


def course(values: np.ndarray, cells: np.ndarray, positions: np.ndarray) -> Course:
    """The windows that have a value above zero and are not alone in their cell."""
    values, positions, cells = map(np.asarray, (values, positions, cells))
    kept = np.flatnonzero((values > 0) & np.isfinite(values))
    kept = kept[np.argsort(positions[kept], kind="stable")]
    if len(kept):
        _, at, sizes = np.unique(cells[kept], return_inverse=True, return_counts=True)
        kept = kept[sizes[at] > 1]
    _, at = np.unique(cells[kept], return_inverse=True)
    x = positions[kept].astype(float)
    span = float(np.ptp(x)) if len(x) else 0.0
    return Course(at, (x - x[:1]) / span if span else 0 * x, np.log(values[kept]), kept)


def trend(made: Course, *, confidence: float) -> tuple[Estimate, float]:
    """How much a quantity changes from the first to the last position, as a share, and the serial
    correlation of what is left.

    The logarithm is regressed on the position, each cell with a mean of its own, the error being
    autoregressive of first order. How much neighbours have in common is not known either: the
    interval and p are those of the mixture of Student's distributions over all serial correlations,
    each weighed by its restricted likelihood (Harville 1974).
    """
    about = {"confidence": confidence, "prompts": made.cells, "rounds": 1}
    fits = _fits(made, made.x[:, None])
    if fits is None:
        return Estimate(why=TOO_FEW, **about), math.nan
    freedom = fits[0].freedom
    weights = np.array([fit.weight for fit in fits])
    slopes = np.array([fit.terms[0] for fit in fits])
    errors = np.array([math.sqrt(fit.covariance[0, 0]) for fit in fits])

    def above(limit: float) -> float:
        """The probability that the slope is above a limit."""
        return float(weights @ stats.t.sf((limit - slopes) / errors, freedom))

    middle = float(weights @ slopes)
    reach = 1e4 * float(errors.max()) + float(np.ptp(slopes))
    tail = (1 - confidence) / 2
    low, high = (
        optimize.brentq(lambda limit, p=p: above(limit) - p, middle - reach, middle + reach)
        for p in (1 - tail, tail)
    )
    over = above(0.0)
    found = Estimate(
        value=math.expm1(middle),
        low=math.expm1(low),
        high=math.expm1(high),
        unit="windows",
        freedom=freedom,
        p=2 * min(over, 1 - over),
        **about,
    )
    return found, float(weights @ SERIAL)


def plain_slope(made: Course) -> float:
    """The slope of the logarithm by least squares within cells; NaN where no cell has two places.

    Alone it says nothing, neighbours being alike; those of several sessions are independent.
    """
    x, y = (
        column - (np.bincount(made.at, column) / np.bincount(made.at))[made.at]
        for column in (made.x, made.y)
    )
    spread = float(x @ x)
    return float(x @ y) / spread if spread > 0 else math.nan


def explained(made: Course, groups: np.ndarray) -> float:
    """p that groups of windows differ beyond their cells and a drift, by the same regression (F
    test); NaN for fewer than two groups or too few windows.

    Args:
        groups: Of each window of the course.
    """
    names, at = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return math.nan
    columns = (at[:, None] == np.arange(1, len(names))).astype(float)
    fits = _fits(made, columns, made.x[:, None])
    if fits is None:
        return math.nan
    found = 0.0
    for fit in fits:
        f = fit.terms @ np.linalg.solve(fit.covariance, fit.terms) / len(fit.terms)
        found += fit.weight * float(stats.f.sf(f, len(fit.terms), fit.freedom))
    return found


@dataclasses.dataclass(frozen=True)
class _Fit:
    """Under one serial correlation: the terms that are asked for, and how likely it is."""

    terms: np.ndarray
    covariance: np.ndarray
    freedom: int
    weight: float


def _fits(made: Course, asked: np.ndarray, *others: np.ndarray) -> list[_Fit] | None:
    """One fit a serial correlation; None where there are too few windows, or nothing varies."""
    if not made.cells:
        return None
    own = (made.at[:, None] == np.arange(made.cells)).astype(float)
    columns, y = np.column_stack([asked, *others, own]), made.y
    if len(y) > MOST:
        columns, y = _averaged(columns, y)
    freedom = len(y) - columns.shape[1]
    if freedom < FEWEST_FREEDOM or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return None
    fits = list(_solved(columns, y, asked.shape[1], freedom))
    if not fits:
        return None
    weights = np.exp([likelihood - max(one[2] for one in fits) for *_, likelihood in fits]) * PRIOR
    weights /= weights.sum()
    return [
        _Fit(terms, covariance, freedom, float(weight))
        for (terms, covariance, _), weight in zip(fits, weights, strict=True)
    ]


def _averaged(columns: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours together, so that no more than `MOST` rows are left."""
    block = np.arange(len(y)) * MOST // len(y)
    sizes = np.bincount(block)
    means = [np.bincount(block, column) / sizes for column in (*columns.T, y)]
    return np.column_stack(means[:-1]), means[-1]


def _solved(
    columns: np.ndarray, y: np.ndarray, asked: int, freedom: int
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """By serial correlation: terms, their covariance and the logarithm of the restricted
    likelihood; nothing where y has no scatter beyond the columns."""
    for serial in SERIAL:
        # Differences in which the error is white; the first keeps its share of the variance.
        first = math.sqrt(1 - serial**2)

        def white(rows: np.ndarray, serial=serial, first=first) -> np.ndarray:
            return np.concatenate([first * rows[:1], rows[1:] - serial * rows[:-1]])

        q, r = np.linalg.qr(white(columns))
        seen = white(y)
        explained_by = q.T @ seen
        left = seen - q @ explained_by
        squares, inverse = float(left @ left), np.linalg.inv(r)
        if not squares > 1e-18 * len(y):
            return
        covariance = (inverse @ inverse.T)[:asked, :asked] * squares / freedom
        determinant = float(np.log(np.abs(np.diag(r))).sum())
        likelihood = math.log(first) - determinant - freedom / 2 * math.log(squares)
        yield (inverse @ explained_by)[:asked], covariance, likelihood
