#!/usr/bin/env python3
"""What metering costs the work that is metered, side by side in one run; prints ratios.

Tokens of a decode-like load (`loads.work`) bare, beside our sampler at several periods, and, where
they are installed, inside Zeus's window with its power monitor and CodeCarbon's tracker. In turns;
each pair is one stretch with and one without. Run by the interpreter of the pytorch environment.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import torch

from loads.tools import installed
from loads.work import Loads
from metering.sampler import Sampler

PERIODS_S = [0.01, 0.02, 0.05, 0.1, 0.5]


class Cost:
    """What one way of metering took: CPU seconds and wall seconds, and the time until it ran."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self.started_s: list[float] = []

    @property
    def share(self) -> float | None:
        return self.cpu_s / self.wall_s if self.wall_s else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="pairs of each way")
    parser.add_argument("--seconds", type=float, default=1.5, help="of work a stretch, about")
    parser.add_argument("--periods-s", type=float, nargs="+", default=PERIODS_S, metavar="S")
    parser.add_argument("--out", type=Path, help="where to write the figures, as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    loads = Loads(device, 0)
    token = loads.units["decode"]
    start_s = time.perf_counter()
    for _ in range(50):
        token()
    count = max(1, round(args.seconds / ((time.perf_counter() - start_s) / 50)))
    print(f"{device}: {count} tokens a stretch, {args.rounds} pairs of each")
    found = []
    for name, around in ways(device, args.periods_s).items():
        cost = Cost()
        pairs = []
        for number in range(args.rounds):
            took = {}
            # First one, then the other goes first: drift favours none.
            for metered in (True, False) if number % 2 else (False, True):
                with around(cost) if metered else contextlib.nullcontext():
                    start_s = time.perf_counter()
                    for _ in range(count):
                        token()
                    took[metered] = time.perf_counter() - start_s
            pairs.append(took[True] / took[False])
        low, high = sorted(pairs)[len(pairs) // 4], sorted(pairs)[-1 - len(pairs) // 4]
        found.append(
            {
                "way": name,
                "slow_down": statistics.median(pairs) - 1,
                "middle_half": [low - 1, high - 1],
                "core_share": cost.share,
                "started_s": statistics.median(cost.started_s),
            }
        )
        share = "not known" if cost.share is None else f"{cost.share:.2%} of one core"
        print(
            f"{name}: slow-down {found[-1]['slow_down']:+.2%} (middle half {low - 1:+.2%} to"
            f" {high - 1:+.2%}), {share}, started after {found[-1]['started_s']:.2f} s",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps({"device": str(device), "ways": found}, indent=1) + "\n")


def ways(device: torch.device, periods_s: list[float]) -> dict[str, Callable]:
    """By name, what meters around a stretch of work and takes down its cost."""
    found = {f"our sampler, {period:g} s": ours(period) for period in periods_s}
    there = installed()
    gpus = [device.index] if device.type == "cuda" else []
    if "zeus" in there and gpus:
        found[f"Zeus {there['zeus']}, window and power monitor"] = zeus(gpus)
    if "codecarbon" in there:
        for seconds in (15, 1):
            name = f"CodeCarbon {there['codecarbon']}, every {seconds} s"
            found[name] = codecarbon(gpus, seconds)
    return found


def ours(period_s: float) -> Callable:
    @contextlib.contextmanager
    def around(cost: Cost) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder, "trace.csv"), Path(folder, "events.jsonl")
            start_s = time.perf_counter()
            with Sampler(*files, period_s=period_s) as sampler:
                cost.started_s.append(time.perf_counter() - start_s)
                yield
        cost.cpu_s += sampler.stats["cpu_s"]
        cost.wall_s += sampler.stats["wall_s"]

    return around


@contextlib.contextmanager
def own_cpu(cost: Cost) -> Iterator[None]:
    """A thread inside the process: its CPU time is that of the process beyond the main thread's."""
    start_s, cpu_s, main_s = time.perf_counter(), time.process_time(), time.thread_time()
    yield
    cost.cpu_s += time.process_time() - cpu_s - (time.thread_time() - main_s)
    cost.wall_s += time.perf_counter() - start_s


def zeus(gpus: list[int]) -> Callable:
    from zeus.monitor import PowerMonitor, ZeusMonitor

    logging.getLogger("zeus").setLevel(logging.ERROR)

    @contextlib.contextmanager
    def around(cost: Cost) -> Iterator[None]:
        start_s = time.perf_counter()
        monitor = ZeusMonitor(gpu_indices=gpus)
        power = PowerMonitor(gpu_indices=gpus)
        monitor.begin_window("stretch", sync_execution=False)
        cost.started_s.append(time.perf_counter() - start_s)
        children_s = _children_s()
        begin_s = time.perf_counter()
        yield
        monitor.end_window("stretch", sync_execution=False)
        # Its monitor is a process of its own; what it took is seen once it has ended.
        wall_s = time.perf_counter() - begin_s
        for name in ("stop", "_stop"):
            if hasattr(power, name):
                getattr(power, name)()
                break
        del power
        cost.cpu_s += _children_s() - children_s
        cost.wall_s += wall_s

    return around


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def codecarbon(gpus: list[int], seconds: float) -> Callable:
    from codecarbon import OfflineEmissionsTracker

    @contextlib.contextmanager
    def around(cost: Cost) -> Iterator[None]:
        start_s = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), own_cpu(cost):
            tracker = OfflineEmissionsTracker(
                country_iso_code="FRA",
                save_to_file=False,
                log_level="critical",
                allow_multiple_runs=True,
                measure_power_secs=seconds,
                gpu_ids=gpus or None,
            )
            tracker.start()
            cost.started_s.append(time.perf_counter() - start_s)
            yield
            tracker.stop()

    return around


if __name__ == "__main__":
    main()
