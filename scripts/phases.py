#!/usr/bin/env python3
"""One session of the study of phases: every task under every condition, in random order.

The measured loop only takes timestamps; a process of its own reads the meters. What is written:
session.json, windows.jsonl, trace.csv, events.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TQDM_DISABLE", "1")

import torch

from generation.decode import Engine, Generation, Settings, left_out
from generation.sandbox import Pool, SandboxError
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS, Posed, read_tasks
from metering.host import run_facts, thread_count
from metering.meter import MeterError
from metering.recording import Recording, spec_digest
from metering.sampler import Sampler
from progress import Progress
from weights import WeightsError
from weights.load import load

SETTLE_S = 0.3


class SessionError(RuntimeError):
    """A session that cannot be measured as asked; the message is one line."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, help="the session's configuration, as JSON")
    parser.add_argument("--model", required=True, type=Path, help="the model's model.json")
    parser.add_argument("--tasks", required=True, type=Path, help="the workload's JSONL")
    parser.add_argument("--out", required=True, type=Path, help="the session's folder")
    parser.add_argument("--partial", required=True, type=Path, help="where unfinished ones stand")
    args = parser.parse_args()
    try:
        measure(json.loads(args.spec), args.model, args.tasks, args.out, args.partial)
    except (SessionError, MeterError, SandboxError, WeightsError) as error:
        sys.exit(f"error: {error}")


