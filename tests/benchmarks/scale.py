#!/usr/bin/env python3
"""Time and memory of the analysis against the number of windows, which should be linear.

Synthesises a campaign of several rounds, as it stands on disk after measuring: windows of a fifth
of a second on a GPU of known power with a counter and power samples 20 ms apart, and a processor
with RAPL. Then the tables' program of the study of runtimes analyses each size, raw data to all
tables. Prints windows, sessions, lines of the traces, seconds, peak memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import numpy as np
import pyarrow as pa
from pyarrow import csv

from metering.activity import process_tree
from metering.trace import Sample

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS, BATCHES = 5, (1, 8, 32)
RUNTIMES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}
SCRIPTS = Path(__file__).parents[2] / "scripts"
WINDOW_S, PAUSE_S, IDLE_S = 0.2, 0.01, 10.0
START_NS, RANGE_UJ = 1_000_000_000_000, 262_143_328_850
GPU = {
    "domain": "gpu:0",
    "meter": "nvml",
    "source": "nvml",
    "unit": "mJ",
    "label": "GPU 0, NVIDIA H100 (NVML, whole board)",
    "quantity": "energy",
    "estimate": False,
    "max_range": None,
    "details": {"name": "NVIDIA H100", "power": "samples"},
}
RAPL = {
    "domain": "cpu:package-0",
    "meter": "rapl",
    "source": "powercap",
    "unit": "uJ",
    "label": "CPU package 0 (RAPL)",
    "quantity": "energy",
    "estimate": False,
    "max_range": RANGE_UJ,
    "details": {"zone": "intel-rapl:0"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="windows in all")
    parser.add_argument("--workers", type=int, default=2, help="of the tables' program")
    parser.add_argument("--folder", type=Path, help="where to keep the campaigns")
    args = parser.parse_args()
    print("| windows | sessions | lines of traces | seconds | peak memory, MiB |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for size in args.sizes:
            campaign = Path(folder) / f"w{size}"
            lines = synthesise(campaign, size)
            seconds, mib = tables(campaign, args.workers)
            count = ROUNDS * len(RUNTIMES)
            print(f"| {size:,} | {count} | {lines:,} | {seconds:.1f} | {mib:.0f} |", flush=True)


def tables(campaign: Path, workers: int) -> tuple[float, float]:
    """Seconds that the tables' program takes, and MiB at most of all of its processes together."""
    command = [sys.executable, str(SCRIPTS / "tables_runtimes.py")]
    command += ["--sessions", *map(str, sorted(campaign.rglob("session.json")))]
    command += ["--out", str(campaign / "tables"), "--workers", str(workers)]
    start_s, most = time.monotonic(), 0.0
    with subprocess.Popen(command) as program:
        while program.poll() is None:
            most = max(most, sum(resident_mib(pid) for pid in process_tree(program.pid)))
            time.sleep(0.1)
    if program.returncode:
        raise SystemExit(f"the analysis failed with status {program.returncode}")
    return time.monotonic() - start_s, most


