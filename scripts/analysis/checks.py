"""Two ways to read the same energy, held against each other. Pure functions on sessions.

A difference above the pair's threshold flags the session: trust neither before you know which is
wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.curves import TO_JOULES, TO_WATTS
from analysis.raw import RawSession
from analysis.tabular import table
from metering.counters import CounterReset, unwrap

CHECKS = {
    **dict.fromkeys(("session", "pair", "domain"), "str"),
    "segment": "int",
    **dict.fromkeys(("seconds", "first_j", "second_j", "difference", "threshold"), "float"),
    "flagged": "bool",
}
# By pair, the relative difference that is too much. NVML documents its power to 5 %, and over a
# session of minutes the sampling adds little; two readings of one register can differ by a read's
# time only; and parts are of their whole: they may not be more, but for as much.
COUNTER_POWER = "energy counter / integrated power"
READING = "our reading / powercap's"
PARTS = "parts / package"
THRESHOLDS = {COUNTER_POWER: 0.05, READING: 0.01, PARTS: 0.02}
# Less says nothing: the edges of both are as uncertain.
SHORTEST_S = 3.0


def checks_of(session: RawSession) -> list[dict[str, Any]]:
    """One row a segment, domain and pair that can be compared: joules by the one and the other over
    all that both cover, and their relative difference (for parts: by how much they exceed the
    package, zero where they do not)."""
    rows = []
    for segment in session.facts["segments"]:
        number = segment["segment"]
        for domain in segment["meters"]["found"]:
            for pair, first_j, second_j, seconds in _pairs(session, number, domain):
                difference = first_j / second_j - 1 if second_j > 0 else np.nan
                if pair == PARTS:
                    difference = max(0.0, difference)
                rows.append(
                    {
                        "session": session.name,
                        "segment": number,
                        "domain": domain["domain"],
                        "pair": pair,
                        "seconds": seconds,
                        "first_j": first_j,
                        "second_j": second_j,
                        "difference": difference,
                        "threshold": THRESHOLDS[pair],
                        "flagged": bool(abs(difference) > THRESHOLDS[pair]),
                    }
                )
    return rows


def checks_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The rows of all sessions."""
    return table(rows, CHECKS)


def disagreeing(session: RawSession) -> set[tuple[int, str]]:
    """(segment, domain) of which a check failed."""
    return {(row["segment"], row["domain"]) for row in checks_of(session) if row["flagged"]}


def _pairs(
    session: RawSession, segment: int, domain: Mapping[str, Any]
) -> Iterator[tuple[str, float, float, float]]:
    """(pair, joules by the first, joules by the second, seconds)."""
    name = domain["domain"]
    curve = session.curves.get((segment, name))
    if curve is None or domain["quantity"] != "energy" or domain["estimate"] or curve.lost_ns:
        return

    def state(quantity: str):
        return session.states.get((segment, name, quantity))

    if (power := state("power")) is not None and len(power[0]) > 2:
        times, values = power
        inside = (times >= curve.times_ns[0]) & (times <= curve.times_ns[-1])
        times, watts = times[inside], values[inside] * TO_WATTS["mW"]
        if len(times) > 2 and (seconds := (times[-1] - times[0]) / 1e9) >= SHORTEST_S:
            integral_j = float(np.sum(np.diff(times) / 1e9 * (watts[1:] + watts[:-1]) / 2))
            counted_j = float(np.diff(curve.seen(times[[0, -1]]))[0])
            yield COUNTER_POWER, counted_j, integral_j, seconds
    for quantity, pair in (("energy_powercap", READING), ("energy_parts", PARTS)):
        if (other := state(quantity)) is None:
            continue
        times, values = other
        inside = (times >= curve.times_ns[0]) & (times <= curve.times_ns[-1])
        times, values = times[inside], values[inside]
        if len(times) < 2 or (seconds := (times[-1] - times[0]) / 1e9) < SHORTEST_S:
            continue
        try:
            raw = [int(value) for value in values]
            known = unwrap(raw, domain["max_range"] if pair == READING else None)
        except CounterReset:
            continue
        other_j = (known[-1] - known[0]) * TO_JOULES["uJ"]
        own_j = float(np.diff(curve.seen(times[[0, -1]]))[0])
        yield (
            (pair, own_j, other_j, seconds) if pair == READING else (pair, other_j, own_j, seconds)
        )
