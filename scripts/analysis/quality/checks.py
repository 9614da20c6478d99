"""Two ways to read the same energy, held against each other. Pure functions on sessions.

A difference above the pair's threshold flags the session: trust neither before you know which is
wrong. Where one of the two cannot be trusted they are compared over the rest, and what cannot be
compared says why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.curves import Curve
from analysis.energy.raw import RawSession
from analysis.quality import telemetry
from analysis.tabular import table
from metering.meter import MAX_POWER_W, Domain, parse_domain

CHECKS = {
    **dict.fromkeys(("session", "pair", "domain"), "str"),
    "segment": "int",
    **dict.fromkeys(("seconds", "first_j", "second_j", "difference", "threshold"), "float"),
    "flagged": "bool",
    "unchecked": "str",
}
# By pair, the relative difference that is too much. NVML documents its power to 5 %, and over a
# session of minutes the sampling adds little; two readings of one register can differ by a read's
# time only; and parts are of their whole: they may not be more, but for as much.
COUNTER_POWER = "energy counter / integrated power"
READING = "our reading / powercap's"
PARTS = "parts / package"
NOTHING = "nothing to hold it against"
# No pair: what was made of readings that could not be taken as they are.
READ = "how it was read"
THRESHOLDS = {COUNTER_POWER: 0.05, READING: 0.01, PARTS: 0.02, NOTHING: np.nan, READ: np.nan}
# By quantity that is read beside a counter, the pair that it makes.
BESIDE = {"power": COUNTER_POWER, "energy_powercap": READING, "energy_parts": PARTS}
# Less says nothing: the edges of both are as uncertain.
SHORTEST_S = 3.0
# Between readings so many usual gaps apart nobody knows what a power was.
HOLE = 5.0
# Watts in a unit of the power beside a counter, of meters from before they declared it.
_WATTS = {"mJ": 1e-3, "J": 1.0, "uJ": 1e-6}


@dataclasses.dataclass(frozen=True)
class _Compared:
    """Joules by the counter and by the other way, over how many seconds; and what of the session
    that leaves out, and why."""

    counted_j: float = np.nan
    other_j: float = np.nan
    seconds: float = 0.0
    unchecked: str = ""


def checks_of(session: RawSession) -> list[dict[str, Any]]:
    """One row a segment, measured domain and pair: joules by the one and the other over all that
    both cover, and their relative difference (for parts: by how much they exceed the package, zero
    where they do not); NaN where nothing can be compared. `unchecked` says of what, and why. What
    the curve says of how it was made (`Curve.notes`) stands there too, under `READ`."""
    rows = []
    for segment in session.facts["segments"]:
        number = segment["segment"]
        for record in segment["meters"]["found"]:
            domain = parse_domain(record)
            if domain.estimate:
                continue
            for pair, one in (
                *_compare_pairs(session, number, domain),
                *_reading_notes(session, number, domain),
            ):
                first_j, second_j = one.counted_j, one.other_j
                if pair == PARTS:
                    first_j, second_j = second_j, first_j
                difference = first_j / second_j - 1 if second_j > 0 else np.nan
                if pair == PARTS:
                    # Stays missing where it is.
                    difference = difference if np.isnan(difference) else max(0.0, difference)
                unchecked = one.unchecked
                if one.seconds and not second_j > 0:
                    unchecked = "one of the two says that there was no energy"
                rows.append(
                    {
                        "session": session.name,
                        "segment": number,
                        "domain": domain.domain,
                        "pair": pair,
                        "seconds": one.seconds,
                        "first_j": first_j,
                        "second_j": second_j,
                        "difference": difference,
                        "threshold": THRESHOLDS[pair],
                        "flagged": bool(abs(difference) > THRESHOLDS[pair]),
                        "unchecked": unchecked,
                    }
                )
    return rows


def _reading_notes(
    session: RawSession, segment: int, domain: Domain
) -> Iterator[tuple[str, _Compared]]:
    curve = session.curves.get((segment, domain.domain))
    if curve is not None and curve.notes:
        yield READ, _Compared(unchecked="; ".join(curve.notes))


def checks_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows of all sessions."""
    return table(rows, CHECKS)


