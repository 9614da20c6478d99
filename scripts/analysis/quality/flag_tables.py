"""From the flags of windows to what tables, figures and pages say of them. Pure functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL, WORK
from analysis.quality.flags import NAMES, OF_SESSION, carries_any, flag_names, masks_from_text
from analysis.tabular import table

FLAGS = {
    **dict.fromkeys(("session", "kind", "domain", "flag"), "str"),
    **dict.fromkeys(("windows", "of", "of_kind", "of_work"), "int"),
    "known": "bool",
}
# Of a session, what a reader of any figure must see.
SEEN = ("worker not metered", "disagreement", "counter frozen", "meter lost")
# A flag that so many of a campaign's windows of work carry tells none of them from the others.
NEARLY_ALL = 0.9
# No doubt of a window's energy: it has none, so that it is in no mean; or it is said elsewhere what
# all of them are; or it was put right.
NO_DOUBT = ("unresolved", "estimate", "mirrored")
# Doubts of what is subtracted, and of no total.
OF_IDLE = ("idle unstable",)
WHO = ("model", "workload", "runtime", "provider")


T = TypeVar("T")


class FlaggedError(ValueError):
    """A summary that would rest on flagged windows; the message is one line."""


def all_windows(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The windows of several sessions, also of none."""
    if tables:
        return pd.concat(tables, ignore_index=True)
    return pd.DataFrame(columns=["session", "kind", "domain", "flags"], dtype="str")


def flags_table(windows: pd.DataFrame) -> pd.DataFrame:
    """One row a session, kind of window, domain and flag: how many windows carry it, of how many of
    the session, of how many of that kind and of how many of work in all sessions; and of what the
    raw data cannot tell, one a session with `known` false: in how many windows of work."""
    rows: list[dict[str, Any]] = []
    by = ["session", "kind", "domain"]
    windows = windows[[n for n in (*by, "flags", "unknown") if n in windows]]
    work = windows[windows.kind.isin(WORK)]
    of_work = work.groupby("domain").size()
    of_kind = windows.groupby(["kind", "domain"]).size()
    found = _carried(windows, "flags", by)
    for key, carried, of in found:
        session, kind, domain = key
        about = {"session": session, "kind": kind, "domain": domain, "of": of, "known": True}
        about |= {"of_kind": of_kind[kind, domain], "of_work": of_work.get(domain, 0)}
        rows += [about | {"flag": name, "windows": n} for name, n in carried.items()]
    total = work[work.domain == TOTAL]
    lacking = _carried(total, "unknown", ["session"]) if "unknown" in total else []
    for (session,), carried, of in lacking:
        about = {"session": session, "kind": "", "domain": TOTAL, "of": of, "of_kind": of}
        about |= {"known": False, "of_work": of_work.get(TOTAL, 0)}
        rows += [about | {"flag": name, "windows": n} for name, n in carried.items()]
    return table(rows, FLAGS)


def _carried(
    windows: pd.DataFrame, column: str, by: Sequence[str]
) -> list[tuple[tuple, dict[str, int], int]]:
    """By group in the order of the table: how many windows carry each flag, and how many there
    are."""
    if windows.empty:
        return []
    groups = windows.groupby(list(by), sort=False)
    place = groups.ngroup().to_numpy()
    found = masks_from_text(windows[column])
    of = np.bincount(place)
    each = [np.bincount(place, weights=found >> bit & 1) for bit in range(len(NAMES))]
    keys = list(windows[list(by)].drop_duplicates().itertuples(index=False, name=None))
    return [
        (key, {n: int(each[b][at]) for b, n in enumerate(NAMES) if each[b][at]}, int(of[at]))
        for at, key in enumerate(keys)
    ]


def common_flags(windows: pd.DataFrame) -> list[str]:
    """The flags that nearly all windows of work of a campaign carry under `total`: each is one line
    at the top of a page, and no reason to leave a window out."""
    found = masks_from_text(windows["flags"][(windows.domain == TOTAL) & windows.kind.isin(WORK)])
    if not len(found):
        return []
    return [n for at, n in enumerate(NAMES) if (found >> at & 1).mean() >= NEARLY_ALL]


def clean(
    windows: pd.DataFrame, common: Collection[str] = (), *, above_idle: bool = False
) -> pd.Series:
    """Which windows carry no flag that makes their energy doubtful.

    Args:
        windows: Any table with a column `flags`.
        common: What nearly all windows carry, see `common_flags`; it counts for no doubt.
        above_idle: Whether the energy is that above idle, which an unstable idle makes doubtful.
    """
    harmless = {*NO_DOUBT, *common, *(() if above_idle else OF_IDLE)}
    doubts = [name for name in NAMES if name not in harmless]
    return pd.Series(~carries_any(windows["flags"], doubts), index=windows.index)


@dataclasses.dataclass(frozen=True)
class Sensitivity(Generic[T]):
    """A conclusion of all windows beside that of those without a doubt.

    Attributes:
        all: Of all windows.
        clean: Of those that carry no flag; None where there is none.
        windows: How many there are.
        flagged: How many of them carry a flag.
    """

    all: T
    clean: T | None
    windows: int
    flagged: int

    @property
    def depends_on_flagged(self) -> bool:
        """Whether the conclusion is not the same without the flagged windows."""
        return self.flagged > 0 and self.clean != self.all

    @property
    def message(self) -> str:
        """The same in words; empty where it does not hang on them."""
        if not self.depends_on_flagged:
            return ""
        if self.flagged == self.windows:
            return "rests on flagged windows only"
        without = f"without the {self.flagged} of {self.windows} flagged windows"
        if self.clean is None:
            return f"cannot be told {without}"
        return f"not so {without}: {self.clean}"


