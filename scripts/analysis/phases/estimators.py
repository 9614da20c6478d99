"""Four estimators of a phase beside each other, and how far they agree. Pure functions on tables.

`repetition`: the same prefill, or the same decoding steps, over and over in one long window.
`attribution`: the phases of whole generations, split on the curve where the first token was known.
`difference`: a whole generation less the other phase by repetition; after the definition of
E_tok,dec = (E_total - E_prefill) / (N_out - 1) of Solovyeva and Castor (arXiv 2602.05712).
`pooling`: what both phases draw, from all generations of a prompt together (`analysis.pooling`).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics import Measured, measured
from analysis.tabular import table

ESTIMATORS = {
    "model": "str",
    "workload": "str",
    "benchmark": "str",
    "batch": "int",
    "task": "str",
    "prompt_tokens": "int",
    "output_tokens": "int",
    "phase": "str",
    "estimator": "str",
    "value": "float",
    "low": "float",
    "high": "float",
    "windows": "int",
    "resolved": "bool",
    "headline": "bool",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
AGREEMENT = {
    "model": "str",
    "workload": "str",
    "task": "str",
    "output_tokens": "int",
    "phase": "str",
    "spread": "float",
    "agrees": "boolean",
    "closure": "float",
    "closure_low": "float",
    "closure_high": "float",
}
PROMPT = ["model", "workload", "benchmark", "batch", "task", "prompt_tokens"]
PREFILL, TOKEN = PHASES = ("prefill", "decoded token")
ATTRIBUTION, REPETITION, DIFFERENCE, POOLING = NAMES = (
    *("attribution", "repetition", "difference"),
    "pooling",
)


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What one estimator says of one phase.

    Attributes:
        energy: In joules, of a prefill or of a decoded token.
        windows: How many it rests on.
        resolved: Whether the meter can tell it.
    """

    energy: Measured
    windows: int
    resolved: bool


@dataclasses.dataclass(frozen=True)
class Probed:
    """The windows of one prompt and one length of the output.

    Attributes:
        facts: `PROMPT`, with output_tokens, meter and estimate.
        estimates: By phase and name.
        closure: A prefill and the decoding steps by repetition, over a whole generation, less 1.
    """

    facts: dict[str, Any]
    estimates: dict[tuple[str, str], Estimate]
    closure: Measured


def probed(probes: pd.DataFrame, confidence: float) -> Iterator[Probed]:
    """Every probed prompt with every length of its outputs.

    Args:
        probes: See `probes.probes_table`; of one session or of all.
        confidence: Below which a difference is not told from nothing.
    """
    for key, group in probes.groupby(PROMPT, sort=False):
        prefills = group[group.what == "prefill"]
        others = group[group.what != "prefill"]
        lengths = list(others.groupby("output_tokens", sort=False)) or [(1, others)]
        for output_tokens, part in lengths:
            facts = dict(zip(PROMPT, key, strict=True)) | {"output_tokens": output_tokens}
            facts |= {name: group[name].iloc[0] for name in ("meter", "estimate")}
            yield _probed(facts, prefills, part, confidence)


def _probed(
    facts: dict[str, Any], prefills: pd.DataFrame, part: pd.DataFrame, confidence: float
) -> Probed:
    decodes, wholes = (part[part.what == what] for what in ("decode", "generation"))
    steps = max(1, facts["output_tokens"] - 1)
    prefill, token, whole = map(_repeated, (prefills, decodes, wholes))
    parts = prefill.energy + token.energy.times(steps)
    rest = whole.energy - token.energy.times(steps)
    decoding = (whole.energy - prefill.energy).times(1 / steps)
    estimates = {
        (PREFILL, ATTRIBUTION): _attributed(wholes, "prefill"),
        (PREFILL, REPETITION): prefill,
        (PREFILL, DIFFERENCE): _difference(rest, whole, token, confidence),
        (PREFILL, POOLING): _pooled(wholes, "prefill", confidence),
        (TOKEN, ATTRIBUTION): _attributed(wholes, "token"),
        (TOKEN, REPETITION): token,
        (TOKEN, DIFFERENCE): _difference(decoding, whole, prefill, confidence),
        (TOKEN, POOLING): _pooled(wholes, "token", confidence),
    }
    closure = parts.over(whole.energy) if whole.windows else Measured(np.nan)
    closure = dataclasses.replace(closure, value=closure.value - 1)
    return Probed(facts, estimates, closure)