def failed_checks(session: RawSession) -> set[tuple[int, str]]:
    """(segment, domain) of which a check failed."""
    return {(row["segment"], row["domain"]) for row in checks_of(session) if row["flagged"]}


def _compare_pairs(
    session: RawSession, segment: int, domain: Domain
) -> Iterator[tuple[str, _Compared]]:
    """(pair, what it gives) of all that was read, or should have been, beside a domain's energy."""
    if domain.quantity != "energy":
        yield NOTHING, _Compared(unchecked="it has no counter: power alone is integrated")
        return
    named = set(domain.details.get("beside") or ())
    if domain.details.get("power"):
        named.add("power")
    curve = session.curves.get((segment, domain.domain))
    found = False
    for quantity, pair in BESIDE.items():
        other = session.states.get((segment, domain.domain, quantity))
        if other is None and quantity not in named:
            continue
        found = True
        if other is None or len(other[0]) < 2:
            yield pair, _Compared(unchecked=f"no {quantity} was read")
        elif curve is None:
            yield pair, _Compared(unchecked="the counter has no two readings that can be trusted")
        else:
            yield pair, _compared(curve, domain, quantity, other)
    if not found:
        yield NOTHING, _Compared(unchecked="nothing is read beside its counter")


def _compared(curve: Curve, domain: Domain, quantity: str, other: telemetry.State) -> _Compared:
    times, values = other
    gaps_s = np.diff(times) / 1e9
    if quantity == "power":
        scale = getattr(domain, "power_scale", None) or _WATTS.get(domain.unit)
        if scale is None:
            return _Compared(
                unchecked=f"nobody says how many watts its power is in ({domain.unit})"
            )
        other_j = gaps_s * (values[1:] + values[:-1]) / 2 * scale
        sound = gaps_s <= HOLE * np.median(gaps_s)
    else:
        other_j, sound = _steps_j(domain, quantity, values, gaps_s)
    pairs = pd.DataFrame({"start_ns": times[:-1], "end_ns": times[1:]})
    inside = (times[:-1] >= curve.times_ns[0]) & (times[1:] <= curve.times_ns[-1])
    spans = np.asarray([*curve.lost_ns, *getattr(curve, "blind_ns", ())], np.int64).reshape(-1, 2)
    trusted = ~telemetry.overlaps(pairs, *spans.T)
    sound = sound & np.isfinite(other_j)
    used = inside & sound & trusted
    seconds = float(gaps_s[used].sum())
    ends_ns = [*curve.times_ns[[0, -1]], *times[[0, -1]]]
    whole_s = float(np.ptp(ends_ns)) / 1e9
    left_out = ""
    if whole_s - seconds > max(SHORTEST_S, 0.01 * whole_s):
        why = {
            "the counter cannot be trusted": inside & ~trusted,
            f"{quantity} has holes or falls": inside & trusted & ~sound,
        }
        words = [word for word, where in why.items() if where.any()]
        reasons = ", ".join(words) or "one of the two was not read"
        left_out = f"{whole_s - seconds:.0f} of {whole_s:.0f} s: {reasons}"
    if seconds < SHORTEST_S:
        return _Compared(unchecked=left_out or f"{seconds:.1f} s are too short to tell")
    counted_j = np.diff(curve.sensed(times))[used].sum()
    return _Compared(float(counted_j), float(other_j[used].sum()), seconds, left_out)


def _steps_j(
    domain: Domain, quantity: str, values: np.ndarray, gaps_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far a second counter went on from reading to reading, in joules, and which of these steps
    can be: a fall is a wrap-around where its range is known, and no step where it is not."""
    steps = np.diff(values)
    if quantity == "energy_powercap" and domain.max_range:
        steps = np.where(steps < 0, steps + domain.max_range, steps)
    steps_j = steps * domain.scale
    most_w = domain.max_power_w or max(MAX_POWER_W.values())
    return steps_j, (steps_j >= 0) & (steps_j <= most_w * np.maximum(gaps_s, 1.0))
