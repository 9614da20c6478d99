"""Order effects beside the comparisons that they touch. Pure functions on tables."""

from __future__ import annotations

import pandas as pd

from analysis.runtimes.wording import ABOVE_IDLE, ENERGY, TIME

# Which metric of the table of order effects tells of which comparison.
OF = {ENERGY: "energy per unit", ABOVE_IDLE: "energy per unit", TIME: "time per unit"}
KEYS = ["model", "runtime", "provider"]


def with_drift(
    comparisons: pd.DataFrame, order: pd.DataFrame, inferences: pd.DataFrame, alpha: float
) -> pd.DataFrame:
    """The comparisons with `order_words`: which of the sessions behind a row drift with their
    course, and by how much, and whether all of the campaign do; empty where none does.

    Args:
        order: `session`, `metric`, `slope` and its p over all of them, `p_holm`; a row that is of
            no session is of all.
    """
    drifting = order[order.p_holm < alpha]
    who = inferences[["session", *KEYS]].drop_duplicates()
    by_side: dict[tuple, list[str]] = {}
    for row in drifting.merge(who, on="session").itertuples():
        key = row.metric, row.model, row.runtime, row.provider
        by_side.setdefault(key, []).append(f"{row.session} {row.slope:+.1%}")
    of_all: dict[str, list[str]] = {}
    for row in drifting[~drifting.session.isin(who.session)].itertuples():
        of_all.setdefault(row.metric, []).append(f"{row.session} {row.slope:+.1%}")
    words = []
    for row in comparisons.to_dict("records"):
        sides = ((row["first"], row["first_provider"]), (row["second"], row["second_provider"]))
        found = of_all.get(OF[row["metric"]], []) + [
            text
            for side in sides
            for text in by_side.get((OF[row["metric"]], row["model"], *side), [])
        ]
        compared = found and not row["reason"]
        words.append(f"drifts over the session: {'; '.join(found)}" if compared else "")
    return comparisons.assign(order_words=pd.Series(words, index=comparisons.index, dtype="str"))
