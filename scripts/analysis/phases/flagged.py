"""Stand-in until analysis.doubts has these."""

from __future__ import annotations

import dataclasses
from typing import Any

from analysis.flags import split
from analysis.raw import TOTAL

NEARLY_ALL = 0.9
KEPT = {"estimate", "unresolved", "mirrored"}


def common_flags(windows):
    work = windows[(windows.domain == TOTAL) & windows.kind.isin(("generation", "probe"))]
    counts = work["flags"].value_counts()
    seen = {}
    for text, number in counts.items():
        for name in split(text):
            seen[name] = seen.get(name, 0) + number
    return [name for name, number in seen.items() if number >= NEARLY_ALL * len(work)]


def clean(windows, common=(), *, above_idle=False):
    known = {
        text: not (
            set(split(text)) - KEPT - set(common) - (set() if above_idle else {"idle unstable"})
        )
        for text in windows["flags"].unique()
    }
    return windows["flags"].map(known).astype(bool)


@dataclasses.dataclass(frozen=True)
class Both:
    all: Any
    clean: Any
    windows: int
    flagged: int
    hangs: bool
    words: str


def with_and_without(windows, conclude, common=(), *, above_idle=False, by=()):
    good = clean(windows, common, above_idle=above_idle)
    flagged = int((~good).sum())
    everything = conclude(windows)
    other = conclude(windows[good]) if good.any() else None
    if not flagged:
        other = everything
    hangs = flagged > 0 and other != everything
    words = ""
    if hangs:
        words = (
            "rests on flagged windows only"
            if not good.any()
            else f"not so without the {flagged} of {len(windows)} flagged windows: {other}"
        )
    return Both(everything, other, len(windows), flagged, hangs, words)
