#!/usr/bin/env python3
"""What the harness costs each runtime: a session's window against the same calls in a bare loop.

Side by side in one run, window and loop in turns; prints ratios, asserts nothing. Run from the
project's folder by the interpreter of the runtime's environment, after the main job has prepared
the networks: `make benchmark`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from metering.sampler import Sampler
from runtimes.agenda import Block
from runtimes.base import Settings, environment, load_backend, must_restart
from runtimes.bench import Bench
from runtimes.specification import RuntimesSpecification
from session.progress import Progress
from session.specification import parse

FOLDER = Path("resources/networks")
# Windows of a turn, behind one that is not counted.
EACH = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mobilenetv2-init")
    parser.add_argument("--backend", required=True, help="the runtime's module")
    parser.add_argument("--framework", default="pytorch", help="whose export an engine runs")
    parser.add_argument("--provider", default="cpu", help="on the processor")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=15, help="of a window and a loop")
    parser.add_argument("--window-s", type=float, default=1.0)
    args = parser.parse_args()
    module, settings = load_backend(args.backend), Settings(args.provider, threads=args.threads)
    variables = environment(module, settings, "retain")
    if must_restart(variables):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
    compare(args, module, settings)


def compare(args: argparse.Namespace, module, settings: Settings) -> None:
    """Prints the ratio of the medians, and the smallest and largest of a pair."""
    document = {
        "session": "benchmark",
        "campaign": "benchmark",
        "model": args.model,
        "entry": {},
        "round": 1,
        "system": args.backend,
        "origin": args.framework if module.SOURCE == "onnx" else None,
        "title": module.TITLE,
        "provider": args.provider,
        "providers": "named",
        "device": "cpu",
        "threads": args.threads,
        "precision": "float32",
        "allocator": "retain",
        "batch_sizes": [args.batch],
        "repetitions": 1,
        "seed": 0,
        "window_s": args.window_s,
        "warmup_s": 2,
        "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0, "cooldown": None},
        "metering": {"period_s": 0.05, "idle_s": 0, "cpu_rated_power_w": None, "wall": None},
        "parity_tolerance": 1e-5,
        "device_tolerance": 1e-3,
    }
    spec = parse(RuntimesSpecification, document, "benchmark")
    network = FOLDER / args.model / "network.json"
    onnx = FOLDER / args.model / args.framework / "model.onnx"
    say = Progress(module.TITLE, args.pairs).say
    bench = Bench(spec, network, onnx, module, settings, say)
    bench.meet_shapes()
    bench.prepare(say)
    # The same object, called by nobody but this loop.
    executable, staged = bench.executable, bench.staged[args.batch]

    def windows() -> list[float]:
        with Sampler(folder / "trace.csv", folder / "events.jsonl", segment=1):
            # As in a session, where the sampler's own start is long over.
            made = [bench.measure(Block(args.batch, 0))[0] for _ in range(1 + EACH)][1:]
        return [(w["end_ns"] - w["start_ns"]) / 1e9 / w["inferences"] for w in made]

    def bare() -> list[float]:
        count = bench.inferences[args.batch]
        times = []
        for _ in range(1 + EACH):
            executable.run(staged)
            executable.wait()
            start = time.perf_counter()
            for _ in range(count):
                executable.run(staged)
            executable.wait()
            times.append((time.perf_counter() - start) / count)
        return times[1:]

    times: tuple[list[float], list[float]] = ([], [])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number in range(args.pairs):
            # First one, then the other goes first: drift favours none.
            for which in (0, 1) if number % 2 else (1, 0):
                times[which].append(statistics.median((windows, bare)[which]()))
    medians = [statistics.median(t) for t in times]
    ratios = sorted(a / b for a, b in zip(*times, strict=True))
    print(
        f"{module.TITLE}, {args.provider}, {args.model}, batch {args.batch}: session / bare loop"
        f" {statistics.median(ratios):.4f} (median of {args.pairs} pairs, middle half"
        f" {ratios[len(ratios) // 4]:.4f} to {ratios[-1 - len(ratios) // 4]:.4f};"
        f" {1e3 * medians[0]:.3f} ms, {1e3 * medians[1]:.3f} ms an inference)",
        flush=True,
    )


if __name__ == "__main__":
    main()
