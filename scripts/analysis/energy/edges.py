"""When the values of a counter were true. Pure arithmetic.

A counter that moves on a regular grid shows each value some time after it was taken: what matters
is the grid, not when the value was read (docs/metering.md).
"""

from __future__ import annotations

import dataclasses

import numpy as np

# A move is located by two readings that are not further apart, in periods; so close readings are
# looked for, in seconds, until they fit the period that they show.
# Where no two readings can be closer, for a read takes as long, a little further.
NEAR, NEAR_FAST, FAST_S = 0.16, 0.25, 0.004
LOOKS_S = tuple(0.25 / 2**k for k in range(9))
# So many are needed one after the other to know the grid; and this part of them must agree.
FEWEST, ENOUGH = 4, 0.5
# Moves lie on the line that most of them agree with: at most so many periods before it and behind
# it, and the moves around that count: the clocks drift against each other.
BEFORE, BEHIND, LOOKS, KEPT = 0.015, 0.025, 0.7, 14
# Behind a move the value may still be that of the one before: on an H100, whose period is 100 ms,
# up to 25 ms. In periods: what is supposed of a board, and the most that is believed of one.
LATE, LATEST = 0.3, 0.6
# Just before the next move the clocks may already disagree, in periods.
EARLY = 0.05
# A time is not better known than so many periods; before the first located move and behind the
# last the grid goes on for as long as it is known to so many.
TIMING, KNOWN = 0.005, 0.1
# The phase of samples is looked for in blocks of so many seconds; so close, in periods, they are on
# their grid.
BLOCK_S, EARLY_SAMPLE = 2.0, 0.1
# A move is so far from being another one, in periods.
DOUBT = 0.2
# Windows of moves that are fitted at a time.
BATCH = 2000


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


def locate_moves(times_ns: np.ndarray, values: np.ndarray) -> Edges | None:
    """The moves whose times the readings tell; None where they show no regular grid.

    Args:
        values: Of the counter, never falling.
    """
    seconds = (times_ns - times_ns[0]) / 1e9
    gaps_s = np.diff(seconds)
    risen = np.diff(values) > 0
    moves = shown = None
    for near_s in LOOKS_S:
        # The widest look that is narrow against the period that it shows.
        shown = np.flatnonzero(risen & (gaps_s <= near_s)) + 1
        period_s = _first_period_s(seconds[shown])
        if period_s is None or near_s > max(NEAR * period_s, min(NEAR_FAST * period_s, FAST_S)):
            continue
        moves = _on_grid(seconds[shown], float(np.median(gaps_s[shown - 1])))
        break
    if moves is None:
        return None
    numbers, moves_s, period_s, timing_s, together_s, late = moves
    # Between two located moves the grid is even; before and behind them it goes on.
    behind = np.interp(seconds, moves_s, numbers)
    before, after = seconds < moves_s[0], seconds > moves_s[-1]
    behind[before] = numbers[0] + (seconds[before] - moves_s[0]) / period_s
    behind[after] = numbers[-1] + (seconds[after] - moves_s[-1]) / period_s
    # How well the period is known, by the moves at the end (of a fitted line's slope).
    moves_there = min(len(numbers), KEPT)
    ends = numbers[moves_there - 1] - numbers[0], numbers[-1] - numbers[-moves_there]
    off = timing_s / period_s * (12 / moves_there) ** 0.5 / np.maximum(ends, 1)
    reach = KNOWN / off
    near = (behind >= numbers[0] - reach[0]) & (behind <= numbers[-1] + reach[1])
    if np.mean(near) < ENOUGH or np.ptp(seconds[near]) < ENOUGH * np.ptp(seconds):
        return None
    number = np.floor(behind).astype(int)
    part = behind - number
    sure = (part >= late) & (part <= 1 - EARLY)
    fresh = np.zeros(len(seconds), bool)
    fresh[shown] = (part[shown] <= late) | (part[shown] >= 1 - EARLY)
    number[fresh] = np.round(behind[fresh]).astype(int)
    kept = np.flatnonzero((sure | fresh) & near)
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


