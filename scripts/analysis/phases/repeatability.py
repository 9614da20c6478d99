"""How far sessions of the same work differ: each is a process of its own. Pure functions."""

from __future__ import annotations

import pandas as pd

from analysis.phases.split import resolved
from analysis.statistics import rounds
from analysis.tabular import table

REPEATABILITY = {
    **dict.fromkeys(("model", "workload", "condition", "meter", "metric", "unit"), "str"),
    "sessions": "int",
    **dict.fromkeys(("mean", "mean_low", "mean_high"), "float"),
    **dict.fromkeys(("cv", "cv_low", "cv_high", "lowest", "highest"), "float"),
    **dict.fromkeys(("within_cv", "icc"), "float"),
    "estimate": "bool",
    "confidence": "float",
}
# (metric, unit, column above, column below).
METRICS = (
    ("energy per decoded token", "J/token", "decode_j", "decoded_tokens"),
    ("energy per generation", "J", "total_j", None),
    ("time per decoded token", "s/token", "decode_s", "decoded_tokens"),
)


def repeatability_table(generations: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """One row a (model, workload, condition) with several sessions, and metric.

    `mean` is over sessions, `cv` their coefficient of variation (sample standard deviation over
    mean; interval by chi-square), `within_cv` the mean coefficient of variation of the generations
    of one task within a session: what is left of the difference is between processes. `icc`
    is the share of the variance of a generation, over the mean of its task, that is between
    sessions. Only generations that the meter resolves count.
    """
    rows = []
    known = resolved(generations).assign(decoded_tokens=generations.output_tokens - 1)
    known = known[known.total_j.notna()]
    for key, group in known.groupby(["model", "workload", "condition"], sort=False):
        if group["round"].nunique() < 2:
            continue
        about = dict(zip(("model", "workload", "condition"), key, strict=True))
        about |= {"meter": group.meter.iloc[0], "estimate": bool(group.estimate.any())}
        for metric, unit, above, below in METRICS:
            part = pd.DataFrame(
                {
                    "round": group["round"],
                    "task": group.task,
                    "above": group[above],
                    "below": group[below] if below else 1.0,
                }
            ).dropna()
            part = part[part.below > 0]
            if part["round"].nunique() < 2:
                continue
            sums = part.groupby("round")[["above", "below"]].sum()
            sessions = (sums.above / sums.below).to_numpy(float)
            each = part.above / part.below
            alike = each.groupby([part["round"], part.task]).agg(["mean", "std"])
            spread = (alike["std"] / alike["mean"]).dropna()
            mean = rounds.mean(sessions, sums.index.to_numpy(), confidence=confidence)
            varies = rounds.variation(sessions, confidence=confidence)
            relative = each / each.groupby(part.task).transform("mean")
            rows.append(
                {
                    **about,
                    "metric": metric,
                    "unit": unit,
                    "sessions": len(sessions),
                    "mean": mean.value,
                    "mean_low": mean.low,
                    "mean_high": mean.high,
                    "cv": varies.value,
                    "cv_low": varies.low,
                    "cv_high": varies.high,
                    "lowest": sessions.min(),
                    "highest": sessions.max(),
                    "within_cv": spread.mean() if len(spread) else float("nan"),
                    "icc": rounds.intraclass(relative.to_numpy(), part["round"].to_numpy()),
                    "confidence": confidence,
                }
            )
    return table(rows, REPEATABILITY)
