"""When the values of a counter were true. Pure arithmetic.

A counter that moves on a regular grid shows each value some time after it was taken: what matters
is the grid, not when the value was read (docs/metering.md).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from metering.grid import KEPT, Grid, line

# A move is located by two readings that are not further apart.
NEAR_S = 0.015
# So many are needed one after the other to know the grid; and this part of them must agree.
FEWEST, ENOUGH = 4, 0.5
# Behind a move the value may still be that of the one before: NVML shows it up to 25 ms late.
LATE_S = 0.03
# Just before the next move the clocks may already disagree.
EARLY_S = 0.005
# The phase of samples is looked for in blocks of so many seconds; so close, in periods, they are on
# their grid.
BLOCK_S, EARLY_SAMPLE = 2.0, 0.1


@dataclasses.dataclass(frozen=True)
class Edges:
    """Moves of a counter that are located.

    Attributes:
        times_ns: When they happened, rising.
        at: Of each, the index of a reading that shows its value.
        period_s: Of the grid.
        timing_s: Standard uncertainty of the times.
        together_s: How long the moves took from which one time is found: it is the error of all.
    """

    times_ns: np.ndarray
    at: np.ndarray
    period_s: float
    timing_s: float
    together_s: float


def located(times_ns: np.ndarray, values: np.ndarray) -> Edges | None:
    """The moves whose times the readings tell; None where they show no regular grid."""
    seconds = (times_ns - times_ns[0]) / 1e9
    gaps_s = np.diff(seconds)
    shown = np.flatnonzero((np.diff(values) > 0) & (gaps_s <= NEAR_S)) + 1
    moves = _on_grid(seconds[shown])
    if moves is None:
        return None
    numbers, moves_s, period_s, timing_s, together_s = moves
    # Between two located moves the grid is even; before and behind them it goes on.
    behind = np.interp(seconds, moves_s, numbers)
    before, after = seconds < moves_s[0], seconds > moves_s[-1]
    behind[before] = numbers[0] + (seconds[before] - moves_s[0]) / period_s
    behind[after] = numbers[-1] + (seconds[after] - moves_s[-1]) / period_s
    number = np.floor(behind).astype(int)
    part_s = (behind - number) * period_s
    sure = (part_s >= LATE_S) & (part_s <= period_s - EARLY_S)
    fresh = np.zeros(len(seconds), bool)
    fresh[shown] = (part_s[shown] <= LATE_S) | (part_s[shown] >= period_s - EARLY_S)
    number[fresh] = np.round(behind[fresh]).astype(int)
    kept = np.flatnonzero(sure | fresh)
    found, first = np.unique(number[kept], return_index=True)
    kept = kept[first]
    rising = np.diff(values[kept]) > 0
    if len(kept) < FEWEST or rising.mean() < ENOUGH:
        return None
    at_s = np.interp(found, numbers, moves_s)
    before, after = found < numbers[0], found > numbers[-1]
    at_s[before] = moves_s[0] + (found[before] - numbers[0]) * period_s
    at_s[after] = moves_s[-1] + (found[after] - numbers[-1]) * period_s
    times = times_ns[0] + np.round(at_s * 1e9).astype(np.int64)
    return Edges(times, kept, period_s, timing_s, together_s)


def on_time(times_ns: np.ndarray) -> np.ndarray:
    """When samples were taken that are taken regularly and stamped late, up to a period; as they
    are where most of them are not on a grid."""
    start_ns, seconds = times_ns[0], (times_ns - times_ns[0]) / 1e9
    period_s = float(np.median(np.diff(seconds)))
    # Numbered without those that have no sample, as while nobody fetched them.
    _, block = np.unique(seconds // BLOCK_S, return_inverse=True)
    phases_s = np.zeros(block[-1] + 1)
    for _ in range(3):
        seen = [_mode(seconds[block == one] % period_s, period_s) for one in range(block[-1] + 1)]
        phases_s = np.unwrap(seen, period=period_s)
        if len(phases_s) > 2:
            # A phase that runs away is a period that is not right.
            period_s *= 1 + float(np.median(np.diff(phases_s))) / BLOCK_S
    behind = (seconds - phases_s[block]) / period_s
    close = np.abs(behind - np.round(behind)) * period_s <= EARLY_SAMPLE * period_s
    if close.mean() < ENOUGH:
        return times_ns
    slot = np.floor(behind + 2 * EARLY_SAMPLE)
    at_s = np.maximum.accumulate(slot * period_s + phases_s[block])
    # Two in one slot: the later one keeps its own time.
    twice = np.concatenate([[False], np.diff(at_s) <= 0.5 * period_s])
    at_s[twice] = seconds[twice]
    # Times rise, by a microsecond at least.
    apart_s = 1e-6 * np.arange(len(at_s))
    at_s = np.maximum.accumulate(at_s - apart_s) + apart_s
    return start_ns + np.round(at_s * 1e9).astype(np.int64)


def _mode(phases_s: np.ndarray, period_s: float) -> float:
    """The phase that most samples are close behind."""
    bins = 20
    counts = np.bincount((phases_s / period_s * bins).astype(int) % bins, minlength=bins)
    best = int(np.argmax(counts + np.roll(counts, -1)))
    middle_s = (best + 1) / bins * period_s
    off_s = (phases_s - middle_s + period_s / 2) % period_s - period_s / 2
    return middle_s + float(np.median(off_s[np.abs(off_s) <= 1.5 * period_s / bins]))


def _on_grid(shown_s: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float, float] | None:
    """(numbers, times, period, and the last two of `Edges`) of the moves, as the grid has them;
    None where they are on none."""
    if len(shown_s) < FEWEST:
        return None
    gaps = np.diff(shown_s)
    # The first that were looked at one after the other.
    after = np.flatnonzero(gaps > 2.5 * np.median(gaps[: 3 * FEWEST]))
    first = int(after[0]) + 1 if len(after) else len(shown_s)
    if first < FEWEST:
        return None
    grid = Grid(shown_s[:first].tolist())
    numbers = [round(grid.number(t)) for t in shown_s[:first]]
    numbers += [grid.add(t) for t in shown_s[first:].tolist()]
    moves = list(zip(numbers, shown_s.tolist(), strict=True))
    # Now with those behind too.
    around = [
        line(moves[max(0, i - KEPT // 2) : i + KEPT // 2 + 1], grid.period_s)
        for i in range(len(moves))
    ]
    fits = [(n, fit) for n, fit in zip(numbers, around, strict=True) if fit is not None]
    if len(fits) < FEWEST or np.median([fit.agreeing for _, fit in fits]) < ENOUGH:
        return None
    times = [fit.phase_s + n * fit.period_s for n, fit in fits]
    found, at = np.unique([n for n, _ in fits], return_index=True)
    timing_s = max(5e-4, float(np.median([fit.scatter_s for _, fit in fits])))
    spans = [moves[min(i + KEPT, len(moves) - 1)][1] - t for i, (_, t) in enumerate(moves)]
    together_s = max(grid.period_s, float(np.median(spans)))
    return found, np.asarray(times)[at], grid.period_s, timing_s, together_s
