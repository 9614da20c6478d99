"""The amplification: how much more a decoded token costs in one workload than in another.

After Solovyeva and Castor (arXiv 2602.05712): the mean E_tok,dec of a workload over that of
HumanEval without examples, less 1. Pure functions on tables.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.phases.estimators import TOKEN
from analysis.phases.law import Laws, quotable
from analysis.phases.published import REFERENCE, paper_amplification
from analysis.phases.split import phases_of, resolved
from analysis.phases.summary import cells_of
from analysis.quality.flag_tables import with_and_without
from analysis.statistics import prompts, ranks
from analysis.tabular import table

AMPLIFICATION = {
    **dict.fromkeys(("model", "workload", "reference"), "str"),
    **dict.fromkeys(("value", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks"), "int"),
    **dict.fromkeys(("p", "p_holm"), "float"),
    **dict.fromkeys(("family", "verdict"), "str"),
    "flagged": "int",
    "hangs": "str",
    **dict.fromkeys(("tokens_j", "reference_tokens_j"), "float"),
    **dict.fromkeys(("context", "reference_context"), "float"),
    **dict.fromkeys(("predicted", "predicted_low", "predicted_high", "published"), "float"),
    "estimator": "str",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
FAMILY = "does a decoded token cost more than in the reference"


@dataclasses.dataclass(frozen=True)
class _Workload:
    """The decoded tokens of one workload of a model: rows with `decode_j`, `decoded` and `context`,
    and the estimator that they are from."""

    rows: pd.DataFrame
    estimator: str

    @property
    def cells(self) -> prompts.Cells:
        return cells_of(self.rows, "decode_j", "decoded")

    @property
    def context(self) -> float:
        return float(self.rows.groupby("task").context.mean().mean())


def amplification_table(
    generations: pd.DataFrame,
    probes: pd.DataFrame,
    laws: Laws,
    paper: pd.DataFrame,
    *,
    confidence: float,
    common: Collection[str] = (),
) -> pd.DataFrame:
    """One row a model and workload beside its reference: HumanEval without examples at the same
    batch and decoding, else the model's first workload.

    The two workloads are measured in sessions of their own, which rounds pair: one round gives a
    value and no interval. `tokens_j` is the summary's energy per decoded token, by the same
    estimator; `context` the mean number of tokens before a decoded one; `predicted` what the law of
    a sweep of the same model makes of the two contexts, with the interval of that ratio over the
    lengths of the sweep (NaN where there is no law). `p` is that the two cost the same, adjusted
    over the `family`.
    """
    baseline = resolved(generations[generations.condition == "baseline"])
    rows = []
    for model, group in baseline.groupby("model", sort=False):
        parts = dict(list(group.groupby("workload", sort=False)))
        known = {workload: _decoded(part, probes) for workload, part in parts.items()}
        for workload, part in parts.items():
            reference = _reference(workload, part.benchmark.iloc[0], list(parts))
            above, below = known[workload], known[reference]
            if reference == workload or above.rows.empty or below.rows.empty:
                continue
            found = prompts.over(above.cells, below.cells, confidence=confidence)
            law = quotable(laws, model, TOKEN)
            predicted = law and law.ratio(above.context, below.context, confidence=confidence)
            rows.append(
                {
                    "model": model,
                    "workload": workload,
                    "reference": reference,
                    "value": found.value - 1,
                    "low": found.low - 1,
                    "high": found.high - 1,
                    "sampled": found.unit,
                    "why": found.why,
                    "rounds": found.rounds,
                    "tasks": found.prompts,
                    "p": found.p,
                    "tokens_j": above.cells.value,
                    "reference_tokens_j": below.cells.value,
                    "context": above.context,
                    "reference_context": below.context,
                    "predicted": predicted.value - 1 if predicted else np.nan,
                    "predicted_low": predicted.low - 1 if predicted else np.nan,
                    "predicted_high": predicted.high - 1 if predicted else np.nan,
                    "published": paper_amplification(
                        paper, part.published_model.iloc[0], part.benchmark.iloc[0], reference
                    ),
                    "estimator": above.estimator,
                    "meter": part.meter.iloc[0],
                    "estimate": part.estimate.iloc[0],
                    "confidence": confidence,
                    "sides": (above, below),
                }
            )
    return _with_verdicts(rows, confidence, common)


def _with_verdicts(rows: list[dict], confidence: float, common: Collection[str]) -> pd.DataFrame:
    """With adjusted p, verdicts, and whether those hang on flagged generations."""
    adjusted = ranks.holm([row["p"] for row in rows])
    count = int((~np.isnan(adjusted)).sum())
    for row, p in zip(rows, adjusted, strict=True):
        above, below = row.pop("sides")
        factor = p / row["p"] if row["p"] > 0 else 1.0
        together = pd.concat([above.rows.assign(of=0), below.rows.assign(of=1)], ignore_index=True)

        def conclude(some: pd.DataFrame, factor=factor) -> str | None:
            sides = [cells_of(some[some.of == of], "decode_j", "decoded") for of in (0, 1)]
            found = prompts.over(*sides, confidence=confidence)
            if math.isnan(found.p):
                return None
            if found.p * factor >= 1 - confidence:
                return "not told apart"
            return "more" if found.value > 1 else "less"

        both = with_and_without(together, conclude, common)
        row |= {"p_holm": p, "family": f"{FAMILY}: {count} tests" if count else ""}
        row |= {"verdict": both.all or "not tested", "flagged": both.flagged, "hangs": both.message}
    return table(rows, AMPLIFICATION)


def _reference(workload: str, benchmark: str, there: list[str]) -> str:
    wanted = workload.replace(benchmark, REFERENCE, 1)
    return wanted if wanted in there else there[0]


def _decoded(part: pd.DataFrame, probes: pd.DataFrame) -> _Workload:
    part = part[part.output_tokens > 1]
    if part.empty:
        return _Workload(part, "")
    split = phases_of(part, probes)
    rows = split.generations.dropna(subset=["decode_j"])
    rows = rows.assign(
        decoded=rows.output_tokens - 1, context=rows.prompt_tokens + rows.output_tokens / 2
    )
    return _Workload(rows, split.estimator)
