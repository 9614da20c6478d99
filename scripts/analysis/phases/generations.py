"""One row a generation: tokens, phases, answer and babble. Pure functions on tables.

Definitions after Solovyeva and Castor (arXiv 2602.05712): the prefill includes the first output
token, so E_tok,dec = (E_total - E_prefill) / (N_out - 1), and E_tok = E_total / N_out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL, RawSession
from analysis.tabular import concatenate, table

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
    "idle_u_j": "float",
    "prefill_j": "float",
    "prefill_u_j": "float",
    "prefill_status": "str",
    "decode_j": "float",
    "decode_u_j": "float",
    "decode_status": "str",
    "check_j": "float",
    "check_u_j": "float",
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
    "babble_u_j": "float",
    "flags": "str",
    "output": "str",
    "answer": "str",
}
POSITION = {
    "session": "str",
    "model": "str",
    "workload": "str",
    "round": "int",
    "generation": "str",
    "task": "str",
    "position": "int",
    "context": "float",
    "tokens": "int",
    "joules": "float",
    "resolved": "bool",
}


def generations_table(
    session: RawSession, windows: pd.DataFrame, scores: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """The generations of one session, energies under `total` and of one sequence of the batch.

    `prefill_j`, `decode_j` (without the checks) and `check_j` add up to `total_j`. They are NaN
    where the meter does not cover them; `prefill_status` and `decode_status` say whether the phase
    alone is resolved. `*_u_j` are standard uncertainties of reading; `idle_u_j` is that of the idle
    energy in `above_idle_j`, which all generations of a segment share. `decoded_token_j` comes from
    `decode_j`: a suppressed output is charged with its checks in `total_j`, and so in `token_j`,
    but not in what a decoded token costs. Every look of the watcher is charged, also those that ran
    no check. Verdict and babble are missing, not false and zero, where nothing was judged. An
    output without babble has none in joules either: its end-of-sequence token is its own.
    """
    raw = {w["generation"]: w for w in session.windows if w["kind"] == "generation"}
    if not raw:
        return table([], GENERATIONS)
    total = windows[windows.domain == TOTAL]
    total = total.assign(idle_u_j=total.idle_power_u_w * total.duration_s)
    shared = ["pooled_j", "pooled_u_j", "above_idle_j", "idle_u_j"]
    total = total.assign(**{column: total[column] / session.batch for column in shared})
    phases = total.assign(variance=total.pooled_u_j**2)
    sums = phases.groupby(["generation", "kind"])[["pooled_j", "variance", "duration_s"]].sum(
        min_count=1, skipna=False
    )
    energy, variance, duration = (
        {kind: part.droplevel(1).to_dict() for kind, part in sums[name].groupby(level=1)}
        for name in ("pooled_j", "variance", "duration_s")
    )
    status = {
        kind: part.set_index("generation").status.to_dict()
        for kind, part in total[total.kind.isin(("prefill", "decode"))].groupby("kind")
    }
    whole = total[total.kind == "generation"].set_index("generation").to_dict("index")
    spec = session.facts["spec"]
    looked = defaultdict(list)
    for window in session.windows:
        if window["kind"] == "check":
            looked[window["generation"]].append(window)
    babbling = {name: _babble_tokens(raw[name], scores[name]) for name in raw}
    after = _babble_joules(session, raw, babbling, looked, scores)
    rows = []
    for name, window in raw.items():
        own, looks, score = whole[name], looked.get(name, []), scores[name]
        check_j, check_u_j, check_s = (
            (energy["check"][name], variance["check"][name] ** 0.5, duration["check"][name])
            if looks
            else (0.0, 0.0, 0.0)
        )
        tokens = len(window["tokens"])
        decode_j = energy["decode"][name] - check_j
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
                "duration_s": own["duration_s"],
                "prefill_s": duration["prefill"][name],
                "decode_s": duration["decode"][name] - check_s,
                "check_s": check_s,
                "looks": len(looks),
                "checks": sum(look["outcome"] not in UNCHECKED for look in looks),
                "cpu_share": window["cpu_s"] / own["duration_s"],
                "total_j": own["pooled_j"],
                "total_u_j": own["pooled_u_j"],
                "total_status": own["status"],
                "above_idle_j": own["above_idle_j"],
                "idle_u_j": own["idle_u_j"],
                "prefill_j": energy["prefill"][name],
                "prefill_u_j": variance["prefill"][name] ** 0.5,
                "prefill_status": status["prefill"][name],
                "decode_j": decode_j,
                "decode_u_j": variance["decode"][name] ** 0.5,
                "decode_status": status["decode"][name],
                "check_j": check_j,
                "check_u_j": check_u_j,
                "token_j": own["pooled_j"] / tokens,
                "decoded_token_j": decode_j / (tokens - 1) if tokens > 1 else np.nan,
                "passed": score["passed"],
                "result": score["result"],
                "similarity": score.get("similarity"),
                "passed_as_it_stands": score["passed_as_it_stands"],
                "passed_processed": score["passed_processed"],
                "answer_tokens": score["answer_tokens"],
                "answer_by": score["answer_by"],
                "babble_tokens": babbling[name],
                "babble_j": after[name][0],
                "babble_u_j": after[name][1],
                "flags": own["flags"],
                "output": window["text"],
                "answer": score["answer"],
            }
        )
    return table(rows, GENERATIONS)


def _babble_tokens(window: dict[str, Any], score: dict[str, Any]) -> int | None:
    """Tokens after the answer; None where nothing was judged."""
    if score["passed"] is None and score.get("similarity") is None:
        return None
    answer = score["answer_tokens"]
    # The end-of-sequence token is no babble: a model that ends pays for it.
    ended = window["stop"] == "end"
    return 0 if answer is None else max(0, len(window["tokens"]) - ended - answer)


def closure(generations: pd.DataFrame) -> pd.Series:
    """(prefill + decode + check) / total - 1 of each generation: 0 by construction."""
    parts = generations.prefill_j + generations.decode_j + generations.check_j
    return parts / generations.total_j - 1


def _babble_joules(
    session: RawSession,
    raw: dict[str, dict[str, Any]],
    babbling: dict[str, int | None],
    looked: dict[str, list[dict[str, Any]]],
    scores: dict[str, dict[str, Any]],
) -> dict[str, tuple[float, float]]:
    """Energy from each answer's last token to the end, without the checks in between, and its
    standard uncertainty; NaN where there is no answer."""
    found, spans = {}, defaultdict(list)
    for name, window in raw.items():
        answer = scores[name]["answer_tokens"]
        found[name] = (0.0, 0.0) if babbling[name] == 0 else (np.nan, np.nan)
        if answer is None or babbling[name] == 0:
            continue
        since = window["token_ns"][min(answer, len(window["token_ns"])) - 1]
        of_segment = spans[window["segment"]]
        of_segment.append((name, 1.0, since, window["end_ns"]))
        of_segment += [
            (name, -1.0, look["start_ns"], look["end_ns"])
            for look in looked.get(name, ())
            if look["start_ns"] >= since
        ]
    for segment, of_segment in spans.items():
        names, signs, starts, ends = zip(*of_segment, strict=True)
        energy = session.total(segment, starts, ends)
        known = pd.DataFrame({"name": names, "j": energy.joules * signs})
        known["variance"] = energy.uncertainty_j**2
        sums = known.groupby("name").sum(skipna=False) / [session.batch, session.batch**2]
        found |= {row.Index: (row.j, row.variance**0.5) for row in sums.itertuples()}
    return found


def token_energy_table(
    session: RawSession, width: int = 16, resolve_periods: float = 2
) -> pd.DataFrame:
    """Energy per decoded token along the output of the baseline, pooled over generations.

    One row for each `width` tokens of position and each generation that reaches through them:
    columns session, round, generation, task, position (the first token's), context (tokens before
    the middle one), tokens, joules, resolved (whether they last `resolve_periods` periods of the
    meter).
    """
    parts = []
    for segment in dict.fromkeys(window["segment"] for window in session.windows):
        windows = [
            window
            for window in session.windows
            if window["segment"] == segment
            and window["kind"] == "generation"
            and window["condition"] == "baseline"
            and len(window["token_ns"]) > width
        ]
        if not windows:
            continue
        edges = [np.asarray(window["token_ns"])[::width] for window in windows]
        counts = [len(each) - 1 for each in edges]
        first = np.concatenate([width * np.arange(count) for count in counts])
        starts, ends = (
            np.concatenate([each[side] for each in edges])
            for side in (slice(None, -1), slice(1, None))
        )
        joules = session.total(segment, starts, ends).joules
        shortest_s = resolve_periods * session.period_s(segment)

        def repeated(name: str, windows=windows, counts=counts) -> np.ndarray:
            return np.repeat(np.array([window[name] for window in windows]), counts)

        parts.append(
            pd.DataFrame(
                {
                    "session": session.name,
                    "model": session.model,
                    "workload": session.workload,
                    "round": session.facts["spec"]["round"],
                    "generation": repeated("generation"),
                    "task": repeated("task"),
                    "position": first + 1,
                    "context": repeated("prompt_tokens") + first + width / 2,
                    "tokens": width,
                    "joules": joules / session.batch,
                    "resolved": (ends - starts) / 1e9 >= shortest_s,
                }
            ).astype(POSITION)
        )
    return concatenate(parts, POSITION)
