"""Simulated campaigns of the study of phases whose truth is known: how often the tables hold it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.phases.amplification import amplification_table
from analysis.phases.savings import pairs_table, savings_table
from analysis.phases.summary import summary_table

ROUND, CELL = 0.05, 0.05
METER = {"meter": "A Meter", "estimate": False, "chosen": False, "chosen_by": None}
CONFIDENCE = 0.95


def tasks(count, randoms):
    """What tasks ask for: tokens, joules of a prefill, which share of the output babbles."""
    tokens = np.round(50 * np.exp(0.5 * randoms.normal(size=count))) + 20
    babbles = randoms.random(count) < 0.6
    babble = np.where(babbles, randoms.uniform(0.7, 0.97, count), randoms.uniform(0, 0.1, count))
    return pd.DataFrame(
        {
            "tokens": tokens,
            "prefill": 10 * np.exp(0.3 * randoms.normal(size=count)),
            "babble": babble,
            "each": 3 * np.exp(0.1 * randoms.normal(size=count)),
            "passed": randoms.random(count) < 0.7,
        }
    )


def generations(rounds, count, randoms, *, workload="w", each=1.0, benchmark=None, **spread):
    """Rows as `generations_table` has them, baseline and suppressed."""
    drawn, rows = tasks(count, randoms), []
    by_round, by_cell = spread.get("round", ROUND), spread.get("cell", CELL)
    for number in range(1, rounds + 1):
        process = np.exp(by_round * randoms.normal())
        for condition in ("baseline", "suppressed"):
            noise = [process * np.exp(by_cell * randoms.normal(size=count)) for _ in range(2)]
            tokens = drawn.tokens.to_numpy()
            if condition == "suppressed":
                tokens = np.maximum(2, np.round(tokens * (1 - drawn.babble)))
            prefill = drawn.prefill * noise[0]
            decode = each * drawn.each * (tokens - 1) * noise[1]
            rows.append(
                pd.DataFrame(
                    {
                        "session": f"m__{workload}__r{number}",
                        "model": "m",
                        "workload": workload,
                        "benchmark": benchmark or workload,
                        "published_model": None,
                        "round": number,
                        "task": [f"{workload}/{n}" for n in range(count)],
                        "condition": condition,
                        "repetition": 0,
                        **METER,
                        "prompt_tokens": 100,
                        "output_tokens": tokens.astype(int),
                        "total_j": prefill + decode,
                        "above_idle_j": 0.4 * (prefill + decode),
                        "prefill_j": prefill,
                        "decode_j": decode,
                        "check_j": 0.0,
                        "check_s": 0.0,
                        "duration_s": 0.01 * (prefill + decode),
                        "babble_tokens": (tokens * drawn.babble).round(),
                        "babble_j": decode * drawn.babble,
                        **dict.fromkeys(
                            ("total_u_j", "prefill_u_j", "decode_u_j", "check_u_j", "babble_u_j"),
                            1e-3,
                        ),
                        "idle_u_j": 1e-3,
                        **dict.fromkeys(("total_status", "prefill_status", "decode_status"), "ok"),
                        "passed": drawn.passed,
                        "similarity": np.nan,
                        "flags": "",
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def said(rounds, count, seed, **spread):
    """By quantity, (value, low, high) of one simulated campaign."""
    randoms = np.random.default_rng(seed)
    table = generations(rounds, count, randoms, **spread)
    other = generations(rounds, count, randoms, workload="v", each=1.2, **spread)
    baseline = table[table.condition == "baseline"]
    summary = summary_table(baseline, confidence=CONFIDENCE)
    found = {row.metric: (row.value, row.low, row.high) for row in summary.itertuples()}
    saved = savings_table(pairs_table(table), confidence=CONFIDENCE, margin=0.05).iloc[0]
    found["saved share"] = saved.saved_share, saved.saved_share_low, saved.saved_share_high
    both = pd.concat([table, other], ignore_index=True)
    row = amplification_table(both, pd.DataFrame(), {}, PAPER, confidence=CONFIDENCE).iloc[0]
    found["amplification"] = row.value, row.low, row.high
    return found


PAPER = pd.DataFrame(
    {"decoded_token_j": []}, index=pd.MultiIndex.from_arrays([[], []], names=["model", "workload"])
)


def truths(seed: int = 1, count: int = 100_000) -> dict[str, float]:
    """The same of very many tasks, in a process that is like the mean of all."""
    found = said(1, count, seed, round=0.0, cell=CELL)
    known = {name: value for name, (value, _, _) in found.items()}
    # Both workloads draw tasks of one kind, of which one is a fifth dearer.
    return known | {"amplification": 0.2}


# Constant in these campaigns: nothing of them is sampled.
SILENT = ("share of energy above idle", "checking energy", "checking share of time")


def coverage(rounds, count, seeds, truth):
    """By quantity, (how often the interval holds the truth, how often there is one)."""
    held, there = {}, {}
    for seed in seeds:
        for name, (_, low, high) in said(rounds, count, seed).items():
            if np.isnan(low) or name in SILENT:
                continue
            there[name] = there.get(name, 0) + 1
            held[name] = held.get(name, 0) + (low <= truth[name] <= high)
    return {name: (held[name] / there[name], there[name] / len(seeds)) for name in there}
