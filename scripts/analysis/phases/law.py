"""How energy grows with length: E = a + b n + c n^2 for the prefill of n tokens, and d + e context
for a decoded token. What an amplification follows from. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import PREFILL, TOKEN
from analysis.statistics import bounds, relative_polynomial
from analysis.tabular import table

LAW = {
    **dict.fromkeys(("model", "published_model", "phase", "term"), "str"),
    **dict.fromkeys(("value", "low", "high"), "float"),
    "unit": "str",
    **dict.fromkeys(("r2", "worst_residual"), "float"),
    **dict.fromkeys(("points", "from_tokens", "to_tokens"), "int"),
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
LAW_POINTS = {
    **dict.fromkeys(("model", "phase"), "str"),
    **dict.fromkeys(("prompt_tokens", "output_tokens"), "int"),
    "context": "float",
    "repetition": "int",
    **dict.fromkeys(("measured_j", "fitted_j", "residual"), "float"),
}
SWEEP = "sweep"
# Of each phase: the probes that tell it, and the terms in the order of their powers.
PHASES = {
    PREFILL: ("prefill", (("a", "J"), ("b", "J/token"), ("c", "J/token^2"))),
    TOKEN: ("decode", (("d", "J/token"), ("e", "J/token per token of context"))),
}


def law_tables(
    probes: pd.DataFrame, *, confidence: float, resamples: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The terms with their intervals, and the points with their residuals, of every sweep.

    Least squares of relative residuals, since the energies span decades, through the median of
    each length's windows: what goes wrong in a window (a host that stalls, a shape that is met for
    the first time) makes it dearer and never cheaper. Intervals by a bootstrap over the windows of
    each length. A law is only fitted to more lengths than it has terms. `r2` is that of the
    logarithms of the medians.
    """
    # Larger batches have laws of their own, which the label of a model does not tell apart.
    swept = probes[
        (probes.benchmark == SWEEP) & (probes.status == "ok") & (probes.batch == 1)
    ].dropna(subset=["each_j"])
    # The middle one of the steps: each sees one token more than the one before.
    middle = np.where(swept.what == "decode", swept.output_tokens / 2, 0.0)
    swept = swept.assign(context=swept.prompt_tokens + middle)
    terms, points = [], []
    for model, group in swept.groupby("model", sort=False):
        for phase, (what, named) in PHASES.items():
            part = group[group.what == what]
            if part.context.nunique() <= len(named):
                continue
            facts = {"model": model, "phase": phase}
            medians = part.groupby("context").each_j.median()
            values = relative_polynomial(
                medians.index.to_numpy(), medians.to_numpy(), len(named) - 1
            )
            part = part.assign(fitted_j=np.polynomial.polynomial.polyval(part.context, values))
            points += [{**facts, **row} for row in _points(part)]
            spans = _spans(part, len(named) - 1, confidence, resamples, seed)
            for (term, unit), value, span in zip(named, values, spans, strict=True):
                told = {"term": term, "unit": unit, "value": value} | span
                terms.append({**facts, **told, **_facts(part), "confidence": confidence})
    return table(terms, LAW), table(points, LAW_POINTS)


def _spans(
    part: pd.DataFrame, degree: int, confidence: float, resamples: int, seed: int
) -> list[dict[str, float]]:
    """The interval of each coefficient."""
    randoms = np.random.default_rng(seed)
    groups = [(x, group.to_numpy()) for x, group in part.groupby("context").each_j]
    drawn = np.stack(
        [np.median(randoms.choice(own, (resamples, len(own))), axis=1) for _, own in groups], axis=1
    )
    lengths = np.array([x for x, _ in groups])
    found = [bounds(each, confidence) for each in relative_polynomial(lengths, drawn, degree).T]
    if min(len(own) for _, own in groups) < 2:
        # A length that was measured once says nothing of its scatter.
        found = [(np.nan, np.nan)] * len(found)
    return [{"low": low, "high": high} for low, high in found]


def _facts(part: pd.DataFrame) -> Mapping[str, Any]:
    lengths = part.groupby("context")[["each_j", "fitted_j"]].median()
    off = np.log(lengths.each_j / lengths.fitted_j.where(lengths.fitted_j > 0))
    around = np.log(lengths.each_j) - np.log(lengths.each_j).mean()
    return {
        "published_model": part.published_model.iloc[0],
        "r2": 1 - (off**2).sum(skipna=False) / (around**2).sum(),
        "worst_residual": (lengths.each_j / lengths.fitted_j - 1).abs().max(),
        "points": len(part),
        "from_tokens": round(part.context.min()),
        "to_tokens": round(part.context.max()),
        "meter": part.meter.iloc[0],
        "estimate": part.estimate.iloc[0],
    }


def _points(part: pd.DataFrame) -> list[dict[str, Any]]:
    told = part.assign(measured_j=part.each_j, residual=part.each_j / part.fitted_j - 1)
    return told[[name for name in LAW_POINTS if name in told]].to_dict("records")


def coefficients(law: pd.DataFrame, model: str, phase: str) -> np.ndarray | None:
    """A model's terms of a phase, the constant first; None where no sweep gave them."""
    part = law[(law.model == model) & (law.phase == phase)]
    return part["value"].to_numpy() if len(part) else None
