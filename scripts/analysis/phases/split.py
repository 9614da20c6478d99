"""Where the energies of a workload's phases come from. Pure functions on tables.

A prefill of 20 ms under a counter that moves every 100 ms is not resolved, however many are pooled:
interpolation gives each the power around it, always with the same neighbours. Then the windows of
repetition say what it took, for the prompts that were probed and by their lengths for the others.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd

from analysis.phases.estimators import ATTRIBUTION, REPETITION
from analysis.statistics.estimate import of_rounds

# Of each energy of a generation, the column that says whether the meter resolves it.
STATUS = {
    **dict.fromkeys(("total_j", "above_idle_j", "check_j", "babble_j"), "total_status"),
    "prefill_j": "prefill_status",
    "decode_j": "decode_status",
}


@dataclasses.dataclass(frozen=True)
class Split:
    """The generations of a workload with the energies of their phases.

    Attributes:
        generations: With `prefill_common_u_j`, what all prefills of a round share of their
            uncertainty: that of the probes. NaN where it cannot be told.
        estimator: `attribution` or `repetition`.
        probed: How many prompts of different length a prefill by repetition rests on; 0 where it is
            attributed.
    """

    generations: pd.DataFrame
    estimator: str
    probed: int = 0


def resolved(generations: pd.DataFrame) -> pd.DataFrame:
    """Without the energies that the meter does not resolve: they are in no mean and in no test."""
    return generations.assign(
        **{
            energy: generations[energy].where(generations[s] == "ok")
            for energy, s in STATUS.items()
        }
    )


def phases_of(generations: pd.DataFrame, probes: pd.DataFrame | None) -> Split:
    """Generations with the energies of their phases, and the name of the estimator.

    `attribution`: as they are. `repetition`, where the meter does not resolve most prefills: the
    prefill by repetition in the same round, between the probed prompts linear in their lengths; and
    as decoding what is left of the whole: the paper's (E_total - E_prefill). Where even whole
    generations are not resolved, the decoding too is by repetition, and the whole is their sum. A
    round without probes has no prefill; without any, decoding stays as attributed.

    Args:
        generations: Of one model, workload and condition; `resolved`.
        probes: See `probes.probes_table`; None where nothing was probed.
    """
    if _most(generations.prefill_status):
        return Split(generations.assign(prefill_common_u_j=0.0), ATTRIBUTION)
    prefill = _repeated(probes, generations, "prefill")
    if prefill is None:
        nothing = dict.fromkeys(("prefill_j", "prefill_u_j", "prefill_common_u_j"), np.nan)
        return Split(generations.assign(**nothing), ATTRIBUTION)
    covered = generations.total_status != "not covered"
    split = generations.assign(
        prefill_j=np.where(covered, prefill.joules, np.nan),
        prefill_u_j=0.0,
        prefill_common_u_j=prefill.u_j,
    )
    if not _most(split.total_status):
        token = _repeated(probes, generations, "decode")
        if token is not None:
            decode_j = token.joules * (split.output_tokens - 1)
            total_j = split.prefill_j + decode_j + split.check_j.fillna(0.0)
            split = split.assign(
                decode_j=decode_j,
                decode_u_j=token.u_j * (split.output_tokens - 1),
                total_j=total_j.where(covered),
            )
            return Split(split, REPETITION, prefill.prompts)
    decode_j = split.total_j - split.check_j - split.prefill_j
    split = split.assign(decode_j=decode_j, decode_u_j=np.hypot(split.total_u_j, prefill.u_j))
    return Split(split, REPETITION, prefill.prompts)


def _most(status: pd.Series) -> bool:
    """Whether the meter resolves most windows."""
    return bool((status == "ok").mean() > 0.5)


@dataclasses.dataclass(frozen=True)
class _Repeated:
    """Of each generation the joules by repetition and their standard uncertainty; and of how many
    lengths."""

    joules: np.ndarray
    u_j: np.ndarray
    prompts: int


def _repeated(
    probes: pd.DataFrame | None, generations: pd.DataFrame, what: str
) -> _Repeated | None:
    """Of each generation by the probes of its own round; None where nothing tells."""
    if probes is None or probes.empty:
        return None
    first = generations.iloc[0]
    same = (probes.model == first.model) & (probes.workload == first.workload)
    known = probes[same & (probes.what == what) & (probes.status == "ok")].dropna(subset=["each_j"])
    if known.empty:
        return None
    joules, u_j = (np.full(len(generations), np.nan) for _ in range(2))
    for number, part in known.groupby("round"):
        mine = (generations["round"] == number).to_numpy()
        lengths = [(n, *_probe(group)) for n, group in part.groupby("prompt_tokens")]
        at, values, uncertainties = (np.array(each, float) for each in zip(*lengths, strict=True))
        wanted = generations.prompt_tokens.to_numpy(float)[mine]
        joules[mine] = np.interp(wanted, at, values)
        u_j[mine] = np.interp(wanted, at, uncertainties)
    return _Repeated(joules, u_j, known.prompt_tokens.nunique())


def _probe(windows: pd.DataFrame) -> tuple[float, float]:
    """(mean, standard uncertainty) of the windows of one length in one round: of a single one only
    the reading is known, and not what another would differ by."""
    values, u = windows.each_j.to_numpy(float), windows.each_u_j.to_numpy(float)
    if len(values) < 2:
        return float(values[0]), math.nan
    made = of_rounds(values, u)
    return float(values.mean()), max(math.sqrt(made.variance), made.least_u)
