"""Where the energies of a workload's phases come from. Pure functions on tables.

A prefill of 20 ms under a counter that moves every 100 ms is not resolved, however many are pooled:
interpolation gives each the power around it, always with the same neighbours. Then the windows of
repetition say what it took, for the prompts that were probed and by their lengths for the others.
"""

from __future__ import annotations

import numpy as np
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

    `attribution`: as they are. `repetition`, where the meter does not resolve most prefills: the
    prefill by repetition, between the probed prompts linear in their lengths; and as decoding what
    is left of the whole: the paper's (E_total - E_prefill). Where even whole generations are not
    resolved, the decoding too is by repetition, and the whole is their sum. Without probes no
    prefill has an energy, and decoding stays as attributed.

    Args:
        generations: Of one model, workload and condition.
        estimators: See `estimators.estimators_table`; None where nothing was probed.
    """
    if _most(generations.prefill_status):
        return generations, ATTRIBUTION
    prefill_j = _repeated(estimators, generations, PREFILL)
    if prefill_j is None:
        return generations.assign(prefill_j=np.nan), ATTRIBUTION
    covered = generations.total_status != "not covered"
    split = generations.assign(prefill_j=np.where(covered, prefill_j, np.nan))
    token_j = _repeated(estimators, generations, TOKEN)
    if not _most(split.total_status) and token_j is not None:
        decode_j = token_j * (split.output_tokens - 1)
        total_j = split.prefill_j + decode_j + split.check_j
        return split.assign(decode_j=decode_j, total_j=total_j), REPETITION
    decode_j = split.total_j - split.check_j - split.prefill_j
    return split.assign(decode_j=decode_j), REPETITION


def _most(status: pd.Series) -> bool:
    """Whether the meter resolves most windows."""
    return bool((status == "ok").mean() > 0.5)


def _repeated(
    estimators: pd.DataFrame | None, generations: pd.DataFrame, phase: str
) -> np.ndarray | None:
    """Joules by repetition of each generation's phase; None where nothing tells."""
    if estimators is None:
        return None
    first = generations.iloc[0]
    same = (estimators.model == first.model) & (estimators.workload == first.workload)
    found = estimators[same & (estimators.phase == phase) & estimators.resolved]
    known = found[found.estimator == REPETITION].groupby("prompt_tokens")["value"].mean()
    if known.empty:
        return None
    return np.interp(generations.prompt_tokens, known.index, known.to_numpy())
