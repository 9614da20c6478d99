#!/usr/bin/env python3
"""One session of the study of runtimes: one network, one runtime, one provider, every batch size.

The measured loop only runs inferences between two readings of the clock; a process of its own reads
the meters. What is written: session.json, windows.jsonl, trace.csv, events.jsonl. A session that
may not be measured writes why instead.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import dataclasses
import json
import math
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.runtimes.providers import AUTO, on_gpu
from metering.cells import cell_of
from metering.estimate import busy_s
from metering.host import run_facts, thread_count
from metering.meter import MeterError, error_message
from metering.recording import Recording, spec_digest
from metering.sampler import Sampler
from metering.torn import RecordingError
from runtimes import RuntimeUnavailableError, gate
from runtimes.base import (
    Backend,
    Executable,
    Settings,
    compute,
    environment,
    import_failure,
    load_backend,
    must_restart,
)
from runtimes.network import Network, relative_error
from session.exclusive import INTERRUPTED, BusyError, alone
from session.online import SETTLE_S, cooling_of, stopping_of
from session.preparation import STRETCH_S, idle_again, rest_and_idle, unsettled, warm_up
from session.progress import Progress
from session.stopping import most

# Inferences beyond those that just fill a window at the speed seen so far.
MARGIN = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the session's configuration, as JSON")
    parser.add_argument("--network", required=True, type=Path, help="the network.json")
    parser.add_argument("--conversion", required=True, type=Path, help="the conversion.json")
    parser.add_argument("--verified", type=Path, help="for an export: what verify.py wrote")
    parser.add_argument("--onnx", type=Path, help="for an export: the file")
    parser.add_argument("--out", required=True, type=Path, help="the session's folder")
    parser.add_argument("--partial", required=True, type=Path, help="where unfinished ones stand")
    parser.add_argument("--parent", type=int, help="the process that it ends with")
    args = parser.parse_args()
    spec = json.loads(args.spec)
    module, settings = load_backend(spec["system"]), settings_of(spec)
    variables = environment(module, settings, spec["allocator"])
    if must_restart(variables):
        # Threads and allocators are told before the process starts, or not at all.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
    try:
        with alone(spec["session"], args.partial, args.out, args.parent) as free:
            if free:
                measure(spec, args, module, settings, variables)
    except (RuntimeUnavailableError, MeterError, RecordingError, BusyError) as error:
        sys.exit(f"error: {spec['session']}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{spec['session']}: {INTERRUPTED}")


def settings_of(spec: Mapping[str, Any]) -> Settings:
    """What the runtime is told."""
    return Settings(
        provider=spec["provider"],
        gpu=int(spec["device"].partition(":")[2] or 0),
        threads=thread_count(spec["threads"]),
        precision=spec["precision"] if on_gpu(spec["provider"]) else "float32",
    )


def measure(
    spec: dict[str, Any],
    args: argparse.Namespace,
    module: Backend,
    settings: Settings,
    variables: Mapping[str, str],
) -> None:
    """Measures what is left of a session and completes its raw data.

    Raises:
        RuntimeUnavailableError: The provider was asked for by name and cannot be used.
        MeterError: The sampler died.
    """
    conversion = json.loads(args.conversion.read_text(encoding="utf-8"))
    cannot = gate.absence(conversion)
    # What cannot build the network need not be installed, so it is not asked.
    if cannot is None and (why := import_failure(module, settings)) is not None:
        raise RuntimeUnavailableError(why)
    digest = spec_digest(spec)
    partial = args.partial / f"{spec['session']}-{digest[:12]}"
    recording = Recording(partial, args.out, spec, "inference")
    left_out = Network.read(args.network).left_out(spec["batch_sizes"])
    blocks = {block_id(*block): block for block in plan(spec) if block[0] not in left_out}
    stopping = stopping_of(spec, recording, {cell_of(name): spec["repetitions"] for name in blocks})
    left = stopping.left(blocks, recording.finished)
    done = len(recording.finished)
    progress = Progress(spec["session"], done + len(left), done)
    parity = checked_pairs(spec, args, conversion)
    facts = {
        "study": "runtimes",
        "spec_sha256": digest,
        "parity": parity,
        "excluded": cannot or gate.exclusion(parity) or unfit(blocks, left_out),
        "absent": {} if cannot else absent(spec, module, settings),
        "left_out": left_out,
        "sampler": None,
    }
    if facts["excluded"] is None and left:
        try:
            bench = Bench(spec, args, module, settings, progress)
            verdict = bench.parity()
            parity.append(verdict)
            facts["excluded"] = gate.exclusion(parity)
            bench.meet_shapes()
        except RuntimeUnavailableError as error:
            if spec["providers"] != "auto":
                raise
            facts["excluded"] = {"stage": "provider", "why": str(error)}
    if facts["excluded"] is not None:
        progress.say(f"excluded, {facts['excluded']['stage']}: {facts['excluded']['why']}")
    elif left:
        with Sampler.configured(
            spec["metering"], recording.trace, recording.events, recording.segment
        ) as sampler:
            sampler.announce(progress.say)
            recording.begin(
                {
                    **segment_facts(settings, variables),
                    **bench.facts,
                    "parity": verdict,
                    "meters": sampler.meters,
                }
            )
            recording.append(bench.prepare())
            cooling = cooling_of(spec, recording, progress.say)
            cooling.remember()
            for name in stopping.needed(left, progress.leave_out):
                cooled = cooling.wait(name)
                window = bench.window(*blocks[name])
                sampler.check()
                recording.append([*cooled, window])
                progress.step(told(window, settings))
            protocol, idle_s = spec["protocol"], spec["metering"]["idle_s"]
            recording.append(idle_again(protocol["settle_s"], idle_s, progress.say))
            # A slow counter must move once more to cover the last window.
            time.sleep(SETTLE_S)
        facts["sampler"] = sampler.stats
    else:
        # Every window was measured before the process was killed: the verdict stands there.
        parity += [segment["parity"] for segment in recording.segments[-1:]]
    for line in stopping.lines():
        progress.say(line)
    facts["stopped"] = stopping.verdicts_told()
    # What may not be measured can be tried again when the conversion or the software is mended.
    recording.finish(facts, measured=facts["excluded"] is None)


def plan(spec: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(batch, repetition) in the order of measuring: in each repetition every batch size once, in
    random order, so that drift favours none. Where their number is not fixed, the most that there
    can be."""
    order = random.Random(f"{spec['seed']}/{spec['session']}")
    sizes = spec["batch_sizes"]
    return [
        (batch, repetition)
        for repetition in range(most(spec["repetitions"]))
        for batch in order.sample(sizes, len(sizes))
    ]


