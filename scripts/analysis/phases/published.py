"""The tables of arXiv 2602.05712 beside ours: ratios only, never joules against joules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import PREFILL, TOKEN
from analysis.phases.law import Laws, quotable
from analysis.statistics.laws import share
from analysis.tabular import table

FILE = Path(__file__).parents[3] / "config" / "published" / "phases.csv"
PUBLISHED = {
    **dict.fromkeys(("model", "workload", "published_model"), "str"),
    **dict.fromkeys(("published_workload", "quantity"), "str"),
    **dict.fromkeys(("ours", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks"), "int"),
    **dict.fromkeys(("theirs", "ratio"), "float"),
}
LENGTHS = "lengths within one round"
RESTS = ["low", "high", "sampled", "why", "rounds", "tasks"]
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
    laws: Laws,
    paper: pd.DataFrame,
    *,
    confidence: float,
) -> pd.DataFrame:
    """Our ratios beside the paper's, of the models and workloads that both have; and what the laws
    of a sweep make of the paper's lengths of prompt and output, where they were swept and a law was
    found.

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
    rows += [
        row for model in law.model.unique() for row in _by_law(law, laws, model, paper, confidence)
    ]
    found = table(rows, PUBLISHED)
    return found.assign(ratio=found.ours / found.theirs)


def _by_law(
    law: pd.DataFrame, laws: Laws, model: str, paper: pd.DataFrame, confidence: float
) -> Iterator[dict[str, Any]]:
    """One row a quantity and workload of the paper; intervals over the lengths of the sweep."""
    prefill, token = (quotable(laws, model, phase) for phase in (PREFILL, TOKEN))
    own = law[law.model == model]
    theirs = paper[paper.index.get_level_values("model") == own.published_model.iloc[0]]
    if token is None or theirs.empty:
        return
    tokens, outputs = theirs.input_tokens.to_numpy(), theirs.output_tokens.to_numpy()
    contexts = tokens + outputs / 2
    workloads = list(theirs.index.get_level_values("workload"))
    first = workloads.index(REFERENCE)
    swept = own.from_tokens.max() <= tokens.min() and tokens.max() <= own.to_tokens.min()
    for at, workload in enumerate(workloads if swept else ()):
        facts = {
            "model": model,
            "workload": workload + BY_LAW,
            "published_model": own.published_model.iloc[0],
            "published_workload": workload,
        }
        quantities = []
        if prefill is not None:
            found = share(
                prefill, tokens[at], token, contexts[at], outputs[at] - 1, confidence=confidence
            )
            quantities.append(("prefill share", found, theirs.prefill_share.iloc[at]))
        if at != first:
            found = token.ratio(contexts[at], contexts[first], confidence=confidence)
            over = theirs.decoded_token_j.iloc[at] / theirs.decoded_token_j.iloc[first]
            quantities.append((OVER, found, over))
        for quantity, found, published in quantities:
            yield facts | {
                "quantity": quantity,
                "ours": found.value,
                "low": found.low,
                "high": found.high,
                "sampled": LENGTHS if found.unit else "",
                "why": found.why,
                "rounds": found.rounds,
                "tasks": found.prompts,
                "theirs": published,
            }


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
    if (own := of("prefill share", facts["workload"])) is not None:
        yield {
            "quantity": "prefill share",
            "ours": own.value,
            **own[RESTS].to_dict(),
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
            **row[RESTS].to_dict(),
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
            "why": "of two means",
            "rounds": min(whole.rounds, first.rounds),
            "tasks": min(whole.tasks, first.tasks),
            "theirs": paper.total_j[key] / paper.total_j[base],
        }