def measure(spec: dict[str, Any], model: Path, tasks: Path, out: Path, partial: Path) -> None:
    """Measures what is left of a session and completes its raw data.

    Raises:
        SessionError: The device is not there.
        MeterError: The sampler died.
        SandboxError: The checker cannot start.
        WeightsError: The model cannot be loaded.
    """
    digest = spec_digest(spec)
    recording = Recording(partial / f"{spec['session']}-{digest[:12]}", out, spec)
    blocks = plan(spec, list(read_tasks(tasks)))
    left = [item for item in blocks if generation_id(*item) not in recording.finished]
    progress = Progress(spec["session"], len(blocks), done=len(blocks) - len(left))
    if recording.finished:
        progress.say(f"goes on after {len(recording.finished)} finished generations")
    device = choose_device(spec["device"])
    for earlier in recording.segments:
        if earlier["device"] != str(device):
            raise SessionError(
                f"{spec['session']} was begun on {earlier['device']} and would go on on {device};"
                f" give that device, or delete {recording.partial} to begin again"
            )
    torch.set_num_threads(thread_count(spec["threads"]))
    facts = {
        **run_facts(Path(__file__).parent),
        "device": str(device),
        "threads": torch.get_num_threads(),
    }
    stats = None
    if left:
        progress.say(f"loading {spec['model']} on {device}, {torch.get_num_threads()} threads")
        lab = Lab(spec, tasks, model, device)
        if lab.facts["left_out"]:
            progress.say(f"greedy or sampled as configured here, without {lab.facts['left_out']}")
        with contextlib.ExitStack() as stack:
            sampler = stack.enter_context(
                Sampler(
                    recording.trace,
                    recording.events,
                    segment=recording.segment,
                    period_s=spec["metering"]["period_s"],
                    cpu_rated_power_w=spec["metering"]["cpu_rated_power_w"],
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
            for item in left:
                windows = lab.generate(*item, pool)
                sampler.check()
                recording.append(windows)
                progress.step(f"{item[0]} {item[1]}: {len(windows[-1]['tokens'])} tokens")
            # A slow counter must move once more to cover the last window.
            time.sleep(SETTLE_S)
        stats = sampler.stats
    recording.finish({"spec_sha256": digest, "sampler": stats}, protect=True)


def plan(spec: Mapping[str, Any], known: list[str]) -> list[tuple[str, str, int]]:
    """(task, condition, repetition) in the order of measuring: blocks of one task and repetition
    in random order, the conditions in random order within each, so that drift favours none."""
    tasks = known if spec["tasks"] == "all" else spec["tasks"]
    order = random.Random(f"{spec['seed']}/{spec['session']}")
    blocks = [(task, repetition) for task in tasks for repetition in range(spec["repetitions"])]
    order.shuffle(blocks)
    return [
        (task, condition, repetition)
        for task, repetition in blocks
        for condition in order.sample(spec["conditions"], len(spec["conditions"]))
    ]


def generation_id(task: str, condition: str, repetition: int) -> str:
    """The name of a generation within its session."""
    return f"{task}:{condition}:{repetition}"


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


class Lab:
    """A loaded model and everything that its generations need."""

    def __init__(
        self, spec: Mapping[str, Any], tasks: Path, ready: Path, device: torch.device
    ) -> None:
        dtype = spec["dtype"]
        if dtype == "auto":
            dtype = "float32" if device.type == "cpu" else "bfloat16"
        started = time.monotonic()
        model, tokenizer = load(ready, device, getattr(torch, dtype))
        self._spec = spec
        self._device = device
        self._tokenizer = tokenizer
        try:
            self._engine = Engine(model, tokenizer)
        except ValueError as error:
            raise SessionError(f"{spec['model']}: {error}") from None
        if spec["prompt"] == "chat" and not tokenizer.chat_template:
            raise SessionError(f"{spec['model']}: prompt 'chat', but there is no chat template")
        workload = WORKLOADS[spec["workload"]]
        wanted = read_tasks(tasks).values()
        if spec["tasks"] != "all":
            wanted = [task for task in wanted if task.task_id in spec["tasks"]]
        self._posed = {task.task_id: workload.pose(task, spec["prompt"]) for task in wanted}
        self.facts = {
            "dtype": dtype,
            "parameters": sum(p.numel() for p in model.parameters()),
            "load_s": time.monotonic() - started,
            "left_out": left_out(model),
            "model": json.loads(ready.read_text()),
            "torch": {
                "attention": model.config._attn_implementation,
                "matmul_precision": torch.get_float32_matmul_precision(),
                "cuda": torch.version.cuda,
            },
        }

    @contextlib.contextmanager
    def checker(self) -> Iterator[Pool | None]:
        """The pool that runs generated code; none where no condition does."""
        if "suppressed" not in self._spec["conditions"]:
            yield None
            return
        limits = self._spec["suppression"]
        with Pool(timeout_s=limits["timeout_s"], memory_mb=limits["memory_mb"]) as pool:
            yield pool

    def prepare(self, progress: Progress) -> list[dict[str, Any]]:
        """Warms up on every length of prompt, then on whole generations; then records idle."""
        prompts = {len(tokens): tokens for tokens in map(self._tokens, self._posed.values())}
        warmup_s = self._spec["warmup_s"]
        progress.say(f"warming up on {len(prompts)} lengths of prompt and for {warmup_s:g} s")
        begin_ns = time.monotonic_ns()
        # A GPU takes several times as long for a shape that it meets for the first time.
        for tokens in prompts.values():
            self._engine.generate(tokens, dataclasses.replace(self._settings(0), max_new_tokens=2))
        longest = prompts[max(prompts)]
        while True:
            warm = self._engine.generate(longest, self._settings(0))
            if warm.end_ns - begin_ns >= warmup_s * 1e9:
                break
        # What stands now stays: the collector need not walk it between windows.
        gc.collect()
        gc.freeze()
        idle_s = self._spec["metering"]["idle_s"]
        progress.say(f"recording idle for {idle_s:g} s")
        start_ns = time.monotonic_ns()
        time.sleep(idle_s)
        return [
            {"kind": "warmup", "start_ns": begin_ns, "end_ns": warm.end_ns},
            {"kind": "idle", "start_ns": start_ns, "end_ns": time.monotonic_ns()},
        ]

    def generate(
        self, task: str, condition: str, repetition: int, pool: Pool | None
    ) -> list[dict[str, Any]]:
        """One generation's windows: prefill, decode, checks, and the generation itself, last."""
        posed = self._posed[task]
        prompt = self._tokens(posed)
        suppressor = None
        if condition == "suppressed":
            suppressor = Suppressor(posed, self._spec["suppression"]["unit"], pool.check)
        cpu_ns = time.process_time_ns()
        done = self._engine.generate(prompt, self._settings(repetition), suppressor)
        cpu_ns = time.process_time_ns() - cpu_ns
        looks = suppressor.consultations if suppressor else []
        identity = {
            "generation": generation_id(task, condition, repetition),
            "task": task,
            "condition": condition,
            "repetition": repetition,
        }
        return [
            *_phases(identity, done),
            *({"kind": "check", **identity, **vars(look)} for look in looks),
            {
                "kind": "generation",
                **identity,
                "start_ns": done.start_ns,
                "end_ns": done.end_ns,
                "cpu_s": cpu_ns / 1e9,
                "prompt": posed.text,
                "prompt_tokens": len(prompt),
                "stop": done.stop,
                # What stands as the output: a watcher may have stopped within the last token.
                "characters": looks[-1].characters if done.stop == "watcher" else len(done.text),
                "text": done.text,
                "text_ends": done.text_ends,
                "tokens": done.tokens,
                "token_ns": done.token_ns,
            },
        ]

    def _settings(self, repetition: int) -> Settings:
        return Settings(
            max_new_tokens=self._spec["max_new_tokens"],
            temperature=self._spec["temperature"],
            top_p=self._spec["top_p"],
            # Alike for both conditions: they differ in when they stop, and in nothing else.
            seed=self._spec["seed"] + repetition,
            forced_length=self._spec["source"] == "init",
        )

    def _tokens(self, posed: Posed) -> list[int]:
        if posed.style == "chat":
            return self._tokenizer.apply_chat_template(
                [{"role": "user", "content": posed.text}],
                add_generation_prompt=True,
                return_dict=False,
            )
        return self._tokenizer(posed.text).input_ids


def _phases(identity: Mapping[str, Any], done: Generation) -> list[dict[str, Any]]:
    """Prefill ends and decoding begins when the first token is known."""
    first_ns = done.token_ns[0]
    return [
        {"kind": "prefill", **identity, "start_ns": done.start_ns, "end_ns": first_ns},
        {"kind": "decode", **identity, "start_ns": first_ns, "end_ns": done.end_ns},
    ]


if __name__ == "__main__":
    main()
