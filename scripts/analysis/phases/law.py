"""How energy grows with length: E = a + b n + c n^2 for the prefill of n tokens, and d + e context
for a decoded token. What an amplification follows from. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import PREFILL, TOKEN
from analysis.quality.flag_tables import with_and_without
from analysis.statistics.laws import Law, polynomial
from analysis.tabular import table

LAW = {
    **dict.fromkeys(("model", "published_model", "phase", "term"), "str"),
    **dict.fromkeys(("value", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "unit"), "str"),
    **dict.fromkeys(("left_out_low", "left_out_high"), "float"),
    **dict.fromkeys(("r2", "lack_of_fit_p", "worst_residual"), "float"),
    "found": "bool",
    "why": "str",
    "flagged": "int",
    "hangs": "str",
    **dict.fromkeys(("points", "lengths", "rounds", "from_tokens", "to_tokens"), "int"),
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
LAW_POINTS = {
    **dict.fromkeys(("model", "phase"), "str"),
    **dict.fromkeys(("prompt_tokens", "output_tokens", "round"), "int"),
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
# Of the medians, as logarithms: what explains less than half of how lengths differ is no law.
LEAST_R2 = 0.5
NO_LAW = "no law found"
Laws = Mapping[tuple[str, str], Law]


def laws_of(probes: pd.DataFrame, *, confidence: float) -> dict[tuple[str, str], Law]:
    """By (model, phase), the law of each sweep that has more lengths than the law has terms."""
    found = {key: _fitted(part, key[1], confidence) for key, part in _swept(probes)}
    return {key: law for key, law in found.items() if law is not None}


def _fitted(part: pd.DataFrame, phase: str, confidence: float) -> Law | None:
    x, y, rounds = (part[name].to_numpy() for name in ("context", "each_j", "round"))
    return polynomial(x, y, rounds, len(PHASES[phase][1]) - 1, confidence=confidence)


def law_tables(
    probes: pd.DataFrame, laws: Laws, *, confidence: float, common: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The terms with their intervals, and the points with their residuals, of every sweep.

    Least squares of relative residuals, since the energies span decades, through the median of
    each round's windows at each length: what goes wrong in a window (a host that stalls, a shape
    that is met for the first time) makes it dearer and never cheaper. Intervals over lengths
    within one round, over both of more (`statistics.laws`). `left_out_low` and `left_out_high` are
    the smallest and largest value of a term when one length is left out. `found` is false, and
    `why` says so, where the law explains too little or its slope may as well be none;
    `hangs` says where that is another without the flagged windows.
    """
    terms, points = [], []
    for (model, phase), part in _swept(probes):
        law = laws.get((model, phase))
        if law is None:
            continue
        facts = {"model": model, "phase": phase}
        part = part.assign(fitted_j=law.at(part.context.to_numpy()))
        measured = part.assign(measured_j=part.each_j, residual=part.each_j / part.fitted_j - 1)
        points += [
            facts | row
            for row in measured[[name for name in LAW_POINTS if name in measured]].to_dict(
                "records"
            )
        ]
        shared = facts | _facts(part, law) | {"confidence": confidence}

        def conclude(some: pd.DataFrame, phase=phase) -> str | None:
            made = _fitted(some, phase, confidence)
            if made is None:
                return None
            return NO_LAW if why_not(made) else "a law"

        both = with_and_without(part, conclude, common)
        shared |= {"flagged": both.flagged, "hangs": both.message}
        for (term, unit), value, left in zip(
            PHASES[phase][1], law.terms, law.left_out, strict=True
        ):
            terms.append(
                shared
                | {"term": term, "unit": unit, "value": value.value, "sampled": value.unit}
                | {"low": value.low, "high": value.high}
                | {"left_out_low": left[0], "left_out_high": left[1]}
            )
    return table(terms, LAW), table(points, LAW_POINTS)


def _swept(probes: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """((model, phase), its windows) of every sweep; `context` is the length that counts."""
    # Larger batches have laws of their own, which the label of a model does not tell apart.
    swept = probes[
        (probes.benchmark == SWEEP) & (probes.status == "ok") & (probes.batch == 1)
    ].dropna(subset=["each_j"])
    # The middle one of the steps: each sees one token more than the one before.
    middle = np.where(swept.what == "decode", swept.output_tokens / 2, 0.0)
    swept = swept.assign(context=swept.prompt_tokens + middle)
    for model, group in swept.groupby("model", sort=False):
        for phase, (what, _) in PHASES.items():
            yield (model, phase), group[group.what == what]


def why_not(law: Law) -> str:
    """Why a polynomial is no law; empty where it is one."""
    if not law.r2 >= LEAST_R2:
        return f"{NO_LAW}: R² {law.r2:.2f}, less than {LEAST_R2}"
    slope, (low, high) = law.terms[1], law.left_out[1]
    if slope.low <= 0 <= slope.high and low <= 0 <= high:
        return f"{NO_LAW}: the slope may be zero, and its sign hangs on one length"
    return ""


def quotable(laws: Laws, model: str, phase: str) -> Law | None:
    """A model's law of a phase; None where no sweep gave one that is found."""
    law = laws.get((model, phase))
    return law if law is not None and not why_not(law) else None


def _facts(part: pd.DataFrame, law: Law) -> Mapping[str, Any]:
    return {
        "published_model": part.published_model.iloc[0],
        "r2": law.r2,
        "lack_of_fit_p": law.lack_of_fit_p,
        "worst_residual": law.worst_residual,
        "found": not why_not(law),
        "why": why_not(law),
        "points": len(part),
        "lengths": law.lengths,
        "rounds": law.rounds,
        "from_tokens": round(part.context.min()),
        "to_tokens": round(part.context.max()),
        "meter": part.meter.iloc[0],
        "estimate": part.estimate.iloc[0],
    }


def coefficients(law: pd.DataFrame, model: str, phase: str) -> np.ndarray | None:
    """A model's terms of a phase, the constant first; None where no sweep gave them."""
    part = law[(law.model == model) & (law.phase == phase)]
    return part["value"].to_numpy() if len(part) else None
