"""Whether any of several runtimes differs. Pure functions on tables."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.columns import OMNIBUS
from analysis.runtimes.comparisons import FAMILY, METRICS
from analysis.runtimes.wording import provider
from analysis.statistics import ranks
from analysis.statistics import rounds as over_rounds
from analysis.tabular import table

BLOCK = ["question", "model", "batch", "metric", "within"]
NOT_POSITIVE = "a round's mean is not above zero"
FEW_ROUNDS = "fewer than two rounds that all of them have"


def omnibus_table(rounds: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """A randomised block design of round means for each question, model, batch and metric, and what
    is compared within (one provider, or one export): rounds are blocks, runtimes treatments.

    Only rounds that all of them have count; where there are too few, `why` says so. `p_holm` is
    adjusted over the `family`, all such tests of a question and metric.
    """
    total = rounds[rounds.domain == TOTAL]
    cells = dict(list(total.groupby(["model", "batch", "runtime", "provider"])))
    columns = {metric: column for metric, _, column, _ in METRICS}
    rows = []
    compared = comparisons[comparisons.reason == ""]
    for key, family in compared.groupby(BLOCK, sort=False):
        facts = dict(zip(BLOCK, key, strict=True))
        first = zip(family["first"], family.first_provider, strict=True)
        second = zip(family["second"], family.second_provider, strict=True)
        names = list(dict.fromkeys(itertools.chain(second, first)))
        column = columns[facts["metric"]]
        means = pd.concat(
            [
                cells[facts["model"], facts["batch"], *name].set_index("round")[column]
                for name in names
            ],
            axis=1,
        ).dropna()
        block, why = means.to_numpy(float), ""
        if not np.all(block > 0):
            why = NOT_POSITIVE
        elif len(block) < 2:
            why = FEW_ROUNDS
        f, p, eta_squared = (np.nan,) * 3 if why else over_rounds.blocks(block)
        rows.append(
            {
                **facts,
                "groups": "; ".join(f"{title} on {provider(where)}" for title, where in names),
                "rounds": len(block),
                "f": f,
                "p": p,
                "eta_squared": eta_squared,
                "why": why or ("" if p == p else "no scatter to test against"),
                **family.iloc[0][["meter", "estimate"]],
            }
        )
    made = table(rows, OMNIBUS)
    for (question, metric), family in made.groupby(FAMILY, sort=False):
        made.loc[family.index, "p_holm"] = ranks.holm(family.p.to_numpy())
        tests = int(family.p.notna().sum())
        name = f"{question}, {metric}, any of them: {tests} test{'' if tests == 1 else 's'}"
        made.loc[family.index, "family"] = name
    return made
