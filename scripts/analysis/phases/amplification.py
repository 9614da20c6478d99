"""The amplification: how much more a decoded token costs in one workload than in another.

After Solovyeva and Castor (arXiv 2602.05712): the mean E_tok,dec of a workload over that of
HumanEval without examples, less 1. Pure functions on tables.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.polynomial.polynomial import polyval

from analysis.phases.estimators import TOKEN
from analysis.phases.law import coefficients
from analysis.phases.published import REFERENCE, paper_amplification
from analysis.phases.split import phases_of
from analysis.statistics import bounds
from analysis.tabular import table

AMPLIFICATION = {
    **dict.fromkeys(("model", "workload", "reference"), "str"),
    **dict.fromkeys(("value", "low", "high", "tokens_j", "reference_tokens_j"), "float"),
    **dict.fromkeys(("context", "reference_context", "predicted", "published"), "float"),
    "estimator": "str",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}


def amplification_table(
    generations: pd.DataFrame,
    estimators: pd.DataFrame,
    law: pd.DataFrame,
    paper: pd.DataFrame,
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """One row a model and workload beside its reference: HumanEval without examples at the same
    batch and decoding, else the model's first workload.

    `tokens_j` is the summary's energy per decoded token, by the same estimator; `context` the mean
    number of tokens before a decoded one; `predicted` what the law of a sweep of the same model
    makes of the two contexts (NaN without one). Tasks are resampled, those of the two workloads
    apart.
    """
    baseline = generations[generations.condition == "baseline"]
    rows = []
    for model, group in baseline.groupby("model", sort=False):
        parts = dict(list(group.groupby("workload", sort=False)))
        known = {workload: _tasks(part, estimators) for workload, part in parts.items()}
        for workload, part in parts.items():
            reference = _reference(workload, part.benchmark.iloc[0], list(parts))
            (above, estimator), (below, _) = known[workload], known[reference]
            if reference == workload or above.empty or below.empty:
                continue
            drawn = _resampled(above, resamples, seed) / _resampled(below, resamples, seed + 1)
            low, high = bounds(drawn - 1, confidence)
            if min(len(above), len(below)) < 2:
                low = high = np.nan
            contexts = above.context.mean(), below.context.mean()
            rows.append(
                {
                    "model": model,
                    "workload": workload,
                    "reference": reference,
                    "value": _ratio(above) / _ratio(below) - 1,
                    "low": low,
                    "high": high,
                    "tokens_j": _ratio(above),
                    "reference_tokens_j": _ratio(below),
                    "context": contexts[0],
                    "reference_context": contexts[1],
                    "predicted": _predicted(law, model, *contexts),
                    "published": paper_amplification(
                        paper, part.published_model.iloc[0], part.benchmark.iloc[0], reference
                    ),
                    "estimator": estimator,
                    "meter": part.meter.iloc[0],
                    "estimate": part.estimate.iloc[0],
                    "confidence": confidence,
                }
            )
    return table(rows, AMPLIFICATION)


def _reference(workload: str, benchmark: str, there: list[str]) -> str:
    wanted = workload.replace(benchmark, REFERENCE, 1)
    return wanted if wanted in there else there[0]


def _tasks(part: pd.DataFrame, estimators: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Joules and number of decoded tokens, and the mean context, of each task; the estimator."""
    part = part[part.output_tokens > 1]
    split, estimator = phases_of(part, estimators) if len(part) else (part, "")
    known = split.dropna(subset=["decode_j"])
    tasks = known.assign(
        joules=known.decode_j,
        tokens=known.output_tokens - 1,
        context=known.prompt_tokens + known.output_tokens / 2,
    ).groupby("task")
    return tasks[["joules", "tokens", "context"]].mean(), estimator


def _predicted(law: pd.DataFrame, model: str, context: float, reference: float) -> float:
    terms = coefficients(law, model, TOKEN)
    if terms is None:
        return np.nan
    return polyval(context, terms) / polyval(reference, terms) - 1


def _ratio(tasks: pd.DataFrame) -> float:
    return float(tasks.joules.sum() / tasks.tokens.sum())


def _resampled(tasks: pd.DataFrame, resamples: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(0, len(tasks), (resamples, len(tasks)))
    joules, tokens = tasks.joules.to_numpy(float), tasks.tokens.to_numpy(float)
    return joules[drawn].sum(axis=1) / tokens[drawn].sum(axis=1)