def resident_mib(pid: int) -> float:
    """Memory of a process, what it shares with others counted in part; none where it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return (
        next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
    )


def synthesise(campaign: Path, windows: int) -> int:
    """Writes the raw data of a campaign of about so many windows; gives the lines of its traces."""
    each = max(len(BATCHES), windows // (ROUNDS * len(RUNTIMES)))
    lines = 0
    for round_ in range(1, ROUNDS + 1):
        for number, system in enumerate(RUNTIMES):
            lines += _session(campaign, system, round_, each, round_ * 100 + number)
    return lines


def _session(campaign: Path, system: str, round_: int, count: int, seed: int) -> int:
    randoms = np.random.default_rng(seed)
    name = f"network-init__{system}__cuda__r{round_}"
    folder = campaign / "raw" / name
    folder.mkdir(parents=True)
    starts_s = IDLE_S + 4 + np.arange(count) * (WINDOW_S + PAUSE_S)
    seconds = starts_s[-1] + WINDOW_S + 2
    batches = np.asarray(BATCHES)[np.arange(count) % len(BATCHES)]
    # The power steps from window to window, and rests in between and at first.
    edges_s = np.stack([starts_s, starts_s + WINDOW_S], axis=1).ravel()
    watts = np.stack([300 + 5.0 * batches, np.full(count, 110.0)], axis=1).ravel()
    watts = np.concatenate([[110.0], watts * randoms.normal(1, 0.05)])
    times_s = np.concatenate([[0.0], edges_s, [seconds + 1]])
    joules = np.concatenate([[0.0], np.cumsum(np.diff(times_s) * watts)])

    def upto(at_s: np.ndarray) -> np.ndarray:
        return np.interp(at_s, times_s, joules)

    lines = _trace(folder / "trace.csv", seconds, upto, randoms)
    segment = {
        "segment": 1,
        "started_utc": "2026-01-01T00:00:00+00:00",
        "host": {"cpu_model": "A Processor", "logical_cpus": 2, "gpus": None},
        "code": {"commit": None, "dirty": None},
        "device": "cuda:0",
        "threads": 1,
        "layout": "NCHW",
        "precision": "float32",
        "allocator": {"growth": True},
        "framework": {"name": "PyTorch", "version": "1.2.3"},
        "meters": {"found": [GPU, RAPL], "missing": []},
        "protections": [],
    }
    spec = {
        "session": name,
        "campaign": campaign.name,
        "model": "network-init",
        "system": system,
        "origin": None,
        "title": RUNTIMES[system],
        "provider": "cuda",
        "round": round_,
        "seed": 1,
        "batch_sizes": list(BATCHES),
        "window_s": WINDOW_S,
        "repetitions": count // len(BATCHES),
        "threads": 1,
        "precision": "float32",
        "parity_tolerance": 1e-5,
    }
    facts = {
        **{"format": 1, "study": "runtimes", "spec": spec, "segments": [segment]},
        **{"sampler": None, "parity": [], "excluded": None, "absent": {}},
    }
    (folder / "session.json").write_text(json.dumps(facts))
    (folder / "events.jsonl").write_text("")
    with (folder / "windows.jsonl").open("w") as file:
        idle = {"segment": 1, "kind": "idle", "start_ns": _ns(3), "end_ns": _ns(3 + IDLE_S)}
        file.write(json.dumps(idle) + "\n")
        for number, (start_s, batch) in enumerate(zip(starts_s, batches.tolist(), strict=True)):
            repetition = number // len(BATCHES)
            window = {
                "segment": 1,
                "kind": "inference",
                "inference": f"b{batch}:{repetition}",
                "batch": batch,
                "repetition": repetition,
                "inferences": 20,
                "user_s": WINDOW_S,
                "system_s": 0.0,
                "machine_busy_s": WINDOW_S,
                "start_ns": _ns(start_s),
                "end_ns": _ns(start_s + WINDOW_S),
            }
            file.write(json.dumps(window) + "\n")
    return lines


def _trace(path: Path, seconds: float, upto, randoms: np.random.Generator) -> int:
    """A counter that moves every 100 ms, read about once a second and closely at first and every
    8 s; samples; RAPL; what is read once a second."""
    looks = [np.arange(0, 1.2, 0.004)]
    looks += [np.arange(t, t + 0.14, 0.004) for t in np.arange(8, seconds, 8)]
    read_s = np.unique(np.concatenate([np.arange(0, seconds, 1.1), *looks]))
    move_s = np.floor(read_s * 10) / 10
    sample_s = np.arange(0.02, seconds, 0.02)
    mean_w = (upto(sample_s) - upto(sample_s - 0.02)) / 0.02
    rapl_s = np.arange(0, seconds, 0.05)
    rapl_s = rapl_s + randoms.uniform(0, 1e-3, len(rapl_s))
    slow_s = np.arange(0, seconds, 1.0)
    raw_uj = (0.3 * upto(rapl_s) * 1e6 + RANGE_UJ / 2).astype(np.int64) % RANGE_UJ
    parts = [
        (read_s, "gpu:0", "energy", (upto(move_s) * 1000).astype(np.int64), "mJ", "nvml"),
        (sample_s, "gpu:0", "power", (mean_w * 1000).astype(np.int64), "mW", "nvml:samples"),
        (rapl_s, "cpu:package-0", "energy", raw_uj, "uJ", "powercap"),
    ]
    for quantity, value in (("temperature", 55), ("clock_sm", 1980), ("throttle_reasons", 0)):
        parts.append((slow_s, "gpu:0", quantity, np.full(len(slow_s), value), "1", "nvml"))
    times = np.concatenate([_ns(part[0]) for part in parts])
    order = np.argsort(times, kind="stable")
    columns = {"segment": np.ones(len(times), np.int8), "t_ns": times[order]}
    for place, column in ((1, "domain"), (2, "quantity"), (4, "unit"), (5, "source")):
        words = pa.array([part[place] for part in parts])
        which = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])[order]
        columns[column] = words.take(pa.array(which))
    columns["value"] = np.concatenate([part[3] for part in parts])[order]
    made = pa.table({name: columns[name] for name in Sample._fields})
    with path.open("wb") as file:
        file.write((",".join(Sample._fields) + "\n").encode())
        plain = csv.WriteOptions(include_header=False, quoting_style="none")
        csv.write_csv(made, file, plain)
    return len(times)


def _ns(seconds) -> np.ndarray | int:
    found = START_NS + np.round(np.asarray(seconds) * 1e9).astype(np.int64)
    return found if found.ndim else int(found)


if __name__ == "__main__":
    main()
