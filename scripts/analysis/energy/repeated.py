"""The windows of a session that repeat something: energy and time of one unit of each. Needs numpy
and no table: a session that is still being measured reads its own energies with it."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from analysis.energy.raw import RawSession
from metering.cells import cell_of

# By kind of window, how many units it holds: inferences, output tokens, what a probe repeats.
UNITS = {
    "inference": lambda window: window["inferences"],
    "generation": lambda window: len(window["tokens"]),
    "probe": lambda window: window["count"],
}


@dataclasses.dataclass(frozen=True)
class Repeated:
    """One window.

    Attributes:
        cell: What it repeats; see `stopping`.
        window: As it stands in windows.jsonl.
        unit_j: Energy of one unit under `total`, in joules; None where the window is too short for
            its meter, or not covered.
        unit_s: Time of one unit, in seconds.
    """

    cell: str
    window: Mapping[str, Any]
    unit_j: float | None
    unit_s: float


def repeated(session: RawSession, resolve_periods: float) -> list[Repeated]:
    """The windows that repeat something, in the order of measuring.

    Args:
        resolve_periods: See `attribution.status_of`: the energies are those of resolved windows.
    """
    found = []
    by_segment = defaultdict(list)
    for window in session.windows:
        if window["kind"] in UNITS:
            by_segment[window["segment"]].append(window)
    for number, windows in by_segment.items():
        starts, ends = ([w[edge] for w in windows] for edge in ("start_ns", "end_ns"))
        joules = session.total(number, starts, ends).joules
        shortest_s = resolve_periods * session.periods_s(number, starts, ends)
        for window, energy_j, least_s in zip(windows, joules, shortest_s, strict=True):
            units = UNITS[window["kind"]](window)
            seconds = (window["end_ns"] - window["start_ns"]) / 1e9
            known = not math.isnan(energy_j) and seconds >= least_s
            unit_j = float(energy_j) / units if known else None
            cell = cell_of(window[window["kind"]])
            found.append(Repeated(cell, window, unit_j, seconds / units))
    return found
