"""Where the energies of a workload's phases come from. Pure functions on tables.

A prefill of 20 ms under a counter that moves every 100 ms is not resolved, however many are pooled:
interpolation gives each the power around it, always with the same neighbours. Then the windows of
repetition say what it took, for the prompts that were probed.
"""

from __future__ import annotations

import pandas as pd

from analysis.phases.estimators import (
    ATTRIBUTION,
    PREFILL,
    REPETITION,
    TOKEN,
)


def phases_of(
    generations: pd.DataFrame, estimators: pd.DataFrame | None
) -> tuple[pd.DataFrame, str]:
    """Generations with the energies of their phases, and the name of the estimator.

    `attribution`: as they are. `repetition`, where the meter does not resolve most prefills: of
    the probed tasks, the prefill by repetition, and as decoding what is left of the whole: the
    paper's (E_total - E_prefill). Where even whole generations are not resolved, the decoding too
    is by repetition, and the whole is their sum. Without probes no prefill has an energy, and
    decoding stays as attributed.

    Args:
        generations: Of one model, workload and condition.
        estimators: See `estimators.estimators_table`; None where nothing was probed.
    """
    if _most(generations.prefill_status):
        return generations, ATTRIBUTION
    first = generations.iloc[0]
    prefill, token = (_repeated(estimators, first, phase) for phase in (PREFILL, TOKEN))
    if prefill.empty:
        return generations.assign(prefill_j=float("nan")), ATTRIBUTION
    tasks = generations.task
    split = generations.assign(prefill_j=tasks.map(prefill).astype(float))
    if not _most(split.total_status):
        decode_j = tasks.map(token).astype(float) * (split.output_tokens - 1)
        total_j = split.prefill_j + decode_j + split.check_j
        return split.assign(decode_j=decode_j, total_j=total_j), REPETITION
    decode_j = split.total_j - split.check_j - split.prefill_j
    return split.assign(decode_j=decode_j), REPETITION


def _most(status: pd.Series) -> bool:
    """Whether the meter resolves most windows."""
    return bool((status == "ok").mean() > 0.5)


def _repeated(estimators: pd.DataFrame | None, of: pd.Series, phase: str) -> pd.Series:
    """Joules by repetition, by task."""
    if estimators is None:
        return pd.Series(dtype=float)
    same = (estimators.model == of.model) & (estimators.workload == of.workload)
    found = estimators[same & (estimators.phase == phase) & estimators.resolved]
    return found[found.estimator == REPETITION].groupby("task")["value"].mean()
