"""Whether what a session measures drifts with its course, neighbours being alike."""

from __future__ import annotations

import math

import numpy as np

from analysis.statistics.estimate import Estimate, Spread

# Fewer windows beyond their cells cannot show a trend.
FEWEST_FREEDOM = 4


def trend(
    values: np.ndarray, cells: np.ndarray, positions: np.ndarray, *, confidence: float
) -> tuple[Estimate, float]:
    """How much a quantity changes from the first to the last position, as a share, and the serial
    correlation of what is left.

    Least squares of the logarithm on the position within cells (each cell has a mean of its own).
    Neighbours are alike, so there are fewer independent windows than windows: the variance is that
    of a first-order autoregressive error, its correlation corrected for what fitting takes
    off it (Marriott and Pope 1954), the degrees of freedom those of the independent windows that
    count for as much (Bayley and Hammersley 1946).

    Args:
        values: Of each window, above zero.
        cells: Of each, what it repeats; a cell with one window says nothing.
        positions: Of each, where in the session it stands.
    """
    values, positions = np.asarray(values, float), np.asarray(positions, float)
    known = ~np.isnan(values) & (values > 0)
    values, positions, cells = values[known], positions[known], np.asarray(cells)[known]
    names, at, sizes = np.unique(cells, return_inverse=True, return_counts=True)
    kept = sizes[at] > 1 if len(at) else np.zeros(0, bool)
    values, positions = values[kept], positions[kept]
    names, at, sizes = np.unique(cells[kept], return_inverse=True, return_counts=True)
    about = {"confidence": confidence, "prompts": len(names)}
    freedom = len(values) - len(names) - 1
    if freedom < FEWEST_FREEDOM or np.ptp(positions) == 0:
        return Estimate(why="too few repeated windows", **about), math.nan
    order = np.argsort(positions)
    at, x = at[order], (positions[order] - positions.min()) / np.ptp(positions)
    y = np.log(values[order])

    def within(column: np.ndarray) -> np.ndarray:
        return column - (np.bincount(at, column) / sizes)[at]

    x, y = within(x), within(y)
    spread_x = float(x @ x)
    if not spread_x > 0:
        return Estimate(why="too few repeated windows", **about), math.nan
    slope = float(x @ y) / spread_x
    left = y - slope * x
    count = len(y)
    if not float(left @ left) > 0:
        return Estimate(value=math.expm1(slope), why="no scatter", **about), math.nan
    raw = float(left[1:] @ left[:-1]) / float(left @ left)
    # Fitting a mean a cell and a slope takes so much off the correlation of what is left.
    taken = (1 + len(names) / count) / count
    serial = min(max((raw * count + 1) / (count - 3) + taken, 0.0), 0.95)
    alike = (1 + serial) / (1 - serial)
    effective = max(2.0, freedom / alike)
    # And off their variance.
    variance = float(left @ left) / freedom / spread_x * alike * freedom / max(1.0, freedom - alike)
    found = Spread.of(variance, effective)
    half = found.half(confidence)
    return (
        Estimate(
            value=math.expm1(slope),
            low=math.expm1(slope - half),
            high=math.expm1(slope + half),
            unit="windows",
            freedom=effective,
            p=found.p(slope),
            rounds=1,
            **about,
        ),
        serial,
    )
