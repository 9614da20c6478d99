#!/usr/bin/env python3
"""How far off energies are, ours and those of other tools, where the truth is known exactly.

Powers whose energy is known are seen through simulated meters (`machine`), in virtual time, by our
own sampler and estimator and by what else there is. Printed, and with --page written between the
marks of docs/metering.md: bias, spread, and how often our 95 % interval holds the truth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import ours
from machine import START_NS, Machine
from powers import POWERS, Power

from analysis.energy.pooling import pool
from publication.markers import replace_marked

# Lengths of windows in seconds, and how many of each in a session.
WINDOWS = {
    **dict.fromkeys((0.005, 0.01, 0.02, 0.05, 0.1), 24),
    **dict.fromkeys((0.2, 0.5, 1.0), 12),
    **{2.0: 8, 5.0: 4, 10.0: 3, 60.0: 1},
}
# Before the first window: a meter needs its start.
LEAD_S = 3.0
PAUSE_S = (0.05, 0.45)
K95 = 1.96
PHASES = 100
OURS = "this workflow"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=7, help="of each power")
    parser.add_argument("--no-peers", action="store_true", help="without other tools")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--page", type=Path, help="the page whose tables to replace")
    args = parser.parse_args()
    found = run(args.sessions, peers=not args.no_peers)
    tables = "\n".join(rendered(found))
    print(tables)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    if args.page:
        args.page.write_text(
            replace_marked(args.page.read_text(), "truth bench", tables, "make truth")
        )


def run(sessions: int, *, peers: bool) -> dict:
    """The errors of every tool: by domain, tool and length of the window."""
    rows: dict[tuple[str, str, float], list[tuple[float, float, float]]] = defaultdict(list)
    by_power: dict[tuple[str, str], list[bool]] = defaultdict(list)
    phases = []
    for name, make in POWERS.items():
        for seed in range(sessions):
            print(f"{name}, session {seed + 1} of {sessions}", file=sys.stderr, flush=True)
            randoms = np.random.default_rng(seed)
            windows = list(_windows(randoms))
            power = make(randoms, windows[-1][1] + 2)
            starts, ends = np.asarray(windows).T
            machine = Machine(power.watts, seed)
            true = machine.joules(ends) - machine.joules(starts)
            curves = ours.curves(machine)
            for domain, curve in curves.items():
                energy = curve.energy(_ns(starts), _ns(ends))
                for at, (start, end) in enumerate(windows):
                    key = domain, OURS, round(end - start, 3)
                    rows[key].append((energy.joules[at], true[at], energy.uncertainty_j[at]))
                inside = np.abs(energy.joules - true) <= K95 * energy.uncertainty_j
                by_power[domain, name] += inside.tolist()
            if peers:
                for tool, domain, joules in _of_peers(power, seed, windows):
                    for (start, end), said, is_true in zip(windows, joules, true, strict=True):
                        said = np.nan if said is None else said
                        rows[domain, tool, round(end - start, 3)].append((said, is_true, np.nan))
            if power.phases:
                phases.append(_pooled(machine, power, curves["gpu"]))
    return {
        "sessions": sessions,
        "windows": [
            {"domain": domain, "tool": tool, "window_s": length, **_errors(np.asarray(values))}
            for (domain, tool, length), values in rows.items()
        ],
        "coverage": [
            {"domain": domain, "power": name, "coverage": float(np.mean(inside))}
            for (domain, name), inside in by_power.items()
        ],
        "pooled": phases,
    }


def _windows(randoms: np.random.Generator) -> Iterator[tuple[float, float]]:
    """(start, end) of windows of all lengths in random order, one after the other."""
    lengths = [length for length, count in WINDOWS.items() for _ in range(count)]
    at = LEAD_S
    for length in randoms.permutation(lengths):
        at += randoms.uniform(*PAUSE_S)
        yield at, at + length
        at += length


def _of_peers(power: Power, seed: int, windows: list) -> Iterator[tuple[str, str, list]]:
    """(tool, domain, joules) of the other tools, each on a machine of its own."""
    from peers import tools

    for name in tools(Machine(power.watts, seed)):
        tool = tools(Machine(power.watts, seed))[name]
        yield name, tool.domain, tool.energies_j(windows)


def _pooled(machine: Machine, power: Power, curve) -> dict:
    """The mean energy of short phases: pooled, averaged from interpolation, and by the counter's
    difference, each less the truth, relative."""
    kinds = {kind: (s[3 : 3 + PHASES], e[3 : 3 + PHASES]) for kind, (s, e) in power.phases.items()}
    starts, ends = kinds["prefill"]
    true = float(np.mean(machine.joules(ends) - machine.joules(starts)))
    made = pool(curve, {kind: (_ns(s), _ns(e)) for kind, (s, e) in kinds.items()})
    shown = []
    for start, end in zip(starts, ends, strict=True):
        edges = []
        for machine.now_s in (start, end):
            edges.append(machine.gpu_energy_mj())
        shown.append((edges[1] - edges[0]) / 1e3)
    return {
        "pooled": made["prefill"].each_j / true - 1,
        "pooled_u": made["prefill"].each_u_j / true,
        "interpolated": float(np.mean(curve.energy(_ns(starts), _ns(ends)).joules)) / true - 1,
        "single_difference": float(np.median(np.abs(np.asarray(shown) / true - 1))),
    }


def _ns(seconds) -> np.ndarray:
    return START_NS + np.round(np.asarray(seconds) * 1e9).astype(np.int64)


def _errors(values: np.ndarray) -> dict:
    """Of windows of one length: bias and spread relative to their mean energy, coverage of the
    stated 95 % interval, and how many have a figure."""
    said, true, uncertainty = values.T
    known = ~np.isnan(said)
    off = (said - true)[known] / true[known]
    stated = known & ~np.isnan(uncertainty)
    inside = np.abs(said - true)[stated] <= K95 * uncertainty[stated]
    return {
        "windows": len(said),
        "said": int(known.sum()),
        "bias": float(off.mean()) if len(off) else None,
        "median_off": float(np.median(np.abs(off))) if len(off) else None,
        "rms_off": float(np.sqrt(np.mean(off**2))) if len(off) else None,
        "coverage": float(inside.mean()) if stated.any() else None,
    }


def rendered(found: dict) -> Iterator[str]:
    """The figures as Markdown."""
    lengths = sorted({row["window_s"] for row in found["windows"]})
    for domain, meter in (("gpu", "NVML, as of an H100"), ("cpu", "RAPL")):
        rows = [row for row in found["windows"] if row["domain"] == domain]
        by = {(row["tool"], row["window_s"]): row for row in rows}
        tools = list(dict.fromkeys(row["tool"] for row in rows))
        yield f"**{meter}**: error of a window's energy, root mean square (bias), in percent"
        yield ""
        yield "| | " + " | ".join(_length(length) for length in lengths) + " |"
        yield "|---|" + "---|" * len(lengths)
        for tool in tools:
            cells = [_cell(by.get((tool, length))) for length in lengths]
            yield f"| {tool} | " + " | ".join(cells) + " |"
        cells = [f"{by[OURS, length]['coverage']:.1%}" for length in lengths]
        yield f"| our 95 % interval holds the truth in | {' | '.join(cells)} |"
        yield ""
        inside = sum(
            by[OURS, length]["coverage"] * by[OURS, length]["windows"] for length in lengths
        )
        count = sum(by[OURS, length]["windows"] for length in lengths)
        powers = [row for row in found["coverage"] if row["domain"] == domain]
        words = ", ".join(f"{row['power']} {row['coverage']:.1%}" for row in powers)
        yield f"Over all {count:,} windows: {inside / count:.1%}; by the power: {words}."
        yield ""
    pooling = found["pooled"]
    off = np.asarray([one["pooled"] for one in pooling])
    z = np.asarray([one["pooled"] / one["pooled_u"] for one in pooling])
    plain = np.mean([one["interpolated"] for one in pooling])
    single = np.median([one["single_difference"] for one in pooling])
    yield (
        f"**A phase of 20 ms, {PHASES} of them pooled**, {len(pooling)} sessions: error"
        f" {np.sqrt(np.mean(off**2)):.1%} root mean square, at most {np.abs(off).max():.1%};"
        f" {np.sqrt(np.mean(z**2)):.1f} of the stated standard uncertainty. The mean of what"
        f" interpolation gives each is off by {plain:+.0%}, a single difference of the counter by"
        f" {single:.0%} (median)."
    )


def _length(seconds: float) -> str:
    return f"{seconds * 1e3:g} ms" if seconds < 1 else f"{seconds:g} s"


def _cell(row: dict | None) -> str:
    if row is None or row["said"] == 0:
        return "–"
    text = f"{100 * row['rms_off']:.3g} ({100 * row['bias']:+.2g})"
    return (
        text
        if row["said"] == row["windows"]
        else f"{text}, none for {row['windows'] - row['said']}"
    )


if __name__ == "__main__":
    main()
