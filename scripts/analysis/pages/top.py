"""What stands once at the top of a page: the flags that most windows carry, and contention. Pure
functions on the table of flags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from analysis.energy.raw import TOTAL, WORK
from analysis.quality.flags import NAMES, VOCABULARY

# A flag of more windows of work than this share tells few of them from the others.
MOST = 0.5
# The machine was not the sessions' own: to be known wherever it is.
ALWAYS = ("CPU contention",)


def commonest(flags: pd.DataFrame) -> list[str]:
    """The flags that most windows of work of a campaign carry under the total."""
    return [row["flag"] for row in _carried(flags) if row["most"]]


def lines(flags: pd.DataFrame, besides: Collection[str] = ()) -> list[dict[str, Any]]:
    """Of each such flag, and of contention wherever it is: in how many windows of work of how many
    sessions, what it means and what to do; the commonest first.

    Args:
        flags: As of `flag_tables.flags_table`.
        said: Flags of which the page tells elsewhere.
    """
    of = {flag.name: flag for flag in VOCABULARY}
    return [
        row | {"meaning": of[row["flag"]].meaning, "remedy": of[row["flag"]].remedy}
        for row in sorted(_carried(flags), key=lambda row: -row["windows"])
        if row["flag"] not in besides and (row["most"] or row["flag"] in ALWAYS)
    ]


def details(flags: pd.DataFrame, words: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """Of each flag of `ALWAYS` that there is, a line a session that carries it.

    Args:
        words: By session, what is known better than in how many windows.
    """
    known = words or {}
    return {
        row["flag"]: [
            f"{session}: {known.get(session, f'windows that carry it: {windows}')}"
            for session, windows in row["sessions"].items()
        ]
        for row in _carried(flags)
        if row["flag"] in ALWAYS
    }


def _carried(flags: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each flag, in the order of the vocabulary: windows of work that carry it under the total,
    of how many, and by session."""
    work = flags[flags.known & (flags.domain == TOTAL) & flags.kind.isin(WORK)]
    of = int(work.of_work.max()) if len(work) else 0
    rows = []
    for name in NAMES:
        mine = work[work.flag == name]
        if len(mine):
            windows = int(mine.windows.sum())
            by_session = mine.groupby("session").windows.sum().to_dict()
            about = {"flag": name, "windows": windows, "of": of, "most": windows > MOST * of}
            rows.append(about | {"sessions": by_session})
    return rows
