"""One row a generation: tokens, phases, answer and babble. Pure functions on tables.

Definitions after Solovyeva and Castor (arXiv 2602.05712): the prefill includes the first output
token, so E_tok,dec = (E_total - E_prefill) / (N_out - 1), and E_tok = E_total / N_out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.raw import TOTAL, RawSession
from analysis.tabular import table

# Looks that ran no check.
UNCHECKED = ("does not compile", "unchanged")
GENERATIONS = {
    "session": "str",
    "model": "str",
    "workload": "str",
    "benchmark": "str",
    "batch": "int",
    "replay_of": "str",
    "published_model": "str",
    "seeded": "bool",
    "round": "int",
    "generation": "str",
    "task": "str",
    "condition": "str",
    "repetition": "int",
    "segment": "int",
    "meter": "str",
    "estimate": "bool",
    "chosen": "bool",
    "chosen_by": "str",
    "stop": "str",
    "prompt_tokens": "int",
    "output_tokens": "int",
    "duration_s": "float",
    "prefill_s": "float",
    "decode_s": "float",
    "check_s": "float",
    "looks": "int",
    "checks": "int",
    "cpu_share": "float",
    "total_j": "float",
    "total_u_j": "float",
    "total_status": "str",
    "above_idle_j": "float",
    "prefill_j": "float",
    "prefill_u_j": "float",
    "prefill_status": "str",
    "decode_j": "float",
    "check_j": "float",
    "token_j": "float",
    "decoded_token_j": "float",
    "passed": "boolean",
    "similarity": "float",
    "result": "str",
    "passed_as_it_stands": "boolean",
    "passed_processed": "boolean",
    "answer_tokens": "Int64",
    "answer_by": "str",
    "babble_tokens": "Int64",
    "babble_j": "float",
    "output": "str",
    "answer": "str",
}
POSITION = {
    "session": "str",
    "model": "str",
    "workload": "str",
    "generation": "str",
    "task": "str",
    "position": "int",
    "context": "float",
    "tokens": "int",
    "joules": "float",
}


def generations_table(
    session: RawSession, windows: pd.DataFrame, scores: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """The generations of one session, energies under `total` and of one sequence of the batch.

    `prefill_j`, `decode_j` (without the checks) and `check_j` add up to `total_j`. They are NaN
    where the meter does not cover them; `prefill_status` says whether the prefill alone is
    resolved. `decoded_token_j` comes from `decode_j`: a suppressed output is charged with its
    checks in `total_j`, and so in `token_j`, but not in what a decoded token costs. Every look of
    the watcher is charged, also those that ran no check. Verdict and babble are missing, not
    false and zero, where nothing was judged. An output without babble has none in joules either:
    its end-of-sequence token is its own.
    """
    raw = {w["generation"]: w for w in session.windows if w["kind"] == "generation"}
    if not raw:
        return table([], GENERATIONS)
    total = windows[windows.domain == TOTAL]
    shared = ["pooled_j", "pooled_u_j", "above_idle_j"]
    total = total.assign(**{column: total[column] / session.batch for column in shared})
    by_kind = (
        total.groupby(["generation", "kind"])[["pooled_j", "duration_s"]]
        .sum(skipna=False)
        .unstack("kind")
    )
    prefill = total[total.kind == "prefill"].set_index("generation")
    whole = total[total.kind == "generation"].set_index("generation")
    spec = session.facts["spec"]
    looked = defaultdict(list)
    for window in session.windows:
        if window["kind"] == "check":
            looked[window["generation"]].append(window)
    rows = []
    for name, window in raw.items():
        energy, duration = by_kind["pooled_j"].loc[name], by_kind["duration_s"].loc[name]
        looks = looked.get(name, [])
        check_j, check_s = (energy["check"], duration["check"]) if looks else (0.0, 0.0)
        tokens = len(window["tokens"])
        ended = window["stop"] == "end"
        decode_j = energy["decode"] - check_j
        score = scores[name]
        answer = score["answer_tokens"]
        babble = None
        if score["passed"] is not None or score.get("similarity") is not None:
            # The end-of-sequence token is no babble: a model that ends pays for it.
            babble = 0 if answer is None else max(0, tokens - ended - answer)
        rows.append(
            {
                "session": session.name,
                **session.labels,
                "seeded": session.seeded,
                "round": spec["round"],
                "generation": name,
                "task": window["task"],
                "condition": window["condition"],
                "repetition": window["repetition"],
                "segment": window["segment"],
                "meter": session.meter(),
                "estimate": session.estimate,
                "chosen": spec["tasks"] != "all",
                "chosen_by": spec.get("tasks_chosen_by"),
                "stop": window["stop"],
                "prompt_tokens": window["prompt_tokens"],
                "output_tokens": tokens,
                "duration_s": whole.duration_s[name],
                "prefill_s": duration["prefill"],
                "decode_s": duration["decode"] - check_s,
                "check_s": check_s,
                "looks": len(looks),
                "checks": sum(look["outcome"] not in UNCHECKED for look in looks),
                "cpu_share": window["cpu_s"] / whole.duration_s[name],
                "total_j": whole.pooled_j[name],
                "total_u_j": whole.pooled_u_j[name],
                "total_status": whole.status[name],
                "above_idle_j": whole.above_idle_j[name],
                "prefill_j": energy["prefill"],
                "prefill_u_j": prefill.pooled_u_j[name],
                "prefill_status": prefill.status[name],
                "decode_j": decode_j,
                "check_j": check_j,
                "token_j": whole.pooled_j[name] / tokens,
                "decoded_token_j": decode_j / (tokens - 1) if tokens > 1 else np.nan,
                "passed": score["passed"],
                "result": score["result"],
                "similarity": score.get("similarity"),
                "passed_as_it_stands": score["passed_as_it_stands"],
                "passed_processed": score["passed_processed"],
                "answer_tokens": answer,
                "answer_by": score["answer_by"],
                "babble_tokens": babble,
                "babble_j": 0.0 if babble == 0 else _babble_j(session, window, looks, answer),
                "output": window["text"],
                "answer": score["answer"],
            }
        )
    return table(rows, GENERATIONS)


def closure(generations: pd.DataFrame) -> pd.Series:
    """(prefill + decode + check) / total - 1 of each generation: 0 by construction."""
    parts = generations.prefill_j + generations.decode_j + generations.check_j
    return parts / generations.total_j - 1


def _babble_j(
    session: RawSession, window: dict[str, Any], looks: list[dict[str, Any]], answer: int | None
) -> float:
    """Energy from the answer's last token to the end, without the checks in between; NaN where
    there is no answer."""
    if answer is None:
        return np.nan
    since = window["token_ns"][min(answer, len(window["token_ns"])) - 1]
    spans = [(since, window["end_ns"])] + [
        (look["start_ns"], look["end_ns"]) for look in looks if look["start_ns"] >= since
    ]
    starts, ends = map(list, zip(*spans, strict=True))
    whole, *checks = session.total(window["segment"], starts, ends).joules / session.batch
    return whole - sum(checks)


def token_energy_table(session: RawSession, width: int = 16) -> pd.DataFrame:
    """Energy per decoded token along the output of the baseline, pooled over generations.

    One row for each `width` tokens of position and each generation that reaches through them:
    columns session, generation, task, position (the first token's), context (tokens before the
    middle one), tokens, joules.
    """
    rows = []
    for window in session.windows:
        if window["kind"] != "generation" or window["condition"] != "baseline":
            continue
        times = window["token_ns"]
        edges = range(0, len(times), width)
        stamps = [times[edge] for edge in edges]
        joules = session.total(window["segment"], stamps[:-1], stamps[1:]).joules / session.batch
        for first, energy_j in zip(edges, joules, strict=False):
            rows.append(
                {
                    "session": session.name,
                    "model": session.model,
                    "workload": session.workload,
                    "generation": window["generation"],
                    "task": window["task"],
                    "position": first + 1,
                    "context": window["prompt_tokens"] + first + width / 2,
                    "tokens": width,
                    "joules": energy_j,
                }
            )
    return table(rows, POSITION)
