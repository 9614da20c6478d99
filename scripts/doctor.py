#!/usr/bin/env python3
"""Says in one screen what this machine's meters are like, what is missing, what it can resolve."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metering import discovery
from metering.characteristics import Characteristics, characterise, read_densely, shortest_window_s
from metering.counters import PACKAGE_POWER_BOUND_W
from metering.host import host_facts
from metering.meter import Domain, Meter, MeterError, error_message
from metering.pace import START_UP_S
from metering.sampler import DEFAULT_PERIOD_S, Sampler
from metering.screen import render
from metering.trace import Sample, read_trace

SHARES = (0.05, 0.02, 0.01)
# As in analysis.curves: how uncertain the common delay of NVML's values is.
NVML_DELAY_U_S = 0.003
# How long to read a meter: many share the time, down to what shows a grid and the noise.
READ_S, SHORTEST_READ_S, ALL_S = 4.0, 2.0, 12.0
# How long to run the sampler: what it costs is told without its start-up.
SAMPLER_S = START_UP_S + 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--seconds", type=_positive, help="to read each meter for (default: 4; less of many)")
    add("--period-s", type=_positive, default=DEFAULT_PERIOD_S, help="metering.period_s")
    add("--resolve-periods", type=_positive, default=2.0, help="analysis.resolve_periods")
    add("--want", default=",".join(discovery.KINDS), help="kinds of meters, by comma")
    add("--out", type=Path, help="where to keep the answer: NAME.txt, NAME.json")
    discovery.add_options(parser)
    args = parser.parse_args()
    try:
        found = diagnose(args)
        text = "\n".join(render(found)) + "\n"
        print(text, end="", flush=True)
        if args.out:
            _save(found, text, args.out)
    except MeterError as error:
        sys.exit(f"error: {error}")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: give a number above zero")
    return value


def _save(found: Mapping[str, Any], text: str, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".txt").write_text(text, encoding="utf-8")
        out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        why = f"cannot keep the answer in {out.parent}: {error.strerror}"
        raise MeterError(f"{why}; give --out a path that is writable") from None


def diagnose(args: argparse.Namespace) -> dict[str, Any]:
    """All that is found, with units in the names.

    Raises:
        MeterError: A kind of meter that does not exist was asked for.
    """
    want = [kind for kind in args.want.split(",") if kind]
    # First: what follows is a load itself.
    host = host_facts(args.proc_root)
    meters, missing = discovery.discover(want, None, **discovery.options(args))
    shared_s = max(SHORTEST_READ_S, min(READ_S, ALL_S / max(1, len(meters))))
    seconds = args.seconds or shared_s
    sampling_s = args.seconds or SAMPLER_S
    print(f"running the sampler for {sampling_s:g} s ...", file=sys.stderr, flush=True)
    sampler, rest = _run_sampler(args, want, sampling_s)
    records = []
    for meter in meters:
        domain = meter.domain.domain
        print(f"reading {domain} for {seconds:g} s ...", file=sys.stderr, flush=True)
        records.append(_characterise_meter(meter, args, seconds, rest.get(domain, [])))
        meter.close()
    return {
        "host": host,
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "meters": records,
        "missing": [lack.as_dict() for lack in missing],
        "sampler": sampler,
        "period_s": args.period_s,
    }


def _characterise_meter(
    meter: Meter, args: argparse.Namespace, seconds: float, rest: Sequence[Sample]
) -> dict[str, Any]:
    domain = meter.domain
    record: dict[str, Any] = {**domain.as_dict(), "quantities": [], "lost": None, "state": {}}
    try:
        readings, wall_s, cpu_s = read_densely(meter, seconds)
        record["state"] = {r.quantity: r.value for r in meter.read_slow()}
    except Exception as error:  # whatever the device raises: it is lost, and that is the finding
        return {**record, "lost": error_message(error.__cause__ or error)}
    for quantity in dict.fromkeys(r.quantity for r in readings):
        beside = quantity == "power" and domain.quantity != "power"
        scale = domain.power_scale if beside else domain.scale
        about = domain.domain, quantity
        cost = domain.max_range, wall_s, cpu_s, scale
        one = characterise(*about, readings, *cost)
        if domain.kind != "gpu":
            # Reading densely keeps a core busy: a processor rests while it is only sampled.
            at_rest = characterise(*about, rest, *cost)
            one = dataclasses.replace(one, power_w=at_rest.power_w, noise_w=at_rest.noise_w)
        record["quantities"].append(dataclasses.asdict(_declared(one, domain)))
    interval_s = _interval_s(record, args.period_s)
    record["interval_s"] = interval_s
    if interval_s is not None:
        delay_s = NVML_DELAY_U_S if domain.meter == "nvml" else 0.0
        record["shortest_s"] = args.resolve_periods * interval_s
        record["resolved_s"] = {
            f"{share:g}": shortest_window_s(interval_s, delay_s, share) for share in SHARES
        }
    if domain.max_range is not None:
        record["wraps_at_bound_s"] = domain.max_range * domain.scale / PACKAGE_POWER_BOUND_W
    return record


def _declared(one: Characteristics, domain: Domain) -> Characteristics:
    """An estimate moves as often as CPUs are busy: what it can show is declared, not seen."""
    if not domain.estimate:
        return one
    return dataclasses.replace(one, update_s=domain.period_s, late_s=None)


def _interval_s(record: Mapping[str, Any], period_s: float) -> float | None:
    """How often the trace has news of a domain: the driver's samples, else the counter as it is
    sampled."""
    updates = {q["quantity"]: q["update_s"] for q in record["quantities"]}
    if record["details"].get("power") == "samples" and updates.get("power"):
        return updates["power"]
    known = updates.get(record["quantity"])
    return None if known is None else max(known, period_s)


def _run_sampler(
    args: argparse.Namespace, want: Sequence[str], seconds: float
) -> tuple[dict[str, Any], dict[str, list[Sample]]]:
    """What the sampler costs, or why it does not run; and by domain what it read."""
    options = ["--powercap-root", str(args.powercap_root), "--proc-root", str(args.proc_root)]
    options += ["--hwmon-root", str(args.hwmon_root)]
    rest: dict[str, list[Sample]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        trace, events = Path(folder, "trace.csv"), Path(folder, "events.jsonl")
        try:
            started_s = time.monotonic()
            with Sampler(
                trace,
                events,
                period_s=args.period_s,
                want=want,
                wall=args.wall,
                options=options,
            ) as sampler:
                first_s = time.monotonic() - started_s
                time.sleep(seconds)
        except MeterError as error:
            return {"why": str(error)}, rest
        for sample in read_trace(trace):
            rest[sample.domain].append(sample)
    stats = sampler.stats
    phase = "steady_" if stats.get("steady_wall_s", 0.0) >= 1.0 else ""
    share = stats[f"{phase}cpu_s"] / stats[f"{phase}wall_s"]
    return {"core_share": share, "first_sample_s": first_s}, rest


if __name__ == "__main__":
    main()
