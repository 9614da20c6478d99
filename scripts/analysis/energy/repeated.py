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

# By kind of window, how many units it holds: inferences, output tokens, what a probe repeats. Those
# of any other kind say it themselves.
UNITS = {
    "inference": lambda window: window["inferences"],
    "generation": lambda window: len(window["tokens"]),
    "probe": lambda window: window["count"],
}


def units_of(window: Mapping[str, Any]) -> int | None:
    """How many units of work a window holds: by its kind, or its `units` where it has a name under
    its kind; None where it repeats nothing."""
    if (units := UNITS.get(window["kind"])) is not None:
        return units(window)
    return window.get("units") if window["kind"] in window else None


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
        if units_of(window) is not None:
            by_segment[window["segment"]].append(window)
    for number, windows in by_segment.items():
        starts, ends = ([w[edge] for w in windows] for edge in ("start_ns", "end_ns"))
        joules = session.total(number, starts, ends).joules
        shortest_s = resolve_periods * session.periods_s(number, starts, ends)
        for window, energy_j, least_s in zip(windows, joules, shortest_s, strict=True):
            units = units_of(window)
            seconds = (window["end_ns"] - window["start_ns"]) / 1e9
            known = not math.isnan(energy_j) and seconds >= least_s
            unit_j = float(energy_j) / units if known else None
            cell = cell_of(window[window["kind"]])
            found.append(Repeated(cell, window, unit_j, seconds / units))
    return found