def block_id(batch: int, repetition: int) -> str:
    """The name of a window within its session."""
    return f"b{batch}:{repetition}"


def checked_pairs(
    spec: Mapping[str, Any], args: argparse.Namespace, conversion: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The pairs that this session rests on, with their verdicts."""
    verified = (
        None if args.verified is None else json.loads(args.verified.read_text(encoding="utf-8"))
    )
    return gate.pairs(conversion, verified, spec["parity_tolerance"])


def unfit(blocks: Mapping[str, Any], left_out: Mapping[int, str]) -> dict[str, str] | None:
    """Why there is nothing to measure; None where there is something."""
    if blocks:
        return None
    return {"stage": "batch", "why": f"batch {', '.join(map(str, left_out))}: {why_of(left_out)}"}


def why_of(left_out: Mapping[int, str]) -> str:
    """The one reason of all batches that are left out."""
    return next(iter(left_out.values()))


def absent(spec: Mapping[str, Any], module: Backend, settings: Settings) -> dict[str, str]:
    """The providers that `auto` would have taken and this runtime does not have here, and why."""
    if spec["providers"] != "auto":
        return {}
    why = {
        provider: module.unavailable(dataclasses.replace(settings, provider=provider))
        for provider in AUTO
        if provider in module.PROVIDERS
    }
    return {provider: reason for provider, reason in why.items() if reason is not None}


def segment_facts(settings: Settings, variables: Mapping[str, str]) -> dict[str, Any]:
    """Who measures, where, and with what."""
    return {
        **run_facts(Path(__file__).parent),
        "device": settings.device,
        "threads": settings.threads,
        "allocator": {k: v for k, v in variables.items() if k.startswith("MALLOC_")},
        "environment": dict(variables),
    }


def told(window: Mapping[str, Any], settings: Settings) -> str:
    """One line of progress; it says where another program took the processor."""
    seconds = (window["end_ns"] - window["start_ns"]) / 1e9
    own_s = window["user_s"] + window["system_s"]
    text = (
        f"batch {window['batch']}: {window['inferences']} inferences in {seconds:.2f} s,"
        f" {own_s / seconds:.0%} of a core"
    )
    if settings.device == "cpu" and settings.threads == 1 and own_s < 0.9 * seconds:
        text += " (is the machine busy?)"
    return text


def attempt(what: str, call: Callable[[], Any]) -> Any:
    """What `call` returns.

    Raises:
        RuntimeUnavailableError: It raised anything. Each framework has exceptions of its own for a
            device that it cannot use.
    """
    try:
        return call()
    except RuntimeUnavailableError:
        raise
    except Exception as error:
        raise RuntimeUnavailableError(f"{what} failed: {error_message(error, 300)}") from error


class Bench:
    """A loaded network and its staged inputs.

    Attributes:
        executable: The loaded network.
        staged: By batch size, the inputs where the network reads them.
        inferences: By batch size, how many fill a window.
        facts: What the session records of it.

    Raises:
        RuntimeUnavailableError: The runtime cannot compute where it was asked to.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        args: argparse.Namespace,
        module: Backend,
        settings: Settings,
        progress: Progress,
    ) -> None:
        self._spec = spec
        self._progress = progress
        self._network = Network.read(args.network)
        progress.say(f"loading on {settings.provider}, {settings.threads} thread(s)")
        started = time.monotonic()
        source = self._network if module.SOURCE == "network" else args.onnx
        self.executable: Executable = attempt("loading", lambda: module.load(source, settings))
        self.facts = {
            **self.executable.facts,
            "load_s": time.monotonic() - started,
            "network": {
                "name": self._network.name,
                "family": self._network.family,
                "parameters": self._network.parameters,
                "sha256": self._network.sha256,
                "inputs": self._network.inputs,
                "kind": self._network.kind,
                "notes": self._network.notes,
            },
        }
        out = self._network.left_out(spec["batch_sizes"])
        self._sizes = [batch for batch in spec["batch_sizes"] if batch not in out]
        for batch, why in out.items():
            progress.say(f"batch {batch} is left out: {why}")
        self.staged: dict[int, Any] = {}
        self.inferences: dict[int, int] = {}
        self._fastest_s = math.inf

    def parity(self) -> dict[str, Any]:
        """This session's own outputs, where it computes, against the reference's on the CPU."""
        batches = self._network.parity_batches
        errors = attempt("a first inference", lambda: [self._error(batch) for batch in batches])
        spec = self._spec
        return gate.judge(
            "device",
            {"batch_sizes": batches, "relative_error": errors},
            spec["device_tolerance"],
            model=self._network.name,
            subject=spec["title"],
            against=self._network.against,
            where=spec["provider"],
        )

    def _error(self, batch: int) -> float | None:
        inputs, expected = self._network.reference(batch)
        return relative_error(compute(self.executable, inputs), expected)

    def meet_shapes(self) -> None:
        """Stages the inputs of every batch size and runs each once, then once more: the first may
        build an engine or choose algorithms, also anew for the shapes before.

        Raises:
            RuntimeUnavailableError: One of them fails, as for want of memory.
        """
        for batch in self._sizes:
            inputs = self._network.random_inputs(batch, self._spec["seed"])
            self.staged[batch] = attempt(
                f"staging batch {batch}", lambda inputs=inputs: self.executable.stage(inputs)
            )
        for batch in self._sizes * 2:
            attempt(f"an inference of batch {batch}", lambda batch=batch: self._run(batch, 1))

    def prepare(self) -> list[dict[str, Any]]:
        """Warms up on every batch size, finds how many inferences fill a window, records idle."""
        spec = self._spec
        protocol = spec["protocol"]
        self._progress.say(f"warming up for {spec['warmup_s']:g} s or more on each batch size")
        windows = []
        for batch in self._sizes:
            start_ns = time.monotonic_ns()
            self._fastest_s = self._run(batch, 1)
            warm = warm_up(lambda batch=batch: self._stretch(batch), spec["warmup_s"], protocol)
            self.inferences[batch] = math.ceil(MARGIN * spec["window_s"] / self._fastest_s)
            edges = {"start_ns": start_ns, "end_ns": time.monotonic_ns()}
            windows.append({"kind": "warmup", "batch": batch, **edges, **warm})
            if (line := unsettled(warm, protocol)) is not None:
                self._progress.say(f"batch {batch}: {line}")
        idle_s = spec["metering"]["idle_s"]
        return windows + rest_and_idle(protocol["settle_s"], idle_s, self._progress.say)

    def _stretch(self, batch: int) -> float:
        """Inferences per second over a stretch of warming up."""
        done, seconds = 0, 0.0
        while seconds < STRETCH_S:
            count = math.ceil((STRETCH_S - seconds) / self._fastest_s)
            took_s = self._run(batch, count)
            self._fastest_s = min(self._fastest_s, took_s / count)
            done, seconds = done + count, seconds + took_s
        return done / seconds

    def window(self, batch: int, repetition: int) -> dict[str, Any]:
        """Inferences back to back, the device idle at both edges."""
        # After a pause or another batch the first inference finds cold caches.
        self._run(batch, 1)
        while True:
            window = self._window(batch, self.inferences[batch])
            short = self._spec["window_s"] * 1e9 / (window["end_ns"] - window["start_ns"])
            if short <= 1:
                break
            # It got faster since it was warm: more inferences fill the window, from now on.
            self.inferences[batch] = math.ceil(MARGIN * short * self.inferences[batch])
        named = {"inference": block_id(batch, repetition), "repetition": repetition}
        return {"kind": "inference", **named, **window}

    def _window(self, batch: int, count: int) -> dict[str, Any]:
        busy, usage = busy_s(), resource.getrusage(resource.RUSAGE_SELF)
        start_ns, end_ns = self._timed(batch, count)
        after, busy_after = resource.getrusage(resource.RUSAGE_SELF), busy_s()
        return {
            "batch": batch,
            "inferences": count,
            "start_ns": start_ns,
            "end_ns": end_ns,
            "user_s": after.ru_utime - usage.ru_utime,
            "system_s": after.ru_stime - usage.ru_stime,
            "machine_busy_s": None if busy is None else busy_after - busy,
            "preemptions": after.ru_nivcsw - usage.ru_nivcsw,
            "page_faults": after.ru_minflt - usage.ru_minflt,
        }

    def _run(self, batch: int, count: int) -> float:
        """Seconds that `count` inferences took."""
        start_ns, end_ns = self._timed(batch, count)
        return (end_ns - start_ns) / 1e9

    def _timed(self, batch: int, count: int) -> tuple[int, int]:
        run, staged = self.executable.run, self.staged[batch]
        self.executable.wait()
        start_ns = time.monotonic_ns()
        for _ in range(count):
            run(staged)
        self.executable.wait()
        return start_ns, time.monotonic_ns()


if __name__ == "__main__":
    main()
