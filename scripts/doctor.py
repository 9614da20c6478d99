#!/usr/bin/env python3
"""Says in one screen what this machine's meters are like, what is missing, what it can resolve."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metering import discovery, rapl
from metering.counters import PACKAGE_POWER_BOUND_W, max_gap_s
from metering.examine import examined, read_densely, resolved_s
from metering.host import host_facts
from metering.meter import Meter, MeterError, one_line
from metering.sampler import Sampler

WIDTH = 100
SHARES = (0.05, 0.02, 0.01)
# As in analysis.curves: how uncertain the common delay of NVML's values is.
NVML_DELAY_U_S = 0.003


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="to read each meter for")
    parser.add_argument("--period-s", type=float, default=0.05, help="metering.period_s")
    parser.add_argument("--resolve-periods", type=float, default=2.0)
    parser.add_argument("--want", default="cpu,gpu", help="kinds of meters, by comma")
    parser.add_argument("--out", type=Path, help="where to keep the answer: NAME.txt, NAME.json")
    parser.add_argument("--powercap-root", type=Path, default=rapl.POWERCAP_ROOT, help="for tests")
    parser.add_argument("--proc-root", type=Path, default=Path("/proc"), help="for tests")
    args = parser.parse_args()
    try:
        found = look(args)
    except MeterError as error:
        sys.exit(f"error: {error}")
    text = "\n".join(rendered(found)) + "\n"
    print(text, end="")
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.with_suffix(".txt").write_text(text)
        args.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


def look(args: argparse.Namespace) -> dict[str, Any]:
    """All that is found, with units in the names.

    Raises:
        MeterError: A kind of meter that does not exist was asked for.
    """
    want = [kind for kind in args.want.split(",") if kind]
    meters, missing = discovery.discover(want, None, args.powercap_root, args.proc_root)
    records = []
    for meter in meters:
        domain = meter.domain.domain
        print(f"reading {domain} for {args.seconds:g} s ...", file=sys.stderr, flush=True)
        records.append(_meter(meter, args))
        meter.close()
    print("running the sampler for 4 s ...", file=sys.stderr, flush=True)
    return {
        "host": host_facts(args.proc_root),
        "meters": records,
        "missing": [lack.as_dict() for lack in missing],
        "sampler": _sampler(args, want),
        "period_s": args.period_s,
    }


def _meter(meter: Meter, args: argparse.Namespace) -> dict[str, Any]:
    domain = meter.domain
    record: dict[str, Any] = {**domain.as_dict(), "quantities": [], "lost": None, "state": {}}
    try:
        readings, wall_s, cpu_s = read_densely(meter, args.seconds)
        record["state"] = {r.quantity: r.value for r in meter.read_slow()}
    except Exception as error:  # whatever the device raises: it is lost, and that is the finding
        return {**record, "lost": one_line(error)}
    for quantity in dict.fromkeys(r.quantity for r in readings):
        one = examined(domain.domain, quantity, readings, domain.max_range, wall_s, cpu_s)
        record["quantities"].append(dataclasses.asdict(one))
    interval_s = _interval_s(record, args.period_s)
    record["interval_s"] = interval_s
    if interval_s is not None:
        delay_s = NVML_DELAY_U_S if domain.meter == "nvml" else 0.0
        record["shortest_s"] = args.resolve_periods * interval_s
        record["resolved_s"] = {
            f"{share:g}": resolved_s(interval_s, delay_s, share) for share in SHARES
        }
    if domain.max_range is not None:
        record["wraps_at_bound_s"] = max_gap_s(domain.max_range, PACKAGE_POWER_BOUND_W)
    return record


def _interval_s(record: Mapping[str, Any], period_s: float) -> float | None:
    """How often the trace has news of a domain: the driver's samples, else the counter as it is
    sampled."""
    updates = {q["quantity"]: q["update_s"] for q in record["quantities"]}
    if record["details"].get("power") == "samples" and updates.get("power"):
        return updates["power"]
    known = updates.get(record["quantity"])
    return None if known is None else max(known, period_s)


def _sampler(args: argparse.Namespace, want: list[str]) -> dict[str, float] | None:
    options = ["--powercap-root", str(args.powercap_root), "--proc-root", str(args.proc_root)]
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "trace.csv"), Path(folder, "events.jsonl")
        try:
            started_s = time.monotonic()
            with Sampler(*files, period_s=args.period_s, want=want, options=options) as sampler:
                first_s = time.monotonic() - started_s
                time.sleep(4.0)
        except MeterError:
            return None
    stats = sampler.stats
    return {"core_share": stats["cpu_s"] / stats["wall_s"], "first_sample_s": first_s}


def rendered(found: Mapping[str, Any]) -> Iterator[str]:
    """The answer as lines of text."""
    host = found["host"]
    memory = host["memory_bytes"] and f"{host['memory_bytes'] / 2**30:.0f} GiB"
    virtual = "virtual machine" if host["virtualisation"]["hypervisor"] else None
    facts = [host["cpu_model"] or "unknown processor", f"{host['logical_cpus']} CPUs", memory]
    yield _cut("machine   " + ", ".join(word for word in (*facts, virtual) if word))
    for gpu in host["gpus"] or []:
        limit = gpu.get("power_limit_mw")
        words = [gpu["domain"], gpu.get("name"), f"driver {gpu.get('driver_version')}"]
        words += [f"limit {limit / 1000:.0f} W"] if limit else []
        yield _cut("          " + ", ".join(filter(None, words)))
    yield ""
    yield from _table(found)
    yield ""
    yield from _windows(found)
    for lack in found["missing"]:
        yield _cut(f"missing   {lack['meter']}: {lack['why']}")
        yield from _folded(f"          do: {lack['remedy']}")
    yield from _spoils(found)


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    form = "{:<14} {:<9} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}"
    yield form.format(
        *("meter", "read", "update", "late", "step", "read", "of CPU", "at rest", "noise")
    )
    for record in found["meters"]:
        if record["lost"]:
            yield _cut(f"{record['domain']:<14} lost while it was read: {record['lost']}")
        for q in record["quantities"]:
            unit = "J" if q["quantity"] == "energy" else "W"
            yield form.format(
                record["domain"],
                q["quantity"],
                _number(q["update_s"], 1e3, "ms"),
                _number(q["late_s"], 1e3, "ms"),
                _number(q["step"], 1, unit),
                _number(q["read_wall_s"], 1e3, "ms"),
                _number(q["read_cpu_s"], 1e3, "ms"),
                _number(q["power_w"], 1, "W"),
                _number(q["noise_w"], 1, "W"),
            )
    if not found["meters"]:
        yield "no meter was found"


def _windows(found: Mapping[str, Any]) -> Iterator[str]:
    for record in found["meters"]:
        if record["estimate"]:
            yield f"windows   {record['domain']}: an estimate follows how long the CPUs were busy;"
            yield "          it resolves time, not energy: quote no joule of it"
        elif record.get("interval_s") is not None:
            lengths = [
                f"to {float(share):.0%} from {_length(seconds)}"
                for share, seconds in record["resolved_s"].items()
            ]
            yield _cut(
                f"windows   {record['domain']}: resolved from"
                f" {_length(record['shortest_s'])}; known " + ", ".join(lengths)
            )
        elif not record["lost"]:
            yield f"windows   {record['domain']}: none, the counter did not move while it was read"
        if (wraps_s := record.get("wraps_at_bound_s")) is not None:
            power_w = next((q["power_w"] for q in record["quantities"] if q["power_w"]), None)
            now = (
                ""
                if power_w is None
                else f" ({wraps_s * PACKAGE_POWER_BOUND_W / power_w:.0f} s now)"
            )
            yield (
                f"          wraps around every {wraps_s:.0f} s at {PACKAGE_POWER_BOUND_W:g} W{now}:"
                " sample more often"
            )
    sampler = found["sampler"]
    if sampler is not None:
        yield (
            f"sampler   {sampler['core_share']:.2%} of one core at a period of"
            f" {found['period_s']:g} s; first sample after {sampler['first_sample_s']:.1f} s"
        )


def _spoils(found: Mapping[str, Any]) -> Iterator[str]:
    """What would spoil a measurement now."""
    host, words = found["host"], []
    load = host["load_average"]
    if load and load[0] > 0.3 * (host["logical_cpus"] or 1):
        words.append(f"load average {load[0]:.1f}: other programs use the processors")
    if host["governors"] and host["governors"] != ["performance"]:
        words.append(f"CPU governor {', '.join(host['governors'])}: clocks follow the load")
    if host["cgroup_cpu_limit"] is not None:
        words.append(f"CPU limit of this container: {host['cgroup_cpu_limit']:g} CPUs")
    for record in found["meters"]:
        state = record["state"]
        if state.get("foreign_processes"):
            count = state["foreign_processes"]
            words.append(f"{record['domain']}: {count} other process(es) on the GPU")
        if int(state.get("throttle_reasons", 0)) & ~0b1_0000_0011:
            words.append(f"{record['domain']}: throttled now")
    if os.environ.get("CUDA_VISIBLE_DEVICES") is not None:
        words.append(f"CUDA_VISIBLE_DEVICES={os.environ['CUDA_VISIBLE_DEVICES']}")
    for word in words:
        yield _cut(f"mind      {word}")


def _number(value: float | None, scale: float, unit: str) -> str:
    return "-" if value is None else f"{value * scale:.3g} {unit}"


def _length(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2g} s"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _folded(line: str) -> Iterator[str]:
    words, indent = line.split(" "), " " * 14
    current = ""
    for word in words:
        if len(current) + len(word) + 1 > WIDTH:
            yield current
            current = indent + word
        else:
            current = f"{current} {word}" if current or word == "" else word
    yield current


if __name__ == "__main__":
    main()
