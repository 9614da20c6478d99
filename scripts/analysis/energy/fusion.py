"""The counter says how much, the power when: one curve of both, where they go together. Pure
arithmetic."""

from __future__ import annotations

import dataclasses

import numpy as np

from analysis.energy.cleaning import Cleaned
from analysis.energy.cumulative import Curve, Spans, merge_spans, overlaps
from analysis.energy.edges import align_to_grid

# In periods of the power, how late it may be shown.
LATES = np.arange(0, 2.01, 0.1)
# A step of the power shows over so many samples to each side: their times are off by one, and the
# sensor is slow.
REACH = 2
# Measured on an H100 against loads whose times are known (docs/metering.md): 6.5 ms of a step's
# power seem to lie on its wrong side, and within a token the power rises and falls faster than
# samples that are means over 20 ms show: at an edge of a window, by as much as 0.2 ms of it. On
# other boards these are what is supposed, in periods of the samples, and as uncertain as large.
BLUR_S, UNSEEN_S, OF_PERIOD_S = 0.0065, 2e-4, 0.02
# Between two anchors samples tell where those that are further apart than so many periods leave
# no more than a part of the time open, and where power and counter differ by no more than this,
# usually and once (logarithms): where a step of the power is near an anchor they may for once. A
# driver with much to do leaves out some of hundreds: that costs the windows there, and no others.
# Samples to each side of a hole say what the power may have been in it.
APART, OPEN, BESIDE = 3.0, 0.2, 25
USUALLY, ONCE, AROUND = 0.2, 0.7, 5
# Where power and counter go together for less of the time, the samples are another's.
FEWEST, ENOUGH = 3, 0.5
# Points of a counter whose times are uncertain are taken so many times that apart.
# A power that is updated so often is a mean over its period; others may miss what is between.
THIN, MEAN_S = 200.0, 0.04
# The part of the differences that tells how late the power is while nobody knows which are right.
TRIMMED = 0.8


