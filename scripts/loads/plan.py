"""Which windows the study of the meters measures, and in which order. Pure: no device."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from loads.specification import MetersSpecification
from loads.tools import NONE

# About how long one unit of each load lasts, in seconds: no window is shorter.
UNITS_S = {"steady": 0.02, "bursty": 0.078, "decode": 0.02, "prefill-decode": 0.22}

# Beyond this no meter has trouble: other tools measure no longer windows.
TOOLS_S = 2.0


@dataclasses.dataclass(frozen=True)
class LoadWindow:
    """One window of a load.

    Attributes:
        load: Its name.
        length_s: How long it should last.
        tool: What else measures it.
    """

    load: str
    length_s: float
    tool: str
    repetition: int

    @property
    def name(self) -> str:
        """Its name within the session."""
        return f"{self.load}:{self.length_s:g}:{self.tool}:{self.repetition}"

    @property
    def block(self) -> None:
        """None: a load is measured as warm as it comes."""
        return None


def plan_windows(spec: MetersSpecification, tools: Sequence[str]) -> list[LoadWindow]:
    """All windows of a session in random order: as many of each length as fill `seconds_each`, at
    least two and at most `most`, and of other tools a third of them."""
    windows = []
    for load in spec.loads:
        for length_s in [s for s in spec.window_s if s >= 0.9 * UNITS_S[load]]:
            count = min(max(2, round(spec.seconds_each / length_s)), spec.most)
            for tool in (NONE, *(tools if length_s <= TOOLS_S else ())):
                own = count if tool == NONE else max(2, count // 3)
                windows += [LoadWindow(load, length_s, tool, number) for number in range(own)]
    random.Random(f"{spec.seed}/{spec.session}").shuffle(windows)
    return windows
