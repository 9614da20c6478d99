"""From the flags of windows to what tables, figures and pages say of them. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.flags import NAMES, OF_SESSION, WORK, split, unknowable
from analysis.raw import TOTAL, RawSession
from analysis.tabular import table

FLAGS = {
    **dict.fromkeys(("session", "kind", "domain", "flag"), "str"),
    **dict.fromkeys(("windows", "of"), "int"),
    "known": "bool",
}
# Of a session, what a reader of any figure must see.
SEEN = ("disagreement", "counter frozen", "meter lost")
WHO = ("model", "workload", "runtime", "provider")


class FlaggedError(ValueError):
    """A summary that would rest on flagged windows; the message is one line."""


def all_windows(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The windows of several sessions, also of none."""
    if tables:
        return pd.concat(tables, ignore_index=True)
    return pd.DataFrame(columns=["session", "kind", "domain", "flags"], dtype="str")


def flags_table(windows: pd.DataFrame, sessions: Iterable[RawSession]) -> pd.DataFrame:
    """One row a session, kind of window, domain and flag: how many windows carry it, of how many;
    and of what the raw data cannot tell, one with `known` false."""
    rows: list[dict[str, Any]] = []
    for key, group in windows.groupby(["session", "kind", "domain"], sort=False):
        about = dict(zip(("session", "kind", "domain"), key, strict=True)) | {"of": len(group)}
        cells = group["flags"].map(split)
        for name in NAMES:
            count = int(cells.map(lambda words, name=name: name in words).sum())
            if count:
                rows.append(about | {"flag": name, "windows": count, "known": True})
    for session in sessions:
        of = sum(window["kind"] in WORK for window in session.windows)
        missing = {f for s in session.facts["segments"] for f in unknowable(session, s["segment"])}
        about = {"session": session.name, "kind": "", "domain": TOTAL, "of": of, "windows": 0}
        rows += [about | {"flag": flag, "known": False} for flag in NAMES if flag in missing]
    return table(rows, FLAGS)


def session_flags(flags: pd.DataFrame) -> dict[str, str]:
    """By session, the flags that concern all of it: those of its whole, and those of windows that
    say that a meter failed."""
    found = flags[(flags.domain == TOTAL) & flags.known & flags.kind.isin((*WORK, "idle"))]
    found = found[found.flag.isin({*OF_SESSION, *SEEN})]
    return {
        session: ", ".join(name for name in NAMES if name in set(group.flag))
        for session, group in found.groupby("session")
    }


def with_session_flags(
    made: Mapping[str, pd.DataFrame], who: pd.DataFrame, by_session: Mapping[str, str]
) -> dict[str, pd.DataFrame]:
    """The tables, each with a column `session_flags`: those of the sessions behind each row.

    Args:
        who: One row a session: `session`, and of `WHO` what its study has. A table that names no
            session names some of these; one that names none rests on all.
    """
    told = who.assign(session_flags=[by_session.get(name, "") for name in who.session])
    found = {}
    for name, one in made.items():
        keys = ["session"] if "session" in one else [k for k in WHO if k in one and k in told]
        if not keys:
            flags = pd.Series(_together(told.session_flags), index=one.index, dtype="str")
        else:
            rows = list(one[keys].itertuples(index=False, name=None))
            by_key = {row: _together(_behind(told, keys, row)) for row in set(rows)}
            flags = pd.Series([by_key[row] for row in rows], index=one.index, dtype="str")
            if "reference" in one:
                # What a workload is compared with is behind the row too.
                other = one.assign(workload=one.reference)[keys]
                more = [
                    _behind(told, keys, row) for row in other.itertuples(index=False, name=None)
                ]
                flags = pd.Series(
                    [_together([own, *others]) for own, others in zip(flags, more, strict=True)],
                    index=one.index,
                    dtype="str",
                )
        found[name] = one.assign(session_flags=flags.astype("str"))
    return found


def _behind(told: pd.DataFrame, keys: Sequence[str], row: Sequence[Any]) -> pd.Series:
    """The flags of the sessions behind a row; a blank stands for all."""
    chosen = pd.Series(True, index=told.index)
    for key, value in zip(keys, row, strict=True):
        if not pd.isna(value) and value != "":
            chosen &= told[key] == value
    return told.session_flags[chosen]


def refuse_flagged(
    strict: Collection[str], windows: pd.DataFrame, kinds: Sequence[str], what: str
) -> None:
    """Refuses to build on flagged windows.

    Args:
        strict: Flags that refuse; `all` of them.
        kinds: The kinds of window that the summary is built on.

    Raises:
        FlaggedError: Windows of these kinds carry one of these flags under `total`.
    """
    if not strict:
        return
    refused = NAMES if "all" in strict else [name for name in NAMES if name in strict]
    built_on = windows[(windows.domain == TOTAL) & windows.kind.isin(kinds)]
    cells = built_on["flags"].map(split)
    counts = {
        name: int(cells.map(lambda words, name=name: name in words).sum()) for name in refused
    }
    if not any(counts.values()):
        return
    words = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    flagged = cells.map(lambda found: any(counts.get(name) for name in found))
    names = sorted(set(built_on.session[flagged]))
    raise FlaggedError(
        f"analysis.strict: {what} would rest on flagged windows ({words} of {len(built_on)}) of"
        f" {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}; measure them again, or"
        " name in analysis.strict only the flags that must not be"
    )


def note(flags: pd.DataFrame) -> str | None:
    """One line for a figure whose sessions a reader must doubt; None where there is no doubt."""
    by_session = session_flags(flags)
    doubted = {
        session: [name for name in split(text) if name in SEEN]
        for session, text in by_session.items()
    }
    doubted = {session: names for session, names in doubted.items() if names}
    if not doubted:
        return None
    words = list(dict.fromkeys(name for names in doubted.values() for name in names))
    sessions = sorted(doubted)
    shown = ", ".join(sessions[:2]) + (
        f" and {len(sessions) - 2} more" if len(sessions) > 2 else ""
    )
    return f"Flagged ({', '.join(words)}): {shown}"


def _together(texts: Iterable[str]) -> str:
    names = {name for text in texts for name in split(text)}
    return ", ".join(name for name in NAMES if name in names)


def counts(flags: pd.DataFrame) -> dict[str, Any]:
    """For a page: how many windows carry which flag by kind, under `total`, and what is unknown."""
    known = flags[flags.known & (flags.domain == TOTAL)]
    of = known.drop_duplicates(["session", "kind"]).groupby("kind").of.sum()
    by = known.groupby(["flag", "kind"]).windows.sum()
    kinds = [kind for kind in dict.fromkeys(known.kind)]
    rows = [
        {"flag": name, "cells": [int(by.get((name, kind), 0)) for kind in kinds]}
        for name in NAMES
        if name in set(known.flag)
    ]
    unknown = flags[~flags.known].groupby("flag").session.nunique()
    return {
        "kinds": [(kind, int(of[kind])) for kind in kinds],
        "rows": rows,
        "unknown": [(name, int(unknown[name])) for name in NAMES if name in unknown.index],
    }