def align_to_grid(times_ns: np.ndarray) -> np.ndarray:
    """When samples were taken that are taken regularly and stamped late, up to a period; as they
    are where most of them are not on a grid."""
    start_ns, seconds = times_ns[0], (times_ns - times_ns[0]) / 1e9
    period_s = float(np.median(np.diff(seconds)))
    # Numbered without those that have no sample, as while nobody fetched them.
    block = np.cumsum(np.diff(seconds // BLOCK_S, prepend=0) > 0)
    block -= block[0]
    phases_s = np.zeros(block[-1] + 1)
    for _ in range(3):
        seen = _modes(seconds % period_s, block, period_s)
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


def _modes(phases_s: np.ndarray, block: np.ndarray, period_s: float) -> np.ndarray:
    """Of each block of samples, the phase that most of them are close behind."""
    bins, count = 20, block[-1] + 1
    place = (phases_s / period_s * bins).astype(int) % bins
    counts = np.bincount(block * bins + place, minlength=count * bins).reshape(count, bins)
    best = np.argmax(counts + np.roll(counts, -1, axis=1), axis=1)
    middle_s = (best + 1) / bins * period_s
    off = ((phases_s - middle_s[block]) / period_s + 0.5) % 1 - 0.5
    near = np.abs(off) <= 1.5 / bins
    # The medians of all blocks by one sort: a block's numbers are in an interval of their own.
    ordered = np.sort(2.0 * block[near] + off[near])
    lasts = np.cumsum(np.bincount(block[near], minlength=count))
    firsts = np.concatenate([[0], lasts[:-1]])
    low, high = (firsts + lasts - 1) // 2, (firsts + lasts) // 2
    median = (ordered[low] + ordered[high]) / 2 - 2.0 * np.arange(count)
    return middle_s + median * period_s


def _first_moves(shown_s: np.ndarray) -> np.ndarray:
    """The first that were looked at one after the other."""
    gaps = np.diff(shown_s)
    # Not the median: most may be a look at one move, seconds apart.
    after = np.flatnonzero(gaps > 2.5 * np.sort(gaps[: 3 * FEWEST])[1])
    return shown_s[: int(after[0]) + 1] if len(after) else shown_s


def _first_period_s(shown_s: np.ndarray) -> float | None:
    """About how far apart moves are; None where too few were seen one after the other."""
    if len(shown_s) < FEWEST or len(first := _first_moves(shown_s)) < FEWEST:
        return None
    return float(np.median(np.diff(first)))


def _on_grid(
    shown_s: np.ndarray, gap_s: float
) -> tuple[np.ndarray, np.ndarray, float, float, float, float] | None:
    """(numbers, times, period, the last two of `Edges`, and how many periods late values show) of
    the moves, as the grid has them; None where they are on none.

    Args:
        gap_s: Between the readings that show a move.
    """
    period_s = _first_period_s(shown_s)
    numbers = _numbered(shown_s, period_s, gap_s)
    count, reach = len(shown_s), KEPT // 2
    around = np.arange(count)[:, None] + np.arange(-reach, reach + 1)
    there = (around >= 0) & (around < count)
    around = np.clip(around, 0, count - 1)
    fits = [
        _lines(numbers[a], shown_s[a], ok, period_s, gap_s)
        for a, ok in zip(_batches(around), _batches(there), strict=True)
    ]
    phase_s, slope_s, agreeing, scatter_s = (
        np.concatenate(each) for each in zip(*fits, strict=True)
    )
    fitted = ~np.isnan(slope_s)
    if fitted.sum() < FEWEST or np.median(agreeing[fitted]) < ENOUGH:
        return None
    times_s = (phase_s + numbers * slope_s)[fitted]
    found, at = np.unique(numbers[fitted], return_index=True)
    late = (shown_s[fitted] - times_s) / period_s
    # Where a move was looked for, how late it showed; the latest that is no accident.
    late = float(np.clip(1.2 * np.quantile(late, 0.98), LATE, LATEST))
    timing_s = max(TIMING * period_s, float(np.median(scatter_s[fitted])))
    ends = shown_s[np.minimum(np.arange(count) + KEPT, count - 1)]
    together_s = max(period_s, float(np.median(ends - shown_s)))
    whole_s = (times_s[at[-1]] - times_s[at[0]]) / max(found[-1] - found[0], 1)
    return found, times_s[at], whole_s, timing_s, together_s, late


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]


def _numbered(shown_s: np.ndarray, period_s: float, gap_s: float) -> np.ndarray:
    """Which move of the grid each is: the line through those before tells."""
    count = len(_first_moves(shown_s))
    numbers = np.zeros(len(shown_s), np.int64)
    numbers[:count] = np.round((shown_s[:count] - shown_s[0]) / period_s)
    for i in range(count, len(shown_s)):
        last = slice(max(0, i - KEPT), i)
        known, at_s = numbers[last], shown_s[last]
        apart = known[-1] - known[0]
        if apart > 0:
            # By two of them, where that leaves no doubt.
            number = known[-1] + (shown_s[i] - at_s[-1]) / (at_s[-1] - at_s[0]) * apart
            if abs(number - round(number)) <= DOUBT and shown_s[i] - at_s[-1] <= at_s[-1] - at_s[0]:
                numbers[i] = max(round(number), int(known[-1]))
                continue
        every = np.ones((1, len(known)), bool)
        phase_s, slope_s, _, _ = _lines(known[None], at_s[None], every, period_s, gap_s)
        if np.isnan(slope_s[0]):
            phase_s, slope_s = at_s[-1:] - known[-1] * period_s, np.asarray([period_s])
        period_s = float(slope_s[0])
        numbers[i] = max(round((shown_s[i] - phase_s[0]) / period_s), int(known[-1]))
    return numbers


def _lines(
    numbers: np.ndarray, times_s: np.ndarray, there: np.ndarray, period_s: float, gap_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(time of move 0, period, which part of the moves agrees, their standard deviation) of the
    line that most of the moves of each row agree with, after a Hough transform over all pairs; NaN
    where no two of them do.

    Args:
        numbers, times_s: Of moves, a row each.
        there: Which of them count.
        period_s: About how long it is: within 5 %.
    """
    # The time between two looks at it is late too.
    early_s, late_s = BEFORE * period_s, max(BEHIND * period_s, LOOKS * gap_s)
    one, other = np.triu_indices(numbers.shape[1], 1)
    # From the first move of the row: small numbers.
    n = (numbers - numbers[:, :1]).astype(float)
    t = times_s - times_s[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between_s = (t[:, other] - t[:, one]) / (n[:, other] - n[:, one])
        usable = there[:, one] & there[:, other] & (np.abs(between_s / period_s - 1) <= 0.05)
    between_s = np.where(usable, between_s, period_s)
    off_s = t[:, None] - t[:, one, None] - (n[:, None] - n[:, one, None]) * between_s[..., None]
    on = (off_s >= -early_s) & (off_s <= late_s) & there[:, None] & usable[..., None]
    spread = np.sum(np.abs(off_s) * on, axis=2)
    # The most; of those the closest.
    score = on.sum(axis=2) - spread / (1 + spread.max(axis=1, keepdims=True))
    best = np.take_along_axis(on, score.argmax(axis=1)[:, None, None], axis=1)[:, 0]
    weight = best.sum(axis=1)
    some = np.maximum(weight, 1)
    mean_n, mean_t = (n * best).sum(axis=1) / some, (t * best).sum(axis=1) / some
    around_n = (n - mean_n[:, None]) * best
    square = (around_n**2).sum(axis=1)
    known = square > 0
    slope_s = (around_n * t).sum(axis=1) / np.where(known, square, 1)
    left = (t - mean_t[:, None] - (n - mean_n[:, None]) * slope_s[:, None]) * best
    slope_s = np.where(known, slope_s, np.nan)
    phase_s = times_s[:, 0] + mean_t - (mean_n + numbers[:, 0]) * slope_s
    return phase_s, slope_s, weight / there.sum(axis=1), np.sqrt((left**2).sum(axis=1) / some)