@dataclasses.dataclass(frozen=True)
class _Samples:
    """Samples of a power on their grid.

    Attributes:
        times_ns: When they were taken, as shown.
        joules: The integral of the power.
        update_s: How often there is a new one.
    """

    times_ns: np.ndarray
    joules: np.ndarray
    update_s: float

    def between(self, anchors_ns: np.ndarray, late_ns: int) -> np.ndarray:
        """Joules between anchors, of a power that is so late."""
        return np.diff(np.interp(anchors_ns + late_ns, self.times_ns, self.joules))

    def cover(self, anchors_ns: np.ndarray, late_ns: int) -> np.ndarray:
        """Between which anchors there are some nearly all the time, of a power that is so late."""
        firsts, lasts = self.holes(late_ns)
        knots = np.stack([firsts, lasts], axis=1).ravel()
        lengths = np.stack([np.zeros(len(firsts)), lasts - firsts], axis=1).ravel()
        open_ns = np.interp(anchors_ns, knots, np.cumsum(lengths)) if len(knots) else 0 * anchors_ns
        inside = (anchors_ns[:-1] >= self.times_ns[0] - late_ns) & (
            anchors_ns[1:] <= self.times_ns[-1] - late_ns
        )
        return inside & (np.diff(open_ns) <= OPEN * np.diff(anchors_ns))

    def holes(self, late_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """(starts, ends) of where there are none for longer than usual, of a power so late."""
        apart = np.flatnonzero(np.diff(self.times_ns) > APART * self.update_s * 1e9)
        return self.times_ns[apart] - late_ns, self.times_ns[apart + 1] - late_ns


def fuse(counter: Curve, power: Cleaned, known_board: bool) -> Curve:
    """Between two anchors the curve has the shape of the power's integral and the height of the
    counter; where there are no samples, or they do not go together with the counter, the power is
    even. What was made of the samples is in the notes.

    Args:
        counter: What it says alone; its points are the anchors.
        power: Of the samples, in watts.
        known_board: Whether the board is of the generation that the constants were measured on.
    """
    if len(power.times_ns) < FEWEST or len(counter.times_ns) < FEWEST:
        return _counter_alone(counter, "too few samples of the power: the counter alone tells")
    samples = _samples(power)
    every = counter
    counter = _thinned(counter, samples, power)
    anchors, more_j = counter.times_ns, np.diff(counter.joules)
    lengths_s = np.diff(anchors) / 1e9
    known = _known_intervals(counter, power) & (more_j > 0)
    late_ns = _late_ns(samples, anchors, more_j, known, TRIMMED)
    there = known & samples.cover(anchors, late_ns)
    if there.sum() < FEWEST - 1:
        return _counter_alone(
            every, "the samples of the power cover nothing: the counter alone tells"
        )
    used = _agreeing(samples.between(anchors, late_ns), more_j, there)
    late_ns = _late_ns(samples, anchors, more_j, used, 1.0)
    used &= samples.cover(anchors, late_ns)
    if used.sum() < FEWEST - 1 or lengths_s[used].sum() < ENOUGH * lengths_s[there].sum():
        return _counter_alone(
            every, "power and counter do not go together: the counter alone tells"
        )
    notes = counter.notes
    if (even := (lengths_s[~used].sum() / lengths_s.sum())) > 0.02:
        notes += (f"no samples of the power that fit the counter in {even:.0%} of the time",)
    off, _ = _residuals(samples, anchors, more_j, used, late_ns)
    # What an anchor itself is off by is in the two around it with opposite signs.
    own_j2 = max(-2 * float(np.mean(off[1:] * off[:-1])), 0.0) if len(off) > 1 else 0.0
    all_j2 = float(np.mean(off**2))
    blur_s = BLUR_S if known_board else BLUR_S * samples.update_s / OF_PERIOD_S
    if len(every.times_ns) > len(anchors):
        # Where the samples do not tell, all that the counter says is needed.
        within = np.clip(np.searchsorted(anchors, every.times_ns, "right") - 1, 0, len(used) - 1)
        there = np.isin(every.times_ns, anchors) | ~used[within]
        counter = _subset(every, there)
        used = used[within[there]][:-1]
        anchors, lengths_s = counter.times_ns, np.diff(counter.times_ns) / 1e9
    times, joules = _shaped(samples, counter, used, late_ns)
    open_ = _used_holes(samples, anchors, used, late_ns)
    coarse = sorted(
        [
            (
                int(anchors[a]),
                int(anchors[b]),
                max(counter.period_s, float(np.median(lengths_s[a:b]))),
            )
            for a, b in _runs(~used)
        ]
        + open_
    )
    return dataclasses.replace(
        counter,
        times_ns=times,
        joules=joules,
        period_s=samples.update_s,
        anchors_ns=anchors,
        wander_j2_s=max(all_j2 - own_j2, all_j2 / 4),
        reach=REACH,
        unseen_s=UNSEEN_S if known_board else UNSEEN_S * samples.update_s / OF_PERIOD_S,
        blur_s=blur_s,
        blur_u_s=blur_s / 2 if known_board else blur_s,
        # Where samples tell when, it does not matter that the counter was not read.
        blind_ns=_blind_spans(counter.blind_ns, anchors, used),
        coarse_ns=tuple((first, last) for first, last, _ in coarse),
        coarse_s=tuple(each_s for *_, each_s in coarse),
        walked_j2=_walk_variance_j2(times, joules, [(first, last) for first, last, _ in open_]),
        notes=notes,
    )


def _walk_variance_j2(times_ns: np.ndarray, joules: np.ndarray, holes: Spans) -> np.ndarray | None:
    """At each point, what has added up over the holes before: in one the power may have been what
    it was just before or just behind, or whatever it was around there."""
    if not holes:
        return None
    added_j2 = np.zeros(len(times_ns))
    power_w = np.diff(joules) / (np.diff(times_ns) / 1e9)
    for first, last in holes:
        at = int(np.searchsorted(times_ns, last))
        around = power_w[max(0, at - BESIDE) : at + BESIDE]
        if at < len(times_ns) and len(around):
            # Of an even distribution between the least and the most.
            added_j2[at] = (np.ptp(around) * (last - first) / 1e9) ** 2 / 12
    return np.cumsum(added_j2)


def _counter_alone(counter: Curve, why: str) -> Curve:
    return dataclasses.replace(counter, notes=(*counter.notes, why))


def _samples(power: Cleaned) -> _Samples:
    times_ns, watts = power.times_ns, power.values
    changed = times_ns[np.flatnonzero(np.diff(watts)) + 1]
    gap_s = float(np.median(np.diff(times_ns))) / 1e9
    update_s = gap_s
    if len(changed) > 2:
        update_s = max(gap_s, float(np.median(np.diff(changed))) / 1e9)
    shown_ns = align_to_grid(times_ns)
    steps_j = np.diff(shown_ns) / 1e9 * (watts[1:] + watts[:-1]) / 2
    return _Samples(shown_ns, np.concatenate([[0.0], np.cumsum(steps_j)]), update_s)


def _known_intervals(counter: Curve, power: Cleaned) -> np.ndarray:
    """Between which points the counter is known and no sample was garbage."""
    firsts, lasts = counter.times_ns[:-1], counter.times_ns[1:]
    return ~overlaps(counter.lost_ns, firsts, lasts) & ~overlaps(_broken(power), firsts, lasts)


def _thinned(counter: Curve, samples: _Samples, power: Cleaned) -> Curve:
    """Of a counter whose values are of uncertain times, points so far apart that it does not
    matter; all where there are no samples between them."""
    timing_s = float(np.median(counter.timing_s))
    if not timing_s or samples.update_s > MEAN_S:
        return counter
    times = counter.times_ns
    margin_ns = round(max(LATES) * samples.update_s * 1e9)
    covered = (
        _known_intervals(counter, power) & samples.cover(times, 0) & samples.cover(times, margin_ns)
    )
    kept = np.ones(len(times), bool)
    for first, last in _runs(covered):
        number = (times[first:last] - times[first]) // round(THIN * timing_s * 1e9)
        kept[first:last] = np.diff(number, prepend=-1) > 0
    return _subset(counter, kept)


def _subset(counter: Curve, kept: np.ndarray) -> Curve:
    """Some of its points."""
    timing_s = np.broadcast_to(counter.timing_s, len(kept))[kept]
    times, joules = counter.times_ns[kept], counter.joules[kept]
    return dataclasses.replace(counter, times_ns=times, joules=joules, timing_s=timing_s)


def _broken(power: Cleaned) -> Spans:
    at = np.flatnonzero(power.broken)
    return merge_spans((power.times_ns[i], power.times_ns[i + 1]) for i in at)


def _residuals(
    samples: _Samples, anchors: np.ndarray, more_j: np.ndarray, used: np.ndarray, late_ns: int
) -> tuple[np.ndarray, float]:
    """What power, if so late, and counter differ by between two anchors, over the root of the time
    between them, of the pairs that are used; and how many times more the counter says."""
    of_power_j = samples.between(anchors, late_ns)[used]
    ratio = more_j[used].sum() / max(of_power_j.sum(), 1e-9)
    return (more_j[used] - ratio * of_power_j) / (np.diff(anchors)[used] / 1e9) ** 0.5, ratio


def _late_ns(
    samples: _Samples, anchors: np.ndarray, more_j: np.ndarray, known: np.ndarray, part: float
) -> int:
    """How late the power is shown: the counter tells, by that part of the pairs of anchors that
    differ least."""
    lates_ns = [round(late * samples.update_s * 1e9) for late in LATES]
    used = known & samples.cover(anchors, 0) & samples.cover(anchors, lates_ns[-1])
    # A step of the power in a hole would be taken for lateness.
    holes = tuple(zip(*samples.holes(0), strict=True))
    whole = used & ~overlaps(holes, anchors[:-1], anchors[1:] + lates_ns[-1])
    if whole.sum() >= FEWEST:
        used = whole
    if not used.any():
        return 0

    def residual(late_ns: int) -> float:
        off, _ = _residuals(samples, anchors, more_j, used, late_ns)
        square = off**2
        return float(np.mean(square if part == 1 else np.sort(square)[: int(part * len(off)) + 1]))

    return min(lates_ns, key=residual)


def _agreeing(of_power_j: np.ndarray, more_j: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The pairs of anchors in which power and counter go together."""
    at = np.flatnonzero(used & (of_power_j > 0))
    if not len(at):
        return np.zeros(len(used), bool)
    ratio = np.log(more_j[at] / of_power_j[at])
    off = np.abs(ratio - np.median(ratio))
    padded = np.pad(off, AROUND, "edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), axis=1)
    fits = np.zeros(len(used), bool)
    fits[at] = (usual <= USUALLY) & (off <= ONCE)
    return fits


def _shaped(
    samples: _Samples, counter: Curve, used: np.ndarray, late_ns: int
) -> tuple[np.ndarray, np.ndarray]:
    """(times, joules) of the counter's points and of the samples in the pairs that are used; also
    of those before the first point and behind the last, where the pair next to them is."""
    anchors, known_j = counter.times_ns, counter.joules
    times = samples.times_ns - late_ns
    more_j, of_power_j = np.diff(known_j), samples.between(anchors, late_ns)
    ratio = more_j[used].sum() / of_power_j[used].sum()
    outside = [1.0 if used[end] else 0.0 for end in (0, -1)]
    pairs = np.concatenate([outside[:1], used, outside[1:]]).astype(bool)
    ratios = np.full(len(pairs), ratio)
    ratios[1:-1][used] = more_j[used] / of_power_j[used]
    samples_in = pairs[np.searchsorted(anchors, times, "right")]
    # Both rise: a sort that knows runs merges them.
    knots = np.sort(np.concatenate([times[samples_in], anchors]), kind="stable")
    knots = knots[np.diff(knots, prepend=knots[0] - 1) > 0]
    at = np.searchsorted(anchors, knots, "right") - 1
    base = np.clip(at, 0, None)
    by_power_j = np.interp(anchors, times, samples.joules)
    since_j = np.interp(knots, times, samples.joules) - by_power_j[base]
    # In a pair that is not used there is no knot but its first.
    joules = np.where(pairs[at + 1], known_j[base] + since_j * ratios[at + 1], known_j[base])
    return knots, np.maximum.accumulate(joules)


def _used_holes(
    samples: _Samples, anchors: np.ndarray, used: np.ndarray, late_ns: int
) -> list[tuple[int, int, float]]:
    """(start, end, seconds) of the holes among samples that are used."""
    found = []
    for first, last in zip(*samples.holes(late_ns), strict=True):
        at = np.searchsorted(anchors, (first, last), "right") - 1
        if at[0] >= 0 and at[1] < len(used) and used[at[0] : at[1] + 1].all():
            found.append((int(first), int(last), float(last - first) / 1e9))
    return found


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """(first, behind the last) of the runs that are marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _blind_spans(blind_ns: Spans, anchors: np.ndarray, used: np.ndarray) -> Spans:
    """Of the spans in which the counter was not read, those in which samples do not tell either."""
    even = merge_spans((anchors[a], anchors[b]) for a, b in _runs(~used))
    firsts, lasts = (np.asarray([span[end] for span in blind_ns], np.int64) for end in (0, 1))
    return tuple(
        s for s, open_ in zip(blind_ns, overlaps(even, firsts, lasts), strict=True) if open_
    )
