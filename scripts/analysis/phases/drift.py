"""Which of the sessions behind a row drift with their course. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.order_effect import ALL

# What figures and sections of the page are drawn from.
TABLES = (
    *("summary", "savings", "amplification", "estimators", "agreement", "ends", "context", "law"),
    *("published", "repeatability", "identities", "position", "pairs", "generations"),
)
# So many sessions are named.
NAMED = 2


def with_drift(
    made: Mapping[str, pd.DataFrame], who: pd.DataFrame, drifting: Mapping[str, str]
) -> dict[str, pd.DataFrame]:
    """The tables, those of `TABLES` with a column `drift`: the sessions behind a row that drift,
    with what they do, a line each; empty where none does.

    Args:
        who: One row a session: `session`, `model`, `workload`. A row of a table that names a
            workload that was not measured (a sweep's law, all workloads) rests on all of its model.
        drifting: See `order_effect.drifting`.
    """
    found = dict(made)
    for name in TABLES:
        one = made[name]
        keys = ["session"] if "session" in one else ["model", "workload"]
        rows = list(one[keys].itertuples(index=False, name=None))
        known = {row: "\n".join(_behind(who, keys, row, drifting)) for row in set(rows)}
        words = [known[row] for row in rows]
        if "reference" in one:
            other = zip(one.model, one.reference, strict=True)
            words = [
                "\n".join(dict.fromkeys([*own.splitlines(), *_behind(who, keys, row, drifting)]))
                for own, row in zip(words, other, strict=True)
            ]
        found[name] = one.assign(drift=pd.Series(words, index=one.index, dtype="str"))
    return found


def _behind(
    who: pd.DataFrame, keys: list[str], row: tuple[str, ...], drifting: Mapping[str, str]
) -> list[str]:
    if keys == ["session"]:
        sessions = [row[0]] if row[0] else list(who.session)
    else:
        mine = who[who.model == row[0]]
        sessions = list(
            (mine[mine.workload == row[1]] if row[1] in set(mine.workload) else mine).session
        )
    return [f"{name}: {drifting[name]}" for name in (*sessions, ALL) if name in drifting]


def drifts(shown: pd.DataFrame) -> str:
    """One line on the sessions behind all that is shown; empty where none drifts."""
    if "drift" not in shown or not len(shown):
        return ""
    lines = list(
        dict.fromkeys(line for text in shown["drift"].unique() for line in text.splitlines())
    )
    if not lines:
        return ""
    more = f"; and {len(lines) - NAMED} sessions more" if len(lines) > NAMED else ""
    return f"Order effect (p < 0.05 after Holm): {'; '.join(lines[:NAMED])}{more}."
