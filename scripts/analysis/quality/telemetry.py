"""What was read beside energy, about once a second, as windows saw it. Pure, linear in windows.

A state is a pair of arrays, times in nanoseconds and values, times rising.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

State = tuple[np.ndarray, np.ndarray]

# States are read once a second: one this far off still tells of a window. Where they are read less
# often, so much of what lies between two readings.
NEAR_NS, NEAR_GAPS = 1_500_000_000, 1.5


def covers(state: State, table: pd.DataFrame) -> np.ndarray:
    """Whether the state is known all through each window: nowhere in it is a reading far away."""
    times, _ = state
    if not len(times):
        return np.zeros(len(table), bool)
    near = _near_ns(times)
    ends = np.concatenate([times - near, [np.iinfo(np.int64).max]])
    begins = np.concatenate([[np.iinfo(np.int64).min], times + near])
    holes = ends > begins
    return ~overlaps(table, begins[holes], ends[holes])


def nearest(state: State, table: pd.DataFrame) -> pd.Series:
    """The reading closest to the middle of each window; NaN where none is near the window."""
    times, values = state
    start, end = (table[edge].to_numpy() for edge in ("start_ns", "end_ns"))
    middle = (start + end) // 2
    after = np.clip(np.searchsorted(times, middle), 0, len(times) - 1)
    before = np.clip(after - 1, 0, None)
    at = np.where(np.abs(times[after] - middle) < np.abs(times[before] - middle), after, before)
    near = np.abs(times[at] - middle) <= _near_ns(times) + (end - start) / 2
    return pd.Series(np.where(near, values[at], np.nan), index=table.index)


def any_passes(
    state: State, table: pd.DataFrame, test: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Whether any reading within a window, or else the nearest, passes the test."""
    times, values = state
    counts = np.concatenate([[0], np.cumsum(test(values).astype(bool))])
    first, last = _inside(times, table)
    near = nearest(state, table).to_numpy()
    there = ~np.isnan(near)
    alone = np.zeros(len(table), bool)
    alone[there] = test(near[there]).astype(bool)
    return np.where(last > first, counts[last] > counts[first], alone)


def extremes(state: State, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and largest reading within each window; NaN where there are fewer than two."""
    times, values = state
    first, last = _inside(times, table)
    several = last - first > 1
    lowest, highest = np.full(len(table), np.nan), np.full(len(table), np.nan)
    if several.any():
        places = np.stack([first[several], last[several]], axis=1).ravel()
        padded = np.append(values, values[-1])
        lowest[several] = np.minimum.reduceat(padded, places)[::2]
        highest[several] = np.maximum.reduceat(padded, places)[::2]
    return lowest, highest


def overlaps(table: pd.DataFrame, begins: Sequence[int], ends: Sequence[int]) -> np.ndarray:
    """Whether each window has time in common with any of these spans, which may overlap."""
    begins, ends = np.asarray(begins, np.int64), np.asarray(ends, np.int64)
    if not len(begins):
        return np.zeros(len(table), bool)
    order = np.argsort(begins, kind="stable")
    reach = np.maximum.accumulate(ends[order])
    before = np.searchsorted(begins[order], table.end_ns.to_numpy())
    return (before > 0) & (reach[np.clip(before - 1, 0, None)] > table.start_ns.to_numpy())


def _inside(times: np.ndarray, table: pd.DataFrame) -> list[np.ndarray]:
    return [np.searchsorted(times, table[edge].to_numpy()) for edge in ("start_ns", "end_ns")]


def _near_ns(times: np.ndarray) -> int:
    usual_ns = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return max(NEAR_NS, round(NEAR_GAPS * usual_ns))
