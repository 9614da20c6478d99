#!/usr/bin/env python3
"""One session of the study of phases: every task under every condition, and the probes, in random
order.

The measured loop only takes timestamps; a process of its own reads the meters. What is written:
session.json, windows.jsonl, trace.csv, events.jsonl.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from generation import agenda
from generation.agenda import Item, Probe
from generation.lab import Lab, SessionError
from generation.sandbox import SandboxError
from generation.specification import PhasesSpecification
from metering.host import run_facts, thread_count
from metering.meter import MeterError
from metering.recording import Recording, spec_digest
from metering.sampler import Sampler
from metering.torn import RecordingError
from session.exclusive import INTERRUPTED, BusyError, alone
from session.online import SETTLE_S, cooling_of, stopping_of
from session.preparation import idle_again
from session.progress import Progress
from session.specification import SpecificationError, load, parse
from weights import WeightsError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the session's configuration, as JSON")
    parser.add_argument("--model", required=True, type=Path, help="the model's model.json")
    parser.add_argument("--tasks", required=True, type=Path, help="the workload's JSONL")
    parser.add_argument(
        "--replayed", type=Path, help="windows.jsonl of the session whose outputs are forced"
    )
    parser.add_argument("--out", required=True, type=Path, help="the session's folder")
    parser.add_argument("--partial", required=True, type=Path, help="where unfinished ones stand")
    parser.add_argument("--parent", type=int, help="the process that it ends with")
    args = parser.parse_args()
    try:
        given = load(args.spec, "--spec")
        spec = parse(PhasesSpecification, given, "--spec")
    except SpecificationError as error:
        sys.exit(f"error: {error}")
    try:
        with alone(spec.session, args.partial, args.out, args.parent) as free:
            if free:
                measure(spec, given, args)
    except (
        SessionError,
        MeterError,
        SandboxError,
        WeightsError,
        RecordingError,
        BusyError,
    ) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{spec.session}: {INTERRUPTED}")


def measure(spec: PhasesSpecification, given: Mapping[str, Any], args: argparse.Namespace) -> None:
    """Measures what is left of a session and completes its raw data.

    Args:
        given: The specification as it was given, which the raw data keep.

    Raises:
        SessionError: The device is not there, or the model cannot do what is asked.
        MeterError: The sampler died.
        SandboxError: The checker cannot start.
        WeightsError: The model cannot be loaded.
    """
    digest = spec_digest(given)
    partial = args.partial / f"{spec.session}-{digest[:12]}"
    recording = Recording(partial, args.out, given, "generation", "probe")
    device = choose_device(spec.device)
    for earlier in recording.segments:
        if earlier["device"] != str(device):
            raise SessionError(
                f"{spec.session} was begun on {earlier['device']} and would go on on {device};"
                f" give that device, or delete {recording.partial} to begin again"
            )
    torch.set_num_threads(thread_count(spec.threads))
    facts = {
        **run_facts(Path(__file__).parent),
        "device": str(device),
        "threads": torch.get_num_threads(),
    }
    threads = torch.get_num_threads()
    Progress(spec.session, 1).say(f"loading {spec.model} on {device}, {threads} threads")
    lab = Lab(spec, args.model, args.tasks, args.replayed, device)
    items = {item.name: item for item in lab.items}
    stopping = stopping_of(spec, recording, agenda.rules(spec, lab.items))
    left = stopping.left(items, recording.finished)
    done = len(recording.finished)
    progress = Progress(spec.session, done + len(left), done)
    if recording.finished:
        progress.say(f"goes on after {len(recording.finished)} finished windows")
    if lab.facts["left_out"]:
        progress.say(f"greedy or sampled as configured here, without {lab.facts['left_out']}")
    stats = None
    if left:
        with contextlib.ExitStack() as stack:
            sampler = stack.enter_context(
                Sampler.configured(
                    spec.metering, recording.trace, recording.events, recording.segment
                )
            )
            sampler.announce(progress.say)
            pool = stack.enter_context(lab.checker())
            protections = [vars(p) for p in pool.protections] if pool else []
            for protection in protections:
                if not protection["on"]:
                    progress.say(f"no protection, {protection['name']}: {protection['detail']}")
            recording.begin(
                {**facts, **lab.facts, "meters": sampler.meters, "protections": protections}
            )
            recording.append(lab.prepare(progress))
            cooling = cooling_of(spec, recording, progress.say)
            cooling.remember()
            block = None
            for name in stopping.needed(left, progress.leave_out):
                item = items[name]
                cooled = cooling.wait(name) if item.block != block else []
                block = item.block
                windows = lab.measure(item, pool)
                sampler.check()
                recording.append([*cooled, *windows])
                progress.step(told(item, windows[-1]))
            protocol, idle_s = spec.protocol, spec.metering.idle_s
            recording.append(idle_again(protocol.settle_s, idle_s, progress.say))
            # A slow counter must move once more to cover the last window.
            time.sleep(SETTLE_S)
        stats = sampler.stats
    for line in stopping.lines():
        progress.say(line)
    facts = {"spec_sha256": digest, "sampler": stats, "stopped": stopping.verdicts_told()}
    recording.finish(facts)


def told(item: Item, window: dict[str, Any]) -> str:
    """What was measured, in a few words."""
    if isinstance(item, Probe):
        seconds = (window["end_ns"] - window["start_ns"]) / 1e9
        work = f"{item.task} {item.what} of {item.output_tokens}"
        return f"{work}: {window['count']} times in {seconds:.1f} s"
    return f"{item.task} {item.condition}: {len(window['tokens'])} tokens"


def choose_device(asked: str) -> torch.device:
    """The device that a configuration asks for.

    Raises:
        SessionError: It asks for a GPU that PyTorch cannot use: nothing falls back in silence.
    """
    if asked == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device("cuda:0" if asked == "cuda" else asked)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            why = "" if torch.version.cuda else " (this build of PyTorch has no CUDA)"
            raise SessionError(f"device '{asked}': PyTorch {torch.__version__} sees {count}{why}")
    return device


if __name__ == "__main__":
    main()
