"""What makes a reader doubt a window: one vocabulary, and which windows carry which word.

Pure functions on sessions and tables. A flag that cannot be known, because the raw data lack what
it needs, is not raised; `unknowable` says which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from analysis.raw import RawSession

# NVML's throttle reasons that are no choice: power cap, hardware slowdown, thermal (software and
# hardware), power brake (nvml.h, nvmlClocksEventReason*). Idle and set clocks are none.
THROTTLE = {4: "power cap", 8: "slowdown", 32: "heat", 64: "heat (hardware)", 128: "power brake"}
# Shares and kelvins from which a reader must know; see VOCABULARY.
CLOCK, DRIFT_C, CONTENTION, IDLE = 0.05, 5.0, 0.1, 0.05
# States are read once a second: one this far off still tells of a window.
NEAR_NS = 1_500_000_000
WORK = ("inference", "generation", "prefill", "decode", "check", "probe", "load")


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
            f"by more than {CLOCK:.0%} in the window, or from like windows",
            "a longer warm-up, or clocks that the administrator locks",
        ),
        (
            "temperature drift",
            "the device was hotter or colder than in like windows",
            f"more than {DRIFT_C:g} K from the median of the windows of its kind",
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
            f"the halves of an idle window differ by more than {IDLE:.0%}, or there is none",
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
OF_SESSION = ("idle unstable", "estimate", "disagreement")


def vocabulary() -> Iterator[str]:
    """The vocabulary as a Markdown table."""
    yield "| flag | means | raised where | what to do |"
    yield "|---|---|---|---|"
    for flag in VOCABULARY:
        yield f"| `{flag.name}` | {flag.meaning} | {flag.provoked} | {flag.remedy} |"


def unknowable(session: RawSession, segment: int) -> list[str]:
    """The flags that a segment's raw data cannot tell, because nobody read what they need."""
    there = {(domain, quantity) for part, domain, quantity in session.states if part == segment}
    gpus = [d["domain"] for d in session.headline(segment) if d["domain"].startswith("gpu:")]
    lacking = []
    for flag, quantity in (
        ("throttled", "throttle_reasons"),
        ("clock changed", "clock_sm"),
        ("foreign process on the GPU", "foreign_processes"),
    ):
        if gpus and not all((gpu, quantity) in there for gpu in gpus):
            lacking.append(flag)
    if not any(quantity == "temperature" for _, quantity in there):
        lacking.append("temperature drift")
    if ("host", "own_s") not in there:
        lacking.append("CPU contention")
    return lacking


def flag_windows(
    session: RawSession, segment: int, domain: Mapping, table: pd.DataFrame, disagrees: bool
) -> pd.Series:
    """The flags of each window of a segment under one domain: names in order, joined by commas.

    Args:
        table: With kind, start_ns, end_ns, duration_s, status, pooled_j.
        disagrees: Whether a cross-check of the domain failed (`analysis.checks`).
    """
    name = domain["domain"]
    states = {
        q: values for (part, d, q), values in session.states.items() if (part, d) == (segment, name)
    }
    raised: dict[str, np.ndarray] = {
        "unresolved": (table.status == "unresolved").to_numpy(),
        "estimate": np.full(len(table), bool(domain["estimate"])),
        "disagreement": np.full(len(table), disagrees),
        "idle unstable": np.full(len(table), _idle_unstable(session, segment, domain, table)),
        **_lost(session, segment, name, table),
    }
    if "throttle_reasons" in states:
        bits = sum(THROTTLE)
        raised["throttled"] = _any(
            states["throttle_reasons"], table, lambda v: v.astype(int) & bits
        )
    if "foreign_processes" in states:
        raised["foreign process on the GPU"] = _any(
            states["foreign_processes"], table, lambda v: v > 0
        )
    if "clock_sm" in states:
        raised["clock changed"] = _clock(states["clock_sm"], table)
    if "temperature" in states:
        now = _near(states["temperature"], table)
        usual = now.groupby(table.kind).transform("median")
        raised["temperature drift"] = ((now - usual).abs() > DRIFT_C).to_numpy()
    raised["CPU contention"] = contention(session, segment, table)
    # Before any work begins the device is in no state that a reader asks about.
    work = table.kind.isin(WORK).to_numpy()
    for flag in ("throttled", "clock changed", "temperature drift", "CPU contention"):
        if flag in raised:
            raised[flag] = raised[flag] & work
    return pd.Series(
        [", ".join(f for f in NAMES if f in raised and raised[f][at]) for at in range(len(table))],
        index=table.index,
        dtype="str",
    )


