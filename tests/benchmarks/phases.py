#!/usr/bin/env python3
"""What the harness costs, side by side in one run; prints ratios, asserts nothing.

Run by the interpreter of the pytorch environment, from the project's folder, after the main job
has prepared the model: `make benchmark`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import torch

from generation.decode import Engine, Settings
from generation.sandbox import Pool
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS, read_tasks
from metering.sampler import Sampler
from weights.load import load

# Tasks with few and with many checks; the last two never pass.
CHECKED = ("HumanEval/31", "HumanEval/22", "HumanEval/12", "HumanEval/7")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resources/models/smollm2-135m-instruct/model.json")
    parser.add_argument("--tasks", default="resources/workloads/humaneval.jsonl")
    parser.add_argument("--tokens", type=int, default=64, help="output tokens of a generation")
    parser.add_argument("--rounds", type=int, default=7, help="of each pair, in turns")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    model, tokenizer = load(Path(args.model), device, dtype)
    engine = Engine(model, tokenizer)
    workload = WORKLOADS["humaneval-0shot"]
    tasks = read_tasks(Path(args.tasks), workload)
    prompt = tokenizer(workload.pose(tasks["HumanEval/0"], "completion").text).input_ids
    settings = Settings(args.tokens, forced_length=True)
    print(f"{device}, {args.threads} thread(s), {len(prompt)} prompt tokens, {args.tokens} output")

    def ours() -> None:
        engine.generate(prompt, settings)

    def generate() -> None:
        ids = torch.tensor([prompt], device=device)
        with torch.inference_mode():
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                min_new_tokens=args.tokens,
                max_new_tokens=args.tokens,
            )
        if device.type == "cuda":
            torch.cuda.synchronize()

    compare("our decode loop", ours, "model.generate", generate, args.rounds)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def sampled() -> Sampler:
            return Sampler(folder / "trace.csv", folder / "events.jsonl", segment=1)

        # The sampler's own start is no part of a window, so it stays out of the time.
        compare("with the sampler", ours, "without", ours, args.rounds, around=sampled)
        sampler = sampled()
        with sampler:
            ours()
    stats = sampler.stats
    print(f"sampler: {stats['cpu_s'] / stats['wall_s']:.2%} of one core")

    spent_s = checked_s = 0.0
    checks = 0
    with Pool() as pool:
        for name in CHECKED:
            posed = workload.pose(tasks[name], "completion")
            watcher = Suppressor(posed, "line", pool.check)
            done = engine.generate(
                tokenizer(posed.text).input_ids, Settings(4 * args.tokens), watcher
            )
            spent_s += (done.end_ns - done.start_ns) / 1e9
            checked_s += sum(c.end_ns - c.start_ns for c in watcher.checks) / 1e9
            checks += len(watcher.checks)
    print(
        f"checking: {checked_s / spent_s:.2%} of the time of {len(CHECKED)} suppressed"
        f" generations ({checks} looks, {checked_s * 1e3:.0f} ms of {spent_s:.1f} s)"
    )


def compare(
    one_name: str,
    one: Callable[[], None],
    other_name: str,
    other: Callable[[], None],
    rounds: int,
    around: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext,
) -> None:
    """Times two calls in turns, `around` only the first, and prints the ratio of their medians."""
    one()
    other()
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        # First one, then the other goes first: drift favours none.
        for which in (0, 1) if number % 2 else (1, 0):
            with around() if which == 0 else contextlib.nullcontext():
                start = time.perf_counter()
                (one, other)[which]()
                times[which].append(time.perf_counter() - start)
    medians = [statistics.median(t) for t in times]
    ratios = sorted(a / b for a, b in zip(*times, strict=True))
    print(
        f"{one_name} / {other_name}: {medians[0] / medians[1]:.3f}"
        f" (of {rounds} pairs from {ratios[0]:.3f} to {ratios[-1]:.3f};"
        f" {medians[0]:.3f} s, {medians[1]:.3f} s)"
    )


if __name__ == "__main__":
    main()
