"""Which of the sessions behind a row drift with their course. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.quality.order_effect import ALL, ALPHA

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
        if "session" in one:
            rows = [(session, "", ()) for session in one.session]
        else:
            blank = pd.Series("", index=one.index)
            sides = (one.get(key, blank) for key in ("model", "workload", "reference"))
            rows = [("", model, (work, other)) for model, work, other in zip(*sides, strict=True)]
        known = {row: "\n".join(_behind(who, *row, drifting)) for row in set(rows)}
        words = pd.Series([known[row] for row in rows], index=one.index, dtype="str")
        found[name] = one.assign(drift=words)
    return found


def _behind(
    who: pd.DataFrame,
    session: str,
    model: str,
    workloads: tuple[str, ...],
    drifting: Mapping[str, str],
) -> list[str]:
    if session:
        sessions = [session]
    else:
        mine = who[who.model == model] if model else who
        named = mine[mine.workload.isin(workloads)]
        sessions = list((named if len(named) else mine).session)
    return [f"{name}: {drifting[name]}" for name in (*sessions, ALL) if name in drifting]


def drift_note(shown: pd.DataFrame) -> str:
    """One line on the sessions behind all that is shown; empty where none drifts."""
    if "drift" not in shown or not len(shown):
        return ""
    lines = list(
        dict.fromkeys(line for text in shown["drift"].unique() for line in text.splitlines())
    )
    if not lines:
        return ""
    more = f"; and {len(lines) - NAMED} sessions more" if len(lines) > NAMED else ""
    return f"Order effect (p < {ALPHA} after Holm): {'; '.join(lines[:NAMED])}{more}."
