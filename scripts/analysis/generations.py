"""One row a generation: tokens, phases, answer and babble. Pure functions on tables.

Definitions after Solovyeva and Castor (arXiv 2602.05712): the prefill includes the first output
token, so E_tok,dec = (E_total - E_prefill) / (N_out - 1), and E_tok = E_total / N_out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.raw import TOTAL, RawSession


def generations_table(
    session: RawSession, windows: pd.DataFrame, scores: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """The generations of one session, energies under `total`.

    `prefill_j`, `decode_j` (without the checks) and `check_j` add up to `total_j`. They are NaN
    where the meter does not cover them; `prefill_status` says whether the prefill alone is
    resolved. Energies per token use `decode_j`, so that a suppressed output is charged with its
    checks in `total_j` and not in its tokens.
    """
    total = windows[windows.domain == TOTAL]
    by_kind = total.pivot_table(
        index="generation",
        columns="kind",
        values=["pooled_j", "duration_s"],
        aggfunc=_whole_sum,
    )
    raw = {w["generation"]: w for w in session.windows if w["kind"] == "generation"}
    prefill = total[total.kind == "prefill"].set_index("generation")
    whole = total[total.kind == "generation"].set_index("generation")
    spec = session.facts["spec"]
    rows = []
    for name, window in raw.items():
        energy, duration = by_kind["pooled_j"].loc[name], by_kind["duration_s"].loc[name]
        check_j, check_s = (
            (energy["check"], duration["check"])
            if window["condition"] == "suppressed" and _checks(session, name)
            else (0.0, 0.0)
        )
        tokens = len(window["tokens"])
        ended = window["stop"] == "end"
        decode_j = energy["decode"] - check_j
        score = scores[name]
        answer = score["answer_tokens"]
        # The end-of-sequence token is no babble: a model that ends pays for it.
        babble = 0 if answer is None else max(0, tokens - ended - answer)
        rows.append(
            {
                "session": session.name,
                "model": spec["model"],
                "workload": spec["workload"],
                "round": spec["round"],
                "generation": name,
                "task": window["task"],
                "condition": window["condition"],
                "repetition": window["repetition"],
                "segment": window["segment"],
                "meter": session.meter(),
                "estimate": session.estimate,
                "chosen": spec["tasks"] != "all",
                "stop": window["stop"],
                "prompt_tokens": window["prompt_tokens"],
                "output_tokens": tokens,
                "duration_s": whole.duration_s[name],
                "prefill_s": duration["prefill"],
                "decode_s": duration["decode"] - check_s,
                "check_s": check_s,
                "checks": len(_checks(session, name)),
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
                "passed_as_it_stands": score["passed_as_it_stands"],
                "passed_processed": score["passed_processed"],
                "answer_tokens": answer,
                "answer_by": score["answer_by"],
                "babble_tokens": babble,
                "babble_j": _babble_j(session, window, answer),
                "output": window["text"],
                "answer": score["answer"],
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"answer_tokens": "Int64"})


def closure(generations: pd.DataFrame) -> pd.Series:
    """(prefill + decode + check) / total - 1 of each generation: 0 by construction."""
    parts = generations.prefill_j + generations.decode_j + generations.check_j
    return parts / generations.total_j - 1


def _whole_sum(values: pd.Series) -> float:
    return values.sum(skipna=False)


def _checks(session: RawSession, generation: str) -> list[dict[str, Any]]:
    """The looks of the watcher that ran a check."""
    return [w for w in session.windows if w["kind"] == "check" and w["generation"] == generation]


def _babble_j(session: RawSession, window: dict[str, Any], answer: int | None) -> float:
    """Energy from the answer's last token to the end; NaN where there is no answer."""
    if answer is None:
        return np.nan
    since = window["token_ns"][min(answer, len(window["token_ns"])) - 1]
    return sum(
        float(
            np.diff(session.curves[window["segment"], d["domain"]].at([since, window["end_ns"]]))[0]
        )
        if (window["segment"], d["domain"]) in session.curves
        else np.nan
        for d in session.headline(window["segment"])
    )


def token_energy_table(session: RawSession, width: int = 16) -> pd.DataFrame:
    """Energy per decoded token along the output of the baseline, pooled over generations.

    One row for each `width` tokens of position and each generation that reaches through them:
    columns session, generation, position (the first token's), tokens, joules.
    """
    rows = []
    for window in session.windows:
        if window["kind"] != "generation" or window["condition"] != "baseline":
            continue
        times = window["token_ns"]
        for first in range(0, len(times) - width, width):
            span = [times[first], times[first + width]]
            joules = 0.0
            for domain in session.headline(window["segment"]):
                curve = session.curves.get((window["segment"], domain["domain"]))
                joules += np.nan if curve is None else float(np.diff(curve.at(span))[0])
            rows.append(
                {
                    "session": session.name,
                    "model": session.facts["spec"]["model"],
                    "workload": session.facts["spec"]["workload"],
                    "generation": window["generation"],
                    "position": first + 1,
                    "tokens": width,
                    "joules": joules,
                }
            )
    return pd.DataFrame(rows)
