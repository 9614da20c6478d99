"""How far sessions of the same work differ: each is a process of its own. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.tabular import table

REPEATABILITY = {
    **dict.fromkeys(("model", "workload", "condition", "meter", "metric", "unit"), "str"),
    "sessions": "int",
    **dict.fromkeys(("mean", "cv", "lowest", "highest", "within_cv"), "float"),
    "estimate": "bool",
}
# (metric, unit, column above, column below).
METRICS = (
    ("energy per decoded token", "J/token", "decode_j", "decoded_tokens"),
    ("energy per generation", "J", "total_j", None),
    ("time per decoded token", "s/token", "decode_s", "decoded_tokens"),
)


def repeatability_table(generations: pd.DataFrame) -> pd.DataFrame:
    """One row a (model, workload, condition) with several sessions, and metric.

    `mean` is over sessions, `cv` their coefficient of variation (sample standard deviation over
    mean), `within_cv` the mean coefficient of variation of the generations of one task within a
    session: what is left of the difference is between processes.
    """
    rows = []
    known = generations.dropna(subset=["total_j"]).assign(
        decoded_tokens=generations.output_tokens - 1
    )
    for key, group in known.groupby(["model", "workload", "condition"], sort=False):
        if group["round"].nunique() < 2:
            continue
        about = dict(zip(("model", "workload", "condition"), key, strict=True))
        about |= {"meter": group.meter.iloc[0], "estimate": bool(group.estimate.any())}
        for metric, unit, above, below in METRICS:
            units = group[below] if below else pd.Series(1.0, index=group.index)
            each = group[above] / units.where(units > 0)
            sums = (
                pd.DataFrame({"above": group[above], "below": units}).groupby(group["round"]).sum()
            )
            sessions = (sums.above / sums.below).to_numpy(float)
            alike = each.groupby([group["round"], group.task])
            spread = (alike.std() / alike.mean()).dropna()
            rows.append(
                {
                    **about,
                    "metric": metric,
                    "unit": unit,
                    "sessions": len(sessions),
                    "mean": sessions.mean(),
                    "cv": np.std(sessions, ddof=1) / sessions.mean(),
                    "lowest": sessions.min(),
                    "highest": sessions.max(),
                    "within_cv": spread.mean() if len(spread) else np.nan,
                }
            )
    return table(rows, REPEATABILITY)
