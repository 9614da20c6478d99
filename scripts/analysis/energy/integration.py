"""The curve of a meter that shows a power and has no counter. Pure arithmetic."""

from __future__ import annotations

import numpy as np

from analysis.energy.cleaning import Cleaned
from analysis.energy.cumulative import Curve, merge_spans

# How often a power is updated, where nothing tells: as on NVIDIA's boards from Ampere on (Yang,
# Adamek and Armour, arXiv 2312.02741).
UPDATE_S = 0.1
# A step of the power shows over so many values to each side.
REACH = 2
# Between readings that are so many usual gaps apart nobody knows.
APART = 5.0


def integrate(power: Cleaned, still_s: float | None) -> Curve:
    """The integral of the power over its readings.

    A reading that repeats the one before says that the power held, at least until one update ago;
    within one update it is no news.

    Args:
        power: In watts.
        still_s: A power of zero for longer is none; None where it may stay at zero.
    """
    times, watts = power.times_ns, power.values
    gap_s = typical_gap_s(times)
    update_s = max(gap_s, power.update_s or UPDATE_S)
    news = news_indices(times, np.flatnonzero(np.diff(watts) != 0) + 1, update_s)
    lost = [(times[at], times[at + 1]) for at in np.flatnonzero(power.broken)]
    apart = np.diff(times) / 1e9 > APART * max(gap_s, update_s)
    lost += [(times[at], times[at + 1]) for at in np.flatnonzero(apart)]
    if still_s is not None:
        on = np.concatenate([times[:1], times[watts > 0], times[-1:]])
        lost += [(on[i], on[i + 1]) for i in np.flatnonzero(np.diff(on) > still_s * 1e9)]
    # A gap is between two points, however much was the same around it.
    edges = np.flatnonzero(power.broken | apart)
    news = np.union1d(news, np.concatenate([edges, edges + 1]))
    times, watts = times[news], watts[news]
    steps = np.diff(times) / 1e9 * (watts[1:] + watts[:-1]) / 2
    joules = np.concatenate([[0.0], np.cumsum(steps)])
    # News is at most one update old: half of one on average. Where nobody knows how long that is,
    # it is not older than the reading before.
    late_s = update_s if power.update_s is not None else min(gap_s, UPDATE_S)
    late_ns = round(late_s * 1e9 / 2)
    # A step within an interval is off by up to half of it, and shows as two bends of the power.
    bends_w2 = np.pad(np.diff(watts, 2) ** 2, 1) if len(watts) > 2 else 0 * watts
    within_s = np.minimum(np.diff(times / 1e9), 2 * update_s)
    added_j2 = (bends_w2[1:] * within_s**2) / 24
    return Curve(
        *(times - late_ns, joules, update_s, update_s / 12**0.5, 0.0),
        lost_ns=merge_spans((first - late_ns, last - late_ns) for first, last in lost),
        reach=REACH,
        walked_j2=np.concatenate([[0.0], np.cumsum(added_j2)]),
        notes=power.notes,
    )


def news_indices(times_ns: np.ndarray, changes: np.ndarray, update_s: float) -> np.ndarray:
    """Indices of the readings that are news: the first and the last, changes, and what repeats a
    value that was then updated to itself: an update and more behind the last news and an update
    and more before the next change."""
    count = len(times_ns)
    every = np.arange(count)
    starts = np.concatenate([[0], changes])
    run = np.searchsorted(starts, every, "right") - 1
    since = times_ns - times_ns[starts[run]]
    behind = np.append(starts[1:], count - 1)
    left = times_ns[behind[run]] - times_ns
    # Reading and updating are not in step: a little less is as good.
    number = np.floor(since / (0.999 * update_s * 1e9)).astype(np.int64)
    newer = np.diff(number, prepend=-1) != 0
    repeats = (number > 0) & newer & (left >= 0.999 * update_s * 1e9)
    return np.union1d(np.union1d(starts, every[repeats]), [count - 1])


def typical_gap_s(times_ns: np.ndarray) -> float:
    """The gap between readings in which half of the time lies, in seconds."""
    gaps = np.sort(np.diff(times_ns))
    return float(gaps[np.searchsorted(np.cumsum(gaps), gaps.sum() / 2)]) / 1e9
