#!/usr/bin/env python3
"""The session of the study of the meters: loads whose work is known, in windows of many lengths.

The same work in long windows says what it takes; so the short ones say how far off a meter and its
estimate are. What is written: session.json, windows.jsonl, trace.csv, events.jsonl.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import dataclasses
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from loads.plan import Window, planned
from loads.specification import MetersSpecification
from loads.tools import installed, opened
from loads.work import Loads, Marks
from metering.host import run_facts
from metering.recording import Recording, spec_digest
from metering.sampler import Sampler
from session.exclusive import INTERRUPTED, alone
from session.online import SETTLE_S
from session.preparation import STRETCH_S, idle_again, rest_and_idle, unsettled, warm_up
from session.progress import Progress
from session.specification import SpecificationError, load, parse

# Before each window, at random, so that it meets the meter's moves anywhere; long enough for the
# power of what was before to be seen to end.
PAUSE_S = (0.2, 0.4)
WARMUP_S = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the session's configuration, as JSON")
    parser.add_argument("--out", required=True, type=Path, help="the session's folder")
    parser.add_argument("--partial", required=True, type=Path, help="where unfinished ones stand")
    parser.add_argument("--parent", type=int, help="the process that it ends with")
    args = parser.parse_args()
    try:
        given = load(args.spec, "--spec")
        spec = parse(MetersSpecification, given, "--spec")
    except SpecificationError as error:
        sys.exit(f"error: {error}")
    try:
        with alone(spec.session, args.partial, args.out, args.parent) as free:
            if free:
                measure(spec, given, args.out, args.partial)
    except RuntimeError as error:  # of a meter, the recording, or PyTorch
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(f"{spec.session}: {INTERRUPTED}")


def measure(spec: MetersSpecification, given: Mapping[str, Any], out: Path, partial: Path) -> None:
    """Measures what is left of the session and completes its raw data.

    Args:
        given: The specification as it was given, which the raw data keep.

    Raises:
        MeterError: The sampler died.
        RuntimeError: The device is not there.
    """
    digest = spec_digest(given)
    recording = Recording(partial / f"{spec.session}-{digest[:12]}", out, given, "load")
    device = torch.device(_device(spec.device))
    tools = installed() if spec.tools == "auto" else {}
    windows = planned(spec, list(tools))
    left = [window for window in windows if window.name not in recording.finished]
    progress = Progress(spec.session, len(windows), done=len(windows) - len(left))
    stats = None
    if left:
        progress.say(f"making the loads on {device}; other tools: {', '.join(tools) or 'none'}")
        loads = Loads(device, spec.seed)
        around = opened(list(tools), device.index if device.type == "cuda" else None)
        with Sampler.configured(
            spec.metering, recording.trace, recording.events, recording.segment
        ) as sampler:
            sampler.announce(progress.say)
            facts = run_facts(Path(__file__).parent)
            own = {"device": str(device), "tools": tools, "operations": loads.counts}
            recording.begin({**facts, **own, "meters": sampler.meters})
            recording.append(_prepared(spec, loads, progress))
            randoms = random.Random(spec.seed)
            for window in left:
                time.sleep(randoms.uniform(*PAUSE_S))
                line = _measured(window, loads, around[window.tool])
                sampler.check()
                recording.append([line])
                progress.step(f"{window.name}: {line['units']} units")
            protocol, idle_s = spec.protocol, spec.metering.idle_s
            recording.append(idle_again(protocol.settle_s, idle_s, progress.say))
            # A slow counter must move once more to cover the last window.
            time.sleep(SETTLE_S)
        stats = sampler.stats
    recording.finish({"study": "metering", "spec_sha256": digest, "sampler": stats})


def _prepared(spec: MetersSpecification, loads: Loads, progress: Progress) -> list[dict[str, Any]]:
    """Warms up on every load, rests, records idle."""
    start_ns, warm = time.monotonic_ns(), {}
    for name in spec.loads:
        unit = loads.units[name]

        def stretch(unit=unit) -> float:
            done, start_s = 0, time.monotonic()
            while time.monotonic() - start_s < STRETCH_S:
                unit()
                done += 1
            return done / (time.monotonic() - start_s)

        warm = warm_up(stretch, WARMUP_S, spec.protocol)
        if (line := unsettled(warm, spec.protocol)) is not None:
            progress.say(f"{name}: {line}")
    edges = {"start_ns": start_ns, "end_ns": time.monotonic_ns()}
    rest = rest_and_idle(spec.protocol.settle_s, spec.metering.idle_s, progress.say)
    return [{"kind": "warmup", **edges, **warm}, *rest]


def _measured(window: Window, loads: Loads, around) -> dict[str, Any]:
    """Whole units for as long as the window should last; what else measures reads outside."""
    unit = loads.units[window.load]
    lead_ns = time.monotonic_ns()
    unit()
    units = max(1, round(window.length_s * 1e9 / (time.monotonic_ns() - lead_ns)))
    marks = loads.marks = Marks()
    with around(window.name) as said:
        start_ns = time.monotonic_ns()
        for _ in range(units):
            unit()
        end_ns = time.monotonic_ns()
    loads.marks = None
    line = {
        "kind": "load",
        **dataclasses.asdict(window),
        "what": window.load,
        "load": window.name,
        # One unit more, right before the window: from rest to rest it is units + 1.
        "lead_ns": lead_ns,
        "start_ns": start_ns,
        "end_ns": end_ns,
        "units": units,
        "tool_j": said(),
    }
    return line | {name: value for name, value in vars(marks).items() if value}


def _device(asked: str) -> str:
    if asked == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(f"device '{asked}': PyTorch {torch.__version__} sees no GPU")
    return "cuda:0" if asked == "cuda" else asked


if __name__ == "__main__":
    main()