def union(columns: list[pd.Series]) -> pd.Series:
    """The flags of any of several columns."""
    return pd.Series(
        [
            ", ".join(name for name in NAMES if any(name in split(text) for text in texts))
            for texts in zip(*columns, strict=True)
        ],
        index=columns[0].index,
        dtype="str",
    )


def split(text: str) -> list[str]:
    """The names in a cell of flags."""
    return [name for name in str(text or "").split(", ") if name]


def contention(session: RawSession, segment: int, table: pd.DataFrame) -> np.ndarray:
    """Where others' CPU time was more than a tenth of the session's own, by what was read once a
    second around each window."""
    busy = session.states.get((segment, "host", "machine_busy_s"))
    own = session.states.get((segment, "host", "own_s"))
    if busy is None or own is None or len(busy[0]) < 2:
        return np.zeros(len(table), bool)
    # Ticks of both are read one after the other: a second at least says more than a tick.
    times = busy[0]
    first = np.clip(np.searchsorted(times, table.start_ns, "right") - 1, 0, len(times) - 2)
    last = np.clip(np.searchsorted(times, table.end_ns), 1, len(times) - 1)
    last = np.maximum(last, first + 1)
    all_s, own_s = (values[last] - values[first] for _, values in (busy, own))
    return (all_s - own_s) > np.maximum(
        CONTENTION * own_s, 0.03 * (times[last] - times[first]) / 1e9
    )


def _idle_unstable(session: RawSession, segment: int, domain: Mapping, table: pd.DataFrame) -> bool:
    curve = session.curves.get((segment, domain["domain"]))
    if domain["estimate"] or curve is None:
        return False
    idle = table[(table.kind == "idle") & table.pooled_j.notna()]
    idle = idle[idle.duration_s > 4 * curve.period_s]
    if idle.empty:
        return bool((table.kind != "idle").any())
    middle = (idle.start_ns + idle.end_ns) // 2
    halves = [
        curve.energy(*edges).joules for edges in ((idle.start_ns, middle), (middle, idle.end_ns))
    ]
    return bool((np.abs(halves[0] - halves[1]) > IDLE * (halves[0] + halves[1]) / 2).any())


def _lost(
    session: RawSession, segment: int, domain: str, table: pd.DataFrame
) -> dict[str, np.ndarray]:
    frozen = [
        e["t_ns"]
        for e in session.events
        if (e["segment"], e["domain"], e["kind"]) == (segment, domain, "counter-frozen")
    ]
    curve = session.curves.get((segment, domain))
    spans = [] if curve is None else curve.lost_ns
    still = np.zeros(len(table), bool)
    for first, last in spans:
        if any(first <= t_ns <= last for t_ns in frozen):
            still |= ((table.start_ns < last) & (table.end_ns > first)).to_numpy()
    return {
        "counter frozen": still,
        "meter lost": (table.status == "not covered").to_numpy() & ~still,
    }


def _near(state: tuple[np.ndarray, np.ndarray], table: pd.DataFrame) -> pd.Series:
    """The reading closest to the middle of each window; NaN where none is near."""
    times, values = state
    middle = ((table.start_ns + table.end_ns) // 2).to_numpy()
    after = np.clip(np.searchsorted(times, middle), 0, len(times) - 1)
    before = np.clip(after - 1, 0, None)
    at = np.where(np.abs(times[after] - middle) < np.abs(times[before] - middle), after, before)
    reach = NEAR_NS + (table.duration_s.to_numpy() / 2 * 1e9)
    near = np.abs(times[at] - middle) <= reach
    return pd.Series(np.where(near, values[at], np.nan), index=table.index)


def _any(state: tuple[np.ndarray, np.ndarray], table: pd.DataFrame, test) -> np.ndarray:
    """Whether any reading within a window, or else the nearest, passes the test."""
    times, values = state
    counts = np.concatenate([[0], np.cumsum(test(values).astype(bool))])
    first, last = (np.searchsorted(times, table[edge]) for edge in ("start_ns", "end_ns"))
    near = _near(state, table)
    alone = np.zeros(len(table), bool)
    known = near.notna().to_numpy()
    alone[known] = test(near[known].to_numpy()).astype(bool)
    return np.where(last > first, counts[last] > counts[first], alone)


def _clock(state: tuple[np.ndarray, np.ndarray], table: pd.DataFrame) -> np.ndarray:
    times, values = state
    near = _near(state, table)
    usual = near.groupby(table.kind).transform("median")
    changed = ((near / usual - 1).abs() > CLOCK).to_numpy(copy=True)
    first, last = (np.searchsorted(times, table[edge]) for edge in ("start_ns", "end_ns"))
    for at in np.flatnonzero(last - first > 1):
        inside = values[first[at] : last[at]]
        changed[at] |= inside.max() - inside.min() > CLOCK * inside.max()
    return changed
