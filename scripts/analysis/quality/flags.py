"""What makes a reader doubt a window: one vocabulary, and which windows carry which word.

Pure functions on sessions and tables, linear in windows. The flags of a window are a bit mask, by
the places of `NAMES`, and in a table its names. A flag that cannot be known, because the raw data
lack what it needs in that window, is not raised; `unknown_flags` says which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.energy.raw import WORK, RawSession
from analysis.quality import telemetry
from metering.meter import Domain

# NVML's throttle reasons that are no choice: power cap, hardware slowdown, thermal (software and
# hardware), power brake (nvml.h, nvmlClocksEventReason*). Idle and set clocks are none.
THROTTLE = {4: "power cap", 8: "slowdown", 32: "heat", 64: "heat (hardware)", 128: "power brake"}
# Shares and kelvins from which a reader must know; see VOCABULARY.
CLOCK, DRIFT_C, CONTENTION, IDLE = 0.05, 5.0, 0.1, 0.05
# Of what is read once a second, a flag asks this of a board; see `unknown_flags`.
OF_BOARDS = {
    "throttled": "throttle_reasons",
    "clock changed": "clock_sm",
    "foreign process on the GPU": "foreign_processes",
}


@dataclasses.dataclass(frozen=True)
class Flag:
    """A word of the vocabulary: what it means, what provokes it, what to do."""

    name: str
    meaning: str
    provoked: str
    remedy: str


VOCABULARY = tuple(
    Flag(*words)
    for words in (
        (
            "unresolved",
            "too short for its meter: no energy of its own",
            "shorter than `analysis.resolve_periods` periods of the meter",
            "longer windows, or probes, which repeat the work",
        ),
        (
            "throttled",
            "the GPU held its clocks down",
            "NVML names a power cap, heat, a slowdown or a power brake in the window",
            "better cooling; `protocol.cooldown`; at a power cap it is the board's normal state",
        ),
        (
            "clock changed",
            "the GPU's SM clock was not one",
            f"by more than {CLOCK:.0%} in the window, or from the median of its cell (the windows"
            " of its session that repeat the same; what nothing repeats is held against the others"
            " of its kind that nothing repeats)",
            "a longer warm-up, or clocks that the administrator locks",
        ),
        (
            "temperature drift",
            "the device was hotter or colder than in like windows",
            f"more than {DRIFT_C:g} K from the median of its cell, as above",
            "a longer warm-up; `protocol.cooldown`",
        ),
        (
            "foreign process on the GPU",
            "another program computed on the same board, whose counter counts all",
            "NVML lists a process that is not the session's",
            "a GPU of one's own (`gpu=1` at the cluster), CUDA_VISIBLE_DEVICES",
        ),
        (
            "CPU contention",
            "other programs used the processors",
            f"their CPU time is more than {CONTENTION:.0%} of the session's own, or its one thread"
            " had no CPU for a tenth of the time",
            "a quiet machine",
        ),
        (
            "idle unstable",
            "what is subtracted as idle was no constant",
            f"the halves of an idle window, or idle before and after the work, differ by more than"
            f" {IDLE:.0%}; or there is none",
            "a longer `protocol.settle_s` and `metering.idle_s`",
        ),
        (
            "counter frozen",
            "the energy counter stood still under power",
            "no change for five seconds (events.jsonl: counter-frozen)",
            "reload the driver; measure again",
        ),
        (
            "meter lost",
            "the meter does not cover the window",
            "it could not be read, was reset, may have wrapped around unseen, or ended before",
            "see events.jsonl; measure again",
        ),
        (
            "worker not metered",
            "what did the work has no meter: no total",
            "its board, or one of its processors, was not among the meters that were found, and no"
            " meter that contains it",
            "see the page for what was not measured and why",
        ),
        (
            "mirrored",
            "one sensor shows under two names",
            "two domains of a kind go on by the same all through the session: added up once",
            "nothing for processors; of a board, its energy may be that of both",
        ),
        (
            "estimate",
            "no meter: utilisation times rated power",
            "no readable CPU meter (`doctor` says why)",
            "make RAPL readable",
        ),
        (
            "disagreement",
            "two ways to read the same energy differ",
            "counter against integrated power, package against its parts, or our reading against"
            " pyRAPL's, by more than the threshold of the pair (table `checks`)",
            "trust neither before you know which is wrong",
        ),
    )
)
NAMES = tuple(flag.name for flag in VOCABULARY)
# These are of a whole session, wherever in it they come from.
OF_SESSION = ("worker not metered", "mirrored", "idle unstable", "estimate", "disagreement")


def vocabulary() -> Iterator[str]:
    """The vocabulary as a Markdown table."""
    yield "| flag | means | raised where | what to do |"
    yield "|---|---|---|---|"
    for flag in VOCABULARY:
        yield f"| `{flag.name}` | {flag.meaning} | {flag.provoked} | {flag.remedy} |"


def flag_masks(raised: Mapping[str, np.ndarray | bool], length: int) -> np.ndarray:
    """One bit mask a window from, by flag, whether it carries it."""
    found = np.zeros(length, np.int32)
    for flag, where in raised.items():
        found |= np.asarray(where, bool) * np.int32(1 << NAMES.index(flag))
    return found


def flag_texts(found: np.ndarray, index: pd.Index) -> pd.Series:
    """Masks as names in order, joined by commas."""
    distinct, places = np.unique(found, return_inverse=True)
    words = [", ".join(n for at, n in enumerate(NAMES) if mask >> at & 1) for mask in distinct]
    return pd.Series(pd.array(words, dtype="str").take(places.ravel()), index=index)


def masks_from_text(column: pd.Series) -> np.ndarray:
    """The masks of a column of names; what is no name of the vocabulary is left out."""
    places, distinct = pd.factorize(column)
    of = [
        sum(1 << NAMES.index(n) for n in set(flag_names(text)) if n in NAMES) for text in distinct
    ]
    # What is missing has the place -1.
    return np.asarray([*of, 0], np.int32)[places]


def union_of_flags(columns: Sequence[pd.Series]) -> pd.Series:
    """The flags of any of several columns."""
    return flag_texts(np.bitwise_or.reduce([masks_from_text(c) for c in columns]), columns[0].index)


def without_flags(column: pd.Series, *flags: str) -> pd.Series:
    """A column of flags without some of them."""
    left_out = sum(1 << NAMES.index(flag) for flag in flags)
    return flag_texts(masks_from_text(column) & ~left_out, column.index)


def carries_any(column: pd.Series, flags: Collection[str]) -> np.ndarray:
    """Whether each cell names any of these flags."""
    return (masks_from_text(column) & sum(1 << NAMES.index(flag) for flag in set(flags))) != 0


def flag_names(text: str) -> list[str]:
    """The names in a cell of flags."""
    return [name for name in str(text or "").split(", ") if name]


def unknown_flags(
    session: RawSession, segment: int, domain: Domain, table: pd.DataFrame
) -> np.ndarray:
    """By window, the mask of the flags that the raw data cannot tell under one domain: nobody read
    what they need, or nothing that was read is near all of the window."""
    wanted: dict[str, tuple[tuple[str, str], ...]] = {}
    if domain.kind == "gpu":
        wanted |= {flag: ((domain.domain, quantity),) for flag, quantity in OF_BOARDS.items()}
    if domain.kind in ("gpu", "processor"):
        wanted["temperature drift"] = ((domain.domain, "temperature"),)
    wanted["CPU contention"] = (("host", "machine_busy_s"), ("host", "own_s"))
    work = table.kind.isin(WORK).to_numpy()
    lacking = {}
    for flag, keys in wanted.items():
        there = [session.states.get((segment, *key)) for key in keys]
        covered = [
            np.zeros(len(table), bool) if s is None else telemetry.covers(s, table) for s in there
        ]
        lacking[flag] = work & ~np.logical_and.reduce(covered)
    return flag_masks(lacking, len(table))


def flag_windows(
    session: RawSession, segment: int, domain: Domain, table: pd.DataFrame, disagrees: bool
) -> np.ndarray:
    """The mask of the flags of each window of a segment under one domain.

    Args:
        table: With kind, cell, start_ns, end_ns, duration_s, status, pooled_j.
        disagrees: Whether a cross-check of the domain failed (`quality.checks`).
    """
    name = domain.domain
    read = {
        q: state
        for (part, d, q), state in session.states.items()
        if (part, d) == (segment, name) and len(state[0])
    }
    mirrors = session.mirrors[segment]
    raised: dict[str, np.ndarray | bool] = {
        "unresolved": (table.status == "unresolved").to_numpy(),
        "estimate": bool(domain.estimate),
        "disagreement": disagrees,
        "mirrored": name in mirrors or name in mirrors.values(),
        "idle unstable": _idle_unstable(session, segment, domain, table),
        **_lost(session, segment, name, table),
    }
    # Before any work begins the device is in no state that a reader asks about.
    work = table.kind.isin(WORK).to_numpy()
    if "throttle_reasons" in read:
        bits = sum(THROTTLE)
        raised["throttled"] = work & telemetry.any_passes(
            read["throttle_reasons"], table, lambda v: v.astype(int) & bits
        )
    if "foreign_processes" in read:
        raised["foreign process on the GPU"] = telemetry.any_passes(
            read["foreign_processes"], table, lambda v: v > 0
        )
    if "clock_sm" in read:
        now = telemetry.nearest(read["clock_sm"], table)
        lowest, highest = telemetry.extremes(read["clock_sm"], table)
        apart = (now / _cell_median(now, table) - 1).abs() > CLOCK
        raised["clock changed"] = work & (apart.to_numpy() | (highest - lowest > CLOCK * highest))
    if "temperature" in read:
        now = telemetry.nearest(read["temperature"], table)
        raised["temperature drift"] = (
            work & ((now - _cell_median(now, table)).abs() > DRIFT_C).to_numpy()
        )
    raised["CPU contention"] = work & contention(session, segment, table)
    return flag_masks(raised, len(table))


def contention(session: RawSession, segment: int, table: pd.DataFrame) -> np.ndarray:
    """Where others' CPU time was more than a tenth of the session's own, by what was read once a
    second around each window."""
    busy = session.states.get((segment, "host", "machine_busy_s"))
    own = session.states.get((segment, "host", "own_s"))
    if busy is None or own is None or len(busy[0]) < 2 or len(own[0]) < 2:
        return np.zeros(len(table), bool)
    covered = telemetry.covers(busy, table) & telemetry.covers(own, table)
    # Both are read together, and one alone says nothing.
    times, at_busy, at_own = np.intersect1d(busy[0], own[0], return_indices=True)
    if len(times) < 2:
        return np.zeros(len(table), bool)
    first = np.clip(np.searchsorted(times, table.start_ns, "right") - 1, 0, len(times) - 2)
    last = np.clip(np.searchsorted(times, table.end_ns), 1, len(times) - 1)
    last = np.maximum(last, first + 1)
    all_s, own_s = (values[last] - values[first] for values in (busy[1][at_busy], own[1][at_own]))
    # Ticks of both are read one after the other: a second at least says more than a tick.
    least_s = 0.03 * (times[last] - times[first]) / 1e9
    return covered & ((all_s - own_s) > np.maximum(CONTENTION * own_s, least_s))


def _cell_median(now: pd.Series, table: pd.DataFrame) -> pd.Series:
    """The median over the windows of each cell; where a cell has but one, over all such windows of
    the kind."""
    several = now.groupby(table.cell).transform("count") > 1
    like = table.cell.where(several, table.kind)
    return now.groupby(like).transform("median")


def _idle_unstable(session: RawSession, segment: int, domain: Domain, table: pd.DataFrame) -> bool:
    curve = session.curves.get((segment, domain.domain))
    if domain.estimate or curve is None:
        return False
    idle = table[(table.kind == "idle") & table.pooled_j.notna()]
    idle = idle[idle.duration_s > 4 * curve.period_s]
    if idle.empty:
        return bool((table.kind != "idle").any())
    middle = (idle.start_ns + idle.end_ns) // 2
    edges = (idle.start_ns, middle), (middle, idle.end_ns)
    halves = [curve.energy(*pair).joules for pair in edges]
    unsteady = np.abs(halves[0] - halves[1]) > IDLE * (halves[0] + halves[1]) / 2
    power_w = idle.pooled_j / idle.duration_s
    apart = power_w.max() - power_w.min() > IDLE * power_w.mean()
    return bool(unsteady.any() or apart)


def _lost(
    session: RawSession, segment: int, domain: str, table: pd.DataFrame
) -> dict[str, np.ndarray]:
    frozen = np.sort(
        [
            e["t_ns"]
            for e in session.events
            if (e["segment"], e["domain"], e["kind"]) == (segment, domain, "counter-frozen")
        ]
    )
    curve = session.curves.get((segment, domain))
    spans = np.asarray([] if curve is None else curve.lost_ns, np.int64).reshape(-1, 2)
    first, last = (
        np.searchsorted(frozen, spans[:, 0]),
        np.searchsorted(frozen, spans[:, 1], "right"),
    )
    still = telemetry.overlaps(table, *spans[last > first].T)
    return {
        "counter frozen": still,
        "meter lost": (table.status == "not covered").to_numpy() & ~still,
    }