def with_and_without(
    windows: pd.DataFrame,
    conclude: Callable[[pd.DataFrame], T],
    common: Collection[str] = (),
    *,
    above_idle: bool = False,
) -> Sensitivity[T]:
    """What is concluded from all windows, and from those alone that carry no flag.

    Args:
        conclude: What would be said of such windows, in words or in what compares like words; None
            where nothing can be.
        common, above_idle: As for `clean`.
    """
    without_doubt = clean(windows, common, above_idle=above_idle)
    of_all = conclude(windows)
    of_clean = of_all
    if not without_doubt.all():
        of_clean = conclude(windows[without_doubt]) if without_doubt.any() else None
    return Sensitivity(of_all, of_clean, len(windows), int((~without_doubt).sum()))


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
    labelled = who.assign(session_flags=[by_session.get(name, "") for name in who.session])
    found = {}
    for name, one in made.items():
        keys = ["session"] if "session" in one else [k for k in WHO if k in one and k in labelled]
        if not keys:
            flags = pd.Series(_join_flags(labelled.session_flags), index=one.index, dtype="str")
        else:
            flags = _by_keys(one, labelled, keys)
            if "reference" in one:
                # What a workload is compared with is behind the row too.
                other = _by_keys(one.assign(workload=one.reference), labelled, keys)
                pairs = zip(flags, other, strict=True)
                flags = pd.Series([_join_flags(p) for p in pairs], index=one.index, dtype="str")
        found[name] = one.assign(session_flags=flags.astype("str"))
    return found


def _by_keys(one: pd.DataFrame, labelled: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """Of each row, the flags of the sessions behind it."""
    distinct = one[list(keys)].drop_duplicates()
    if distinct.empty:
        return pd.Series("", index=one.index, dtype="str")
    rows = distinct.itertuples(index=False, name=None)
    texts = pd.array([_join_flags(_behind(labelled, keys, row)) for row in rows], dtype="str")
    place = one.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()
    return pd.Series(texts.take(place), index=one.index)


def _behind(labelled: pd.DataFrame, keys: Sequence[str], row: Sequence[Any]) -> pd.Series:
    """The flags of the sessions behind a row; a blank stands for all."""
    chosen = pd.Series(True, index=labelled.index)
    for key, value in zip(keys, row, strict=True):
        if not pd.isna(value) and value != "":
            chosen &= labelled[key] == value
    return labelled.session_flags[chosen]


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
    found = masks_from_text(built_on["flags"])
    counts = {name: int((found >> NAMES.index(name) & 1).sum()) for name in refused}
    if not any(counts.values()):
        return
    words = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    flagged = carries_any(built_on["flags"], refused)
    names = sorted(set(built_on.session[flagged]))
    raise FlaggedError(
        f"analysis.strict: {what} would rest on flagged windows ({words} of {len(built_on)}) of"
        f" {', '.join(names[:3])}{' and others' if len(names) > 3 else ''}; measure them again, or"
        " name in analysis.strict only the flags that must not be"
    )


def note(flags: pd.DataFrame, besides: Collection[str] = ()) -> str | None:
    """One line for a figure whose sessions a reader must doubt: those of each flag, the rarest
    first; None where there is no doubt.

    Args:
        besides: Flags that are told elsewhere.
    """
    doubted: dict[str, list[str]] = {}
    for session, text in sorted(session_flags(flags).items()):
        for name in flag_names(text):
            if name in SEEN and name not in besides:
                doubted.setdefault(name, []).append(session)
    rarest = sorted(doubted, key=lambda name: len(doubted[name]))
    notes = [f"Flagged ({name}): {abbreviated(doubted[name])}" for name in rarest]
    return "; ".join(notes) or None


def abbreviated(names: Sequence[str], most: int = 2) -> str:
    """The first of several names, and how many more they are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _join_flags(texts: Iterable[str]) -> str:
    names = {name for text in texts for name in flag_names(text)}
    return ", ".join(name for name in NAMES if name in names)


def counts(flags: pd.DataFrame) -> dict[str, Any]:
    """For a page, under `total`: the flags that nearly all windows of work carry (`common`: flag,
    windows, of how many); how many windows carry the others by kind (`kinds`, `rows`); and what the
    raw data cannot tell, in how many windows of work and sessions (`unknown`)."""
    known = flags[flags.known & (flags.domain == TOTAL)]
    work = known[known.kind.isin(WORK)]
    carried = work.groupby("flag").windows.sum()
    of_work = int(work.of_work.max()) if len(work) else 0
    common = [
        {"flag": name, "windows": int(carried[name]), "of": of_work}
        for name in NAMES
        if name in carried.index and carried[name] >= NEARLY_ALL * of_work
    ]
    left = known[~known.flag.isin([one["flag"] for one in common])]
    of = left.groupby("kind").of_kind.max()
    by = left.groupby(["flag", "kind"]).windows.sum()
    kinds = list(dict.fromkeys(left.kind))
    lacking = flags[~flags.known]
    return {
        "common": common,
        "kinds": [(kind, int(of[kind])) for kind in kinds],
        "rows": [
            {"flag": name, "cells": [int(by.get((name, kind), 0)) for kind in kinds]}
            for name in NAMES
            if name in set(left.flag)
        ],
        "unknown": [
            {
                "flag": name,
                "windows": int(one.windows.sum()),
                "of": int(one.of_work.max()),
                "sessions": int(one.session.nunique()),
                "partly": int((one.windows < one.of).sum()),
            }
            for name in NAMES
            if len(one := lacking[lacking.flag == name])
        ],
    }