def _repeated(windows: pd.DataFrame) -> Estimate:
    known = windows[windows.status == "ok"]
    return Estimate(
        measured(known.each_j.to_numpy(), known.each_u_j.to_numpy()), len(known), len(known) > 0
    )


def _attributed(windows: pd.DataFrame, phase: str) -> Estimate:
    """Where no window resolves the phase, what interpolation makes of it: not resolved."""
    status = windows[f"attributed_{phase}_status"]
    resolved = bool((status == "ok").any())
    known = windows[status == ("ok" if resolved else "unresolved")]
    values, uncertainties = (known[f"attributed_{phase}_{name}"] for name in ("j", "u_j"))
    return Estimate(measured(values.to_numpy(), uncertainties.to_numpy()), len(known), resolved)


def _pooled(windows: pd.DataFrame, phase: str, confidence: float) -> Estimate:
    """Over sessions; resolved where it is more than its own uncertainty."""
    known = windows.dropna(subset=[f"pooled_{phase}_j"])
    values = [
        Measured(value, ((uncertainty**2, np.inf),))
        for value, uncertainty in zip(
            known[f"pooled_{phase}_j"], known[f"pooled_{phase}_u_j"], strict=True
        )
    ]
    if not values:
        return Estimate(Measured(np.nan), 0, False)
    mean = functools.reduce(operator.add, values).times(1 / len(values))
    low, _ = mean.interval(confidence)
    return Estimate(mean, len(windows), bool(low > 0))


def _difference(energy: Measured, whole: Estimate, less: Estimate, confidence: float) -> Estimate:
    """Resolved where it is more than its own uncertainty: a small phase is lost in the noise of
    the whole."""
    low, _ = energy.interval(confidence)
    return Estimate(
        energy, min(whole.windows, less.windows), bool(whole.resolved and less.resolved and low > 0)
    )


def estimators_table(prompts: Iterable[Probed], confidence: float) -> pd.DataFrame:
    """One row a probed prompt, length of the output, phase and estimator: joules of a prefill or of
    a decoded token, of one sequence of the batch.

    Intervals are Student's over the windows with the meter's standard uncertainty in quadrature
    (`statistics.Measured`). `headline` is the one that the summary takes: attribution where it is
    resolved, else repetition.
    """
    rows = []
    for one in prompts:
        for phase in PHASES:
            resolved = one.estimates[phase, ATTRIBUTION].resolved
            headline = ATTRIBUTION if resolved else REPETITION
            for name in NAMES:
                found = one.estimates[phase, name]
                low, high = found.energy.interval(confidence)
                rows.append(
                    {
                        **one.facts,
                        "phase": phase,
                        "estimator": name,
                        "value": found.energy.value,
                        "low": low,
                        "high": high,
                        "windows": found.windows,
                        "resolved": found.resolved,
                        "headline": name == headline,
                        "confidence": confidence,
                    }
                )
    return table(rows, ESTIMATORS)


def agreement_table(prompts: Iterable[Probed], confidence: float) -> pd.DataFrame:
    """How far the estimators of a probed prompt differ: one row a length of the output and phase.

    `spread`: the largest over the smallest of those that are resolved, less 1. `agrees`: whether
    the intervals of repetition and attribution overlap; missing where one of the two is not
    resolved or has no interval. `closure`: a prefill and the decoding steps by repetition over a
    whole generation, less 1, the same for both phases.
    """
    rows = []
    for one in prompts:
        low, high = one.closure.interval(confidence)
        for phase in PHASES:
            values = [e.energy.value for n in NAMES if (e := one.estimates[phase, n]).resolved]
            pair = [one.estimates[phase, name] for name in (REPETITION, ATTRIBUTION)]
            rows.append(
                {
                    **one.facts,
                    "phase": phase,
                    "spread": max(values) / min(values) - 1 if len(values) > 1 else np.nan,
                    "agrees": _overlap(*pair, confidence),
                    "closure": one.closure.value,
                    "closure_low": low,
                    "closure_high": high,
                }
            )
    return table(rows, AGREEMENT)


def _overlap(first: Estimate, second: Estimate, confidence: float) -> bool | None:
    if not (first.resolved and second.resolved):
        return None
    (low, high), (other_low, other_high) = (
        each.energy.interval(confidence) for each in (first, second)
    )
    if np.isnan(low) or np.isnan(other_low):
        return None
    return bool(low <= other_high and other_low <= high)
