"""Which readings of a meter can be true, and where nothing is known between two of them.

A step that asks for more than the device can draw did not happen: a counter that was reset, or a
value that is garbage. What cannot be told is a break; before and behind it the readings hold.
Pure arithmetic.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from metering.meter import Domain

# What bounds the power where a meter declares no bound: so much, or so many times the median.
UNDECLARED_W, UNDECLARED_TIMES = 20_000.0, 20.0
# No power is updated less often, but where its meter says so.
SLOWEST_S = 2.0
# Behind garbage a true value follows within so many steps that cannot be, and so long.
STRAYS, STRAY_S = 8, 60.0
# When a value changed is known where the reading before is not further away, in times between.
RESOLVED = 0.75
# So many changes of a power tell how often it is updated.
TELLING = 8
# Steps to each side that say what the power was about a break.
AROUND = 10
# Zero watts are a reading where the smallest power that was read is so few steps of the meter, or
# so few watts.
ZERO_STEPS, DISTINCT, LOW_W = 3.0, 10, 3.0


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """Readings that hold.

    Attributes:
        times_ns: When they were taken, rising.
        values: Joules since the first (of a counter; they never fall, and go on over a break as if
            the power had been what it was around), or watts.
        broken: Between each reading and the next, whether nothing is known.
        update_s: How often the meter has news, as its readings tell; None where they do not.
        step: The smallest change that the meter shows, in joules or watts; 0 where nothing tells.
        notes: What was left out and why, a short line each.
    """

    times_ns: np.ndarray
    values: np.ndarray
    broken: np.ndarray
    update_s: float | None
    step: float
    notes: tuple[str, ...]


def credible_domain(domain: Domain) -> tuple[Domain, tuple[str, ...]]:
    """The domain without what cannot be (a range of zero, a period below zero), and what that
    was."""
    notes, unknown = [], {}
    for name in ("max_range", "period_s", "resolution", "max_power_w"):
        value = getattr(domain, name)
        if value is not None and not (np.isfinite(value) and value > 0):
            notes.append(f"{name} {value} cannot be: taken as unknown")
            unknown[name] = None
    return dataclasses.replace(domain, **unknown), tuple(notes)


def longest_rising(times_ns: np.ndarray) -> np.ndarray:
    """Indices of the readings whose times rise: as many as can be kept (the longest increasing
    subsequence), so that one wrong time costs one reading."""
    later = np.diff(times_ns)
    if np.all(later >= 0):
        return np.flatnonzero(np.concatenate([[True], later > 0])[: len(times_ns)])
    tails: list[int] = []
    at: list[int] = []
    before = np.full(len(times_ns), -1)
    for i, t in enumerate(times_ns.tolist()):
        place = bisect.bisect_left(tails, t)
        if place < len(tails) and tails[place] == t:
            continue
        before[i] = at[place - 1] if place else -1
        tails[place : place + 1] = [t]
        at[place : place + 1] = [i]
    kept = [at[-1]]
    while before[kept[-1]] >= 0:
        kept.append(int(before[kept[-1]]))
    return np.asarray(kept[::-1])


def clean_powers(times_ns: Sequence[int], values: Sequence[float], domain: Domain) -> Cleaned:
    """Readings of a power, in watts: what is no number, below zero or more than the device can draw
    is none; nor is zero, but where the meter is as coarse as that."""
    domain, notes = credible_domain(domain)
    times, watts = np.asarray(times_ns, np.int64), np.asarray(values, float) * domain.scale
    kept = longest_rising(times)
    notes += _note(len(times) - len(kept), "readings whose time goes back")
    times, watts = times[kept], watts[kept]
    with np.errstate(invalid="ignore"):
        can_be = np.isfinite(watts) & (watts >= 0)
    step_w = (domain.resolution or 0.0) * domain.scale
    if not step_w:
        distinct = np.sort(watts[can_be])
        distinct = distinct[np.diff(distinct, prepend=-1) > 0]
        # Few values have a great common divisor by chance.
        step_w = _step(distinct) if len(distinct) >= DISTINCT else domain.scale
    above = watts[can_be & (watts > 0)]
    usual_w = float(np.median(above)) if len(above) else 0.0
    most_w, more = _most_w(domain, usual_w)
    notes += more
    with np.errstate(invalid="ignore"):
        can_be &= watts <= most_w
    if not domain.estimate:
        above = above[above <= most_w]
        # The lowest that is usual, for garbage may be lower.
        lowest_w = float(np.quantile(above, 0.01)) if len(above) else np.inf
        zero = can_be & (watts == 0)
        if lowest_w > max(ZERO_STEPS * step_w, LOW_W) and zero.any():
            can_be &= ~zero
            if not len(above):
                notes += ("power 0 for ever cannot be: nothing is known",)
    notes += _note(int((~can_be).sum()), "readings of a power that cannot be")
    broken = np.diff(np.flatnonzero(can_be)) > 1
    times, watts = times[can_be], watts[can_be]
    changed = np.flatnonzero(np.diff(watts) != 0) + 1
    update_s = update_period_s(times, changed, domain) if len(times) > 1 else None
    if domain.period_s is None and update_s is not None:
        # A power may hold for long; a few changes of the work say nothing of the meter.
        slowest_s = max(SLOWEST_S, 1.5 * float(np.median(np.diff(times))) / 1e9)
        update_s = update_s if len(changed) >= TELLING and update_s <= slowest_s else None
    return Cleaned(times, watts, broken, update_s, step_w, notes)


def clean_counter(times_ns: Sequence[int], values: Sequence[float], domain: Domain) -> Cleaned:
    """Readings of a counter, in joules since the first one.

    A fall is a wrap-around where the range is known and the device can have drawn what is then
    between, exact to one step; a value that neither follows from the one before nor leads to those
    behind is garbage; what is left is a break, as where the counter was reset, or where it was not
    read for so long that it may have wrapped around unseen.
    """
    domain, notes = credible_domain(domain)
    times, kept = np.asarray(times_ns, np.int64), None
    raw, finite = _integers(values)
    notes += _note(int((~finite).sum()), "values that are no number")
    times, raw = times[finite], raw[finite]
    kept = longest_rising(times)
    notes += _note(len(times) - len(kept), "readings whose time goes back")
    times, raw = times[kept], raw[kept]
    below = raw < 0
    if domain.max_range is not None and np.any(raw > domain.max_range):
        above = raw > domain.max_range
        if _follows(times, raw, above, domain):
            notes += (f"values above max_range {domain.max_range}: taken as unknown",)
            domain = dataclasses.replace(domain, max_range=None)
        else:
            below |= above
    notes += _note(int(below.sum()), "values that cannot be")
    times, raw = times[~below], raw[~below]
    if len(times) < 2:
        empty = np.zeros(max(len(times) - 1, 0), bool)
        return Cleaned(times, np.zeros(len(times)), empty, None, 0.0, notes)
    steps = _Steps.of(times, raw, domain)
    notes += steps.notes
    good, apart = _chain(steps)
    notes += _note(int(len(times) - len(good)), "values that no power leads to")
    more = steps.between(good[:-1], good[1:])
    with np.errstate(invalid="ignore"):
        broken = apart[good[:-1]] | ~((more >= 0) & (more <= steps.most(good[:-1], good[1:])))
    long = np.diff(times[good]) / 1e9 > steps.unseen_s
    notes += _note(int((broken & ~long).sum()), "steps that no power explains: reset?")
    notes += _note(int(long.sum()), "gaps in which the counter may have wrapped around unseen")
    broken = broken | long
    joules = _joined(times[good], more * domain.scale, broken)
    moved = np.flatnonzero(np.diff(joules) > 0) + 1
    step = (domain.resolution or 0.0) * domain.scale
    if not step:
        step = _step(more[~broken & (more > 0)]) * domain.scale
    found = update_period_s(times[good], moved, domain)
    return Cleaned(times[good], joules, broken, found, step, notes)


def update_period_s(times_ns: np.ndarray, changes: np.ndarray, domain: Domain) -> float | None:
    """How often a meter has news in seconds, by when its value changed; None where too few changes
    tell.

    It has news at least as often as it changes: between two changes under a power that holds still
    there may be many updates. So the shorter of the times between changes tell; and of those only
    such between which it was read, or they say when it was read and no more.

    Args:
        changes: Indices of the readings that show a new value.
    """
    if domain.period_s is not None:
        return domain.period_s
    if len(changes) < 3:
        return None
    apart_s = np.diff(times_ns[changes]) / 1e9
    gaps_s = np.diff(times_ns)[changes - 1] / 1e9
    seen = np.maximum(gaps_s[1:], gaps_s[:-1]) <= RESOLVED * apart_s
    if seen.sum() >= 3:
        apart_s = apart_s[seen]
    short_s = np.quantile(apart_s, 0.1)
    return float(np.median(apart_s[apart_s <= 2.05 * short_s]))


@dataclasses.dataclass(frozen=True)
class _Steps:
    """What lies between readings of a counter, in its own unit."""

    times_ns: np.ndarray
    raw: np.ndarray
    since_ns: np.ndarray
    max_range: float | None
    most_unit_s: float
    update_s: float
    step: float
    notes: tuple[str, ...]

    @classmethod
    def of(cls, times_ns: np.ndarray, raw: np.ndarray, domain: Domain) -> _Steps:
        changed = np.flatnonzero(np.diff(raw) != 0) + 1
        gap_s = float(np.median(np.diff(times_ns))) / 1e9
        update_s = domain.period_s
        if update_s is None:
            apart = np.diff(times_ns[changed]) / 1e9
            update_s = float(np.median(apart)) if len(apart) else gap_s
            update_s = float(np.clip(update_s, gap_s, max(SLOWEST_S, gap_s)))
        # A value is as old as its last change: what was held back may show at once.
        since = np.zeros(len(raw), np.int64)
        since[changed] = changed
        since_ns = times_ns[np.maximum.accumulate(since)]
        known = np.concatenate([[0], changed])
        rates_w = np.diff(raw[known]) * domain.scale
        rates_w = rates_w / np.maximum(np.diff(times_ns[known]) / 1e9, update_s)
        usual_w = float(np.median(rates_w[rates_w > 0])) if np.any(rates_w > 0) else 0.0
        most_w, notes = _most_w(domain, usual_w)
        step = domain.resolution or (1.0 if np.issubdtype(raw.dtype, np.integer) else 0.0)
        return cls(
            *(times_ns, raw, since_ns, domain.max_range),
            *(most_w / domain.scale, update_s, step, notes),
        )

    @property
    def unseen_s(self) -> float:
        """Unread for so long the counter may have wrapped around unseen."""
        return np.inf if self.max_range is None else self.max_range / self.most_unit_s

    def most(self, at: np.ndarray, to: np.ndarray) -> np.ndarray:
        """More than can have been counted from one reading to another."""
        seconds = (self.times_ns[to] - self.since_ns[at]) / 1e9
        return self.most_unit_s * (seconds + self.update_s) + 2 * self.step

    def between(self, at: np.ndarray, to: np.ndarray) -> np.ndarray:
        """What was counted from one reading to another, with the wrap-around where there may have
        been one."""
        more = (self.raw[to] - self.raw[at]).astype(float)
        if self.max_range is None:
            return more
        around = more + self.max_range
        return np.where((more < 0) & (around <= self.most(at, to)), around, more)

    def can_follow(self, at: int, to: int) -> bool:
        """Whether one reading can lead to another."""
        return 0 <= self.between(at, to) <= self.most(at, to)


def _chain(steps: _Steps) -> tuple[np.ndarray, np.ndarray]:
    """(indices of the readings that hold, of all readings whether a break is behind them)."""
    count = len(steps.raw)
    apart, good = np.zeros(count, bool), np.ones(count, bool)
    ahead = np.arange(count - 1)
    more = steps.between(ahead, ahead + 1)
    bad = np.flatnonzero(~((more >= 0) & (more <= steps.most(ahead, ahead + 1))))
    k = 0
    while k < len(bad):
        at = int(bad[k])
        to, sure = _next(steps, at, bad[k + 1 : k + 1 + STRAYS])
        good[at + 1 : to] = False
        apart[at] = not sure
        k = int(np.searchsorted(bad, to))
    return np.flatnonzero(good), apart


def _next(steps: _Steps, at: int, bad: np.ndarray) -> tuple[int, bool]:
    """The next reading behind `at` that holds, and whether what lies between is known.

    Args:
        bad: The next steps that cannot be, by the reading before each.
    """
    raw, times = steps.raw, steps.times_ns
    fall = raw[at] - raw[at + 1]
    last = int(np.searchsorted(times, times[at] + STRAY_S * 1e9, "right"))
    if 0 < fall <= 2 * steps.step and raw[at + 1] > 0:
        # A step back, as of clock ticks that were summed twice: it goes on where it was.
        stop = min(last, at + 1000)
        beyond = np.flatnonzero(raw[at + 1 : stop] >= raw[at])
        if len(beyond) and steps.can_follow(at, at + 1 + int(beyond[0])):
            return at + 1 + int(beyond[0]), True
    if 0 < fall <= steps.most_unit_s * steps.update_s and raw[at + 1] > 0:
        # Values that were shown out of order.
        soon = times[at + 1] + 2 * steps.update_s * 1e9
        stop = min(int(np.searchsorted(times, soon, "right")), len(raw))
        beyond = np.flatnonzero(raw[at + 1 : stop] >= raw[at])
        if len(beyond) and steps.can_follow(at, at + 1 + int(beyond[0])):
            return at + 1 + int(beyond[0]), True
    if fall > 0 and raw[at + 1] == 0 and at + 2 < len(raw) and steps.can_follow(at, at + 2):
        # Zero once; where it can have counted up from there it may have been a reset.
        return at + 2, not steps.can_follow(at + 1, at + 2)
    for one in bad:
        to = int(one) + 1
        if to >= last:
            break
        if to > at + 1 and steps.can_follow(at, to):
            return to, True
    return at + 1, False


def _follows(times: np.ndarray, raw: np.ndarray, above: np.ndarray, domain: Domain) -> bool:
    """Whether a value above the range follows from the one before it: then the range is wrong."""
    steps = _Steps.of(times, raw, dataclasses.replace(domain, max_range=None))
    to = np.flatnonzero(above[1:]) + 1
    more = steps.between(to - 1, to)
    return bool(np.any((more >= 0) & (more <= steps.most(to - 1, to)) & (np.diff(raw)[to - 1] > 0)))


def _joined(times_ns: np.ndarray, joules: np.ndarray, broken: np.ndarray) -> np.ndarray:
    """The curve from its steps; over a break as if the power had been what it was around."""
    joules = joules.astype(float)
    lengths_s = np.diff(times_ns) / 1e9
    whole = np.flatnonzero(~broken)
    for at in np.flatnonzero(broken):
        place = int(np.searchsorted(whole, at))
        near = whole[max(0, place - AROUND) : place + AROUND]
        power_w = joules[near].sum() / lengths_s[near].sum() if len(near) else 0.0
        joules[at] = power_w * lengths_s[at]
    return np.concatenate([[0.0], np.cumsum(joules)])


def _most_w(domain: Domain, usual_w: float) -> tuple[float, tuple[str, ...]]:
    """More power than the device can draw, in watts."""
    undeclared_w = max(UNDECLARED_W, UNDECLARED_TIMES * usual_w)
    if domain.estimate or domain.max_power_w is None:
        # An estimate is of all processors together, however many they are.
        return undeclared_w, ()
    if usual_w > domain.max_power_w and usual_w < UNDECLARED_W:
        return undeclared_w, (
            f"max_power_w {domain.max_power_w:g} cannot be: {usual_w:.0f} W is usual",
        )
    return domain.max_power_w, ()


def _integers(values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """(values, which of them are numbers); integers stay exact, for counters outgrow a double.

    What no signed 64 bits hold is less by what the median is, or garbage beside it: -1.
    """
    raw = values if isinstance(values, np.ndarray) else _array(values)
    if raw.dtype.kind == "f":
        finite = np.isfinite(raw)
        if finite.all() and np.all(raw == np.floor(raw)) and np.all(np.abs(raw) < 2**53):
            return raw.astype(np.int64), finite
        return raw, finite
    every = np.ones(len(raw), bool)
    if raw.dtype.kind == "u" and len(raw):
        if raw.max() < 2**63:
            return raw.astype(np.int64), every
        middle = int(np.sort(raw)[len(raw) // 2])
        if middle >= 2**62:
            # Far from zero all are less by as much: only differences count.
            raw = np.clip(raw, middle - 2**61, middle + 2**61) - np.uint64(middle - 2**61)
            return raw.astype(np.int64), every
        return np.where(raw < 2**63, raw, 0).astype(np.int64) - (raw >= 2**63), every
    return raw, every


def _array(values: Sequence[float]) -> np.ndarray:
    """As integers where all are."""
    values = list(values)
    if all(isinstance(v, int | np.integer) for v in values):
        top = 2**64 - 1
        if min(values, default=0) >= 0 and max(values, default=0) >= 2**63:
            return np.asarray([min(v, top) for v in values], np.uint64)
        return np.asarray([min(max(v, -1), 2**63 - 1) for v in values], np.int64)
    return np.asarray(values, float)


def _step(changes: np.ndarray) -> float:
    """The greatest step of which all values are multiples (to a millionth); 0 where none is."""
    if not len(changes):
        return 0.0
    millionths = np.round(np.asarray(changes, float) * 1e6)
    millionths = millionths[(millionths > 0) & (millionths < 2**53)].astype(np.int64)
    return float(np.gcd.reduce(millionths)) / 1e6 if len(millionths) else 0.0


def _note(count: int, what: str) -> tuple[str, ...]:
    return (f"{count} {what}",) if count else ()
