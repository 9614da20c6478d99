"""The tables of arXiv 2602.05712 beside ours: ratios only, never joules against joules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.polynomial.polynomial import polyval

from analysis.phases.estimators import PREFILL, TOKEN
from analysis.phases.law import coefficients
from analysis.tabular import table

FILE = Path(__file__).parents[3] / "config" / "published" / "phases.csv"
PUBLISHED = {
    **dict.fromkeys(("model", "workload", "published_model"), "str"),
    **dict.fromkeys(("published_workload", "quantity"), "str"),
    **dict.fromkeys(("ours", "low", "high", "theirs", "ratio"), "float"),
}
REFERENCE = "humaneval-0shot"
OVER = "decoded token over 0-shot"
BY_LAW = ", by the law"
# Of the same shape, and not the same: the column says whose workload it is set beside.
BESIDE = {"longcode": "longbench-cu", "longcode-long": "longbench-cu-long"}


def read_paper(path: Path = FILE) -> pd.DataFrame:
    """The paper's means per inference, by model and workload."""
    return pd.read_csv(path, comment="#").set_index(["model", "workload"])


def paper_amplification(
    paper: pd.DataFrame, model: str | None, benchmark: str, reference: str
) -> float:
    """Its amplification of a workload over HumanEval without examples; NaN where it has none."""
    key, base = (model, BESIDE.get(benchmark, benchmark)), (model, REFERENCE)
    if not reference.startswith(REFERENCE) or key not in paper.index or base not in paper.index:
        return np.nan
    return float(paper.decoded_token_j[key] / paper.decoded_token_j[base] - 1)


def published_table(
    generations: pd.DataFrame,
    summary: pd.DataFrame,
    amplification: pd.DataFrame,
    law: pd.DataFrame,
    paper: pd.DataFrame,
) -> pd.DataFrame:
    """Our ratios beside the paper's, of the models and workloads that both have; and what the laws
    of a sweep make of the paper's lengths of prompt and output, where they were swept.

    A whole generation is only compared where the model ended its outputs itself: not under seeded
    weights.
    """
    rows = []
    baseline = generations[generations.condition == "baseline"]
    for (model, workload), group in baseline.groupby(["model", "workload"], sort=False):
        own = group.iloc[0]
        theirs = BESIDE.get(own.benchmark, own.benchmark)
        if (own.published_model, theirs) not in paper.index or own.batch > 1:
            continue
        facts = {
            "model": model,
            "workload": workload,
            "published_model": own.published_model,
            "published_workload": theirs,
        }
        compared = _compared(facts, own.seeded, summary, amplification, paper)
        rows += [{**facts, **row} for row in compared]
    rows += [row for model in law.model.unique() for row in _by_law(law, model, paper)]
    found = table(rows, PUBLISHED)
    return found.assign(ratio=found.ours / found.theirs)


def _by_law(law: pd.DataFrame, model: str, paper: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One row a quantity and workload of the paper; without intervals."""
    prefill, token = (coefficients(law, model, phase) for phase in (PREFILL, TOKEN))
    own = law[law.model == model]
    theirs = paper[paper.index.get_level_values("model") == own.published_model.iloc[0]]
    if prefill is None or token is None or theirs.empty:
        return
    tokens, outputs = theirs.input_tokens.to_numpy(), theirs.output_tokens.to_numpy()
    prefill_j = polyval(tokens, prefill)
    token_j = polyval(tokens + outputs / 2, token)
    share = prefill_j / (prefill_j + (outputs - 1) * token_j)
    workloads = list(theirs.index.get_level_values("workload"))
    first = workloads.index(REFERENCE)
    swept = own.from_tokens.max() <= tokens.min() and tokens.max() <= own.to_tokens.min()
    for at, workload in enumerate(workloads if swept else ()):
        facts = {
            "model": model,
            "workload": workload + BY_LAW,
            "published_model": own.published_model.iloc[0],
            "published_workload": workload,
            "low": np.nan,
            "high": np.nan,
        }
        over = token_j[at] / token_j[first], theirs.decoded_token_j.iloc[at]
        for quantity, ours, published in (
            ("prefill share", share[at], theirs.prefill_share.iloc[at]),
            (OVER, over[0], over[1] / theirs.decoded_token_j.iloc[first]),
        ):
            if quantity != OVER or at != first:
                yield {**facts, "quantity": quantity, "ours": ours, "theirs": published}


def _compared(
    facts: dict[str, str],
    seeded: bool,
    summary: pd.DataFrame,
    amplification: pd.DataFrame,
    paper: pd.DataFrame,
) -> Iterator[dict[str, Any]]:
    def of(metric: str, workload: str) -> pd.Series | None:
        part = summary[(summary.model == facts["model"]) & (summary.workload == workload)]
        part = part[(part.condition == "baseline") & (part.metric == metric)].dropna(
            subset=["value"]
        )
        return part.iloc[0] if len(part) else None

    key = facts["published_model"], facts["published_workload"]
    base = facts["published_model"], REFERENCE
    if (share := of("prefill share", facts["workload"])) is not None:
        yield {
            "quantity": "prefill share",
            "ours": share.value,
            "low": share.low,
            "high": share.high,
            "theirs": paper.prefill_share[key],
        }
    known = amplification[
        (amplification.model == facts["model"]) & (amplification.workload == facts["workload"])
    ]
    if len(known) and known.reference.iloc[0] == REFERENCE:
        row = known.iloc[0]
        yield {
            "quantity": OVER,
            "ours": 1 + row.value,
            "low": 1 + row.low,
            "high": 1 + row.high,
            "theirs": paper.decoded_token_j[key] / paper.decoded_token_j[base],
        }
    whole, first = (of("energy per generation", w) for w in (facts["workload"], REFERENCE))
    if not seeded and facts["workload"] != REFERENCE and whole is not None and first is not None:
        yield {
            "quantity": "generation over 0-shot",
            "ours": whole.value / first.value,
            "low": np.nan,
            "high": np.nan,
            "theirs": paper.total_j[key] / paper.total_j[base],
        }
