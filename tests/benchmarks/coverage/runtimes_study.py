#!/usr/bin/env python3
"""How often the study of runtimes finds a difference where there is none, how often its intervals
hold the truth, and what a million windows take: its own tables of simulated campaigns.

In a campaign all runtimes take the same (or `ratio` times as much, what ONNX Runtime does);
sessions differ, and windows of a session. Every family is all tests of a question and metric: a
false one is a family with any p below 0.05 after Holm.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.cells import cells_table
from analysis.runtimes.columns import INFERENCES
from analysis.runtimes.comparisons import How, comparisons_table
from analysis.runtimes.correlation import WITHIN, correlation_table
from analysis.runtimes.omnibus import omnibus_table
from analysis.runtimes.rounds import rounds_table

# (title, system, origin)
RUNTIMES = (
    ("PyTorch", "pytorch", None),
    ("TensorFlow", "tensorflow", None),
    ("MXNet", "mxnet", None),
    ("ONNX Runtime from PyTorch", "onnxruntime", "pytorch"),
    ("ONNX Runtime from TensorFlow", "onnxruntime", "tensorflow"),
    ("ONNX Runtime from MXNet", "onnxruntime", "mxnet"),
)
MODELS, BATCHES = ("one", "two"), (1, 64)
IDLE_W, BUSY_W, EACH_S = 75.0, 200.0, 0.01
DESIGNS = ((2, 3), (3, 3), (6, 6), (10, 3))


def sessions(rounds: int, models=MODELS, batches=BATCHES) -> list[dict[str, Any]]:
    """session.json of each, as far as comparisons ask."""
    return [
        {
            "excluded": None,
            "spec": {
                "session": f"{model}__{title}__r{number}",
                "model": model,
                "title": title,
                "system": system,
                "origin": origin,
                "provider": "cuda",
                "round": number,
                "batch_sizes": list(batches),
            },
        }
        for model, (title, system, origin) in itertools.product(models, RUNTIMES)
        for number in range(1, rounds + 1)
    ]


def inferences(
    randoms: np.random.Generator,
    rounds: int,
    windows: int,
    *,
    between: float = 0.05,
    within: float = 0.05,
    ratio: float = 1.0,
    read: float = 0.002,
    models=MODELS,
    batches=BATCHES,
) -> pd.DataFrame:
    """The windows of a campaign, under `total`.

    Args:
        between, within: Standard deviation of the logarithm of a session's energy and time, and of
            a window's.
        ratio: What an export takes over what its framework takes.
        read: Relative standard uncertainty of reading a window, and of an idle power.
    """
    specs = [facts["spec"] for facts in sessions(rounds, models, batches)]
    number = len(specs) * len(batches) * windows
    of = np.repeat(np.arange(len(specs)), len(batches) * windows)
    batch = np.tile(np.repeat(batches, windows), len(specs))
    exported = np.array([spec["origin"] is not None for spec in specs])[of]

    def spread() -> np.ndarray:
        session = randoms.normal(0, between, len(specs))[of]
        return np.exp(session + randoms.normal(0, within, number))

    each = np.where(exported, ratio, 1.0) * batch**0.7
    inference_s = EACH_S * each * spread()
    inference_j = EACH_S * BUSY_W * each * spread() * randoms.normal(1, read, number)
    idle_w = IDLE_W * randoms.normal(1, read, len(specs))[of]
    count = np.maximum(1, np.round(2.0 / inference_s)).astype(int)
    duration_s = count * inference_s
    above_idle_j = inference_j - idle_w * inference_s

    def said(name: str):
        return pd.array([spec[name] for spec in specs], dtype="str").take(of)

    columns = {name: said(name) for name in ("session", "model", "system", "origin", "provider")}
    table = pd.DataFrame(
        {
            **columns,
            "runtime": said("title"),
            "round": np.array([spec["round"] for spec in specs])[of],
            "batch": batch,
            "inferences": count,
            "samples": count * batch,
            "duration_s": duration_s,
            "energy_j": inference_j * count,
            "energy_u_j": read * inference_j * count,
            "above_idle_j": above_idle_j * count,
            "idle_power_w": idle_w,
            "idle_power_u_w": read * IDLE_W,
            "inference_j": inference_j,
            "inference_above_idle_j": above_idle_j,
            "sample_j": inference_j / batch,
            "sample_above_idle_j": above_idle_j / batch,
            "power_w": inference_j / inference_s,
            "inference_s": inference_s,
            "samples_per_s": batch / inference_s,
            "energy_delay_js": inference_j * inference_s,
            "cpu_share": 1.0,
        }
    )
    words = {"domain": TOTAL, "sums": "gpu:0", "meter": "a meter", "machine": "a machine"}
    words |= {"status": "ok", "flags": "", "unknown": "", "flag": "", "device": "cuda:0"}
    for name, word in words.items():
        table[name] = pd.array([word], dtype="str").take(np.zeros(number, int))
    table["estimate"] = table["flagged"] = False
    return table.reindex(columns=list(INFERENCES))


def tables(campaign: pd.DataFrame, rounds: int, how: How, **design) -> dict[str, pd.DataFrame]:
    """What scripts/tables_runtimes.py makes of them."""
    by = rounds_table(campaign)
    clean = rounds_table(campaign, clean_only=True)
    compared = comparisons_table(by, clean, sessions(rounds, **design), how)
    return {
        "runtimes": cells_table(by, clean, how.confidence),
        "comparisons": compared,
        "omnibus": omnibus_table(by, compared),
        "correlation": correlation_table(by, clean, how.confidence),
    }


def rates(rounds: int, windows: int, seeds: int, *, ratio: float = 1.0, **how) -> dict[str, float]:
    """Of so many campaigns: the share of false families, tests and equivalences, and of intervals
    that hold the truth."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        campaign = inferences(np.random.default_rng(seed), rounds, windows, ratio=ratio, **how)
        made = tables(campaign, rounds, How())
        rows = made["comparisons"].dropna(subset=["ratio_low"])
        rows = rows[rows.metric != "energy per inference above idle"]
        truth = np.where(rows.question == "RQ2", ratio, 1.0)
        held = (rows.ratio_low <= truth) & (truth <= rows.ratio_high)
        found.setdefault("ratios held", []).append(held.mean())
        null = made["comparisons"]
        null = null if ratio == 1 else null[null.question == "RQ1"]
        found.setdefault("p < .05", []).append((null.p < 0.05).mean())
        families = null.groupby(["question", "metric"]).p_holm.min()
        found.setdefault("false families", []).append((families < 0.05).mean())
        any_of = made["omnibus"]
        any_of = any_of if ratio == 1 else any_of[any_of.question == "RQ1"]
        families = any_of.groupby(["question", "metric"]).p_holm.min()
        found.setdefault("false families, any of them", []).append((families < 0.05).mean())
        equal = made["comparisons"]
        equal = equal[(equal.question == "RQ2") & (equal.metric == "time per inference")]
        found.setdefault("called equivalent", []).append((equal.equivalence_p < 0.05).mean())
        rho = made["correlation"].set_index("scope").p[WITHIN]
        found.setdefault("rho within cells: p < .05", []).append(rho < 0.05)
    return {name: float(np.mean(values)) for name, values in found.items()}


def scale(number: int) -> tuple[float, float, float]:
    """(seconds, MiB in all, MiB more than making the windows took) for so many windows."""
    rounds = 10
    windows = number // (rounds * len(RUNTIMES) * len(MODELS) * len(BATCHES))
    campaign = inferences(np.random.default_rng(0), rounds, windows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    tables(campaign, rounds, How())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.monotonic() - start, after / 1024, (after - before) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--scale", action="store_true", help="time it, and no coverage")
    args = parser.parse_args()
    if args.scale:
        for number in (10_000, 100_000, 1_000_000):
            seconds, whole, more = scale(number)
            print(f"{number:>9,} windows: {seconds:.1f} s, {whole:.0f} MiB ({more:.0f} more)")
        return
    for rounds, windows in DESIGNS:
        for ratio in (1.0, 1.05):
            words = rates(rounds, windows, args.seeds, ratio=ratio).items()
            said = ", ".join(f"{name} {value:.3f}" for name, value in words)
            print(f"{rounds} x {windows}, ratio {ratio}: {said}", flush=True)


if __name__ == "__main__":
    main()
