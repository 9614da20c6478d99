"""A loaded model and everything that the windows of its session need."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from generation import agenda
from generation.agenda import Item, Output, Probe
from generation.agreement import disagreement
from generation.decode import Engine, Generation, Settings, ignored_settings
from generation.lines import LineStop
from generation.replay import RecordedOutput, recorded_windows, retokenize
from generation.sandbox import Pool
from generation.specification import SWEEP, PhasesSpecification, SweepSpecification
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS, Posed, WorkloadError, read_tasks
from session.preparation import STRETCH_S, warm_up, why_unsettled
from session.study import Say, Window
from weights import fold
from weights.decoders import context_limit
from weights.load import load

# Its texts are cut to the lengths of a sweep.
SWEEP_TEXTS = WORKLOADS["longcode"]
# Long enough for a rate to settle; a whole output can take minutes.
WARMUP_TOKENS = 64
# The end of a prompt is kept with its output; the whole of it can be made again.
KEPT_CHARACTERS = 2000


class SessionError(RuntimeError):
    """A session that cannot be measured as asked; the message is one line."""


class Lab:
    """A loaded model, its prompts, and the work of each window.

    Args:
        spec: What the session is told.
        ready: The model's `model.json`.
        tasks: The workload's JSONL.
        replayed: windows.jsonl of the session whose outputs are forced; None to let the model
            choose.
        device: Where inference runs.

    Raises:
        SessionError: The model or its tokenizer cannot do what is asked, a prompt does not fit, or
            a task is not there.
        WeightsError: The model cannot be loaded.
    """

    def __init__(
        self,
        spec: PhasesSpecification,
        ready: Path,
        tasks: Path,
        replayed: Path | None,
        device: torch.device,
    ) -> None:
        dtype = spec.dtype
        if dtype == "auto":
            dtype = "float32" if device.type == "cpu" else "bfloat16"
        started = time.monotonic()
        model, tokenizer = load(ready, device, getattr(torch, dtype))
        load_s = time.monotonic() - started
        self._spec = spec
        self._tokenizer = tokenizer
        self._vocabulary = model.get_input_embeddings().num_embeddings
        self._on_gpu = device.type == "cuda"
        self._limit = context_limit(model)
        self._posed: dict[str, Posed] = {}
        self._prompts: dict[str, list[int]] = {}
        self._recorded: dict[Output, RecordedOutput] = {}
        try:
            self._engine = Engine(model, tokenizer)
            self.items = (
                self._sweep(tasks)
                if isinstance(spec, SweepSpecification)
                else self._benchmark(tasks, replayed)
            )
        except (ValueError, WorkloadError) as error:
            raise SessionError(f"{spec.model}: {error}") from None
        self._check_decoding(model.dtype)
        self.facts = {
            "dtype": dtype,
            "parameters": sum(p.numel() for p in model.parameters()),
            "context_limit": self._limit,
            "load_s": load_s,
            "left_out": ignored_settings(model),
            "model": json.loads(ready.read_text(encoding="utf-8")),
            "tasks_sha256": _digest(tasks),
            "replayed_sha256": replayed and _digest(replayed),
            "torch": {
                "attention": model.config._attn_implementation,
                "matmul_precision": torch.get_float32_matmul_precision(),
                "cuda": torch.version.cuda,
            },
        }

    def _benchmark(self, tasks: Path, replayed: Path | None) -> list[Item]:
        """Poses the tasks; the session's outputs and probes in order."""
        spec = self._spec
        workload = WORKLOADS[spec.workload]
        if spec.prompt == "chat" and not self._tokenizer.chat_template:
            raise SessionError(f"{spec.model}: prompt 'chat', but there is no chat template")
        known = read_tasks(tasks, workload)
        windows = {} if replayed is None else recorded_windows(replayed)
        there = list(known) if replayed is None else list(dict.fromkeys(o.task for o in windows))
        chosen = agenda.select_tasks(spec, workload.file, there)
        if replayed is None:
            outputs = agenda.planned_outputs(spec, chosen)
            longest = spec.max_new_tokens
        else:
            outputs = agenda.replayed_outputs(spec, chosen, windows)
            longest = max(len(windows[output]["tokens"]) for output in outputs)
        for task in chosen:
            posed = workload.pose(known[task], spec.prompt, spec.prompt_tokens)
            self._posed[task] = posed
            self._prompts[task] = self._fold(posed.tokens(self._tokenizer, self._room(longest)))
        if replayed is not None:
            for output in outputs:
                prompt = self._prompts[output.task]
                recorded = retokenize(self._tokenizer, prompt, windows[output])
                tokens = tuple(self._fold(list(recorded.tokens)))
                self._recorded[output] = dataclasses.replace(recorded, tokens=tokens)
        probe = spec.probe
        length = min(probe.output_tokens, longest)
        probed = []
        if length > 1 and probe.prompts > 0:
            lengths = {task: len(prompt) for task, prompt in self._prompts.items()}
            probed = agenda.probed_tasks(lengths, probe.prompts)
        probes = agenda.probes(probed, [length], probe.repetitions)
        return agenda.order_items(spec, outputs, probes)

    def _sweep(self, tasks: Path) -> list[Item]:
        """Prompts of all lengths from one text; the session's probes in order."""
        sweep = self._spec.sweep
        task = next(iter(read_tasks(tasks, SWEEP_TEXTS).values()))
        for length in agenda.sweep_lengths(sweep, self._limit):
            posed = SWEEP_TEXTS.pose(task, "completion", length)
            prompt = posed.tokens(self._tokenizer, self._room(max(sweep.output_tokens)))
            self._prompts[f"{SWEEP}/{length}"] = self._fold(prompt)
        repetitions = self._spec.probe.repetitions
        probes = agenda.probes(self._prompts, sweep.output_tokens, repetitions)
        return agenda.order_items(self._spec, [], probes)

    def _room(self, output_tokens: int) -> int:
        """The most tokens of a prompt beside so many of an output."""
        return sys.maxsize if self._limit is None else self._limit - output_tokens

    def _fold(self, tokens: list[int]) -> list[int]:
        """The tokens; of seeded weights those within their vocabulary, where a lent tokenizer knows
        more words. The length stays, and under random weights the words mean nothing anyway.

        Raises:
            ValueError: Weights of a true model know no such word.
        """
        if self._spec.source != "init" and max(tokens, default=0) >= self._vocabulary:
            raise ValueError(
                f"its tokenizer gives token {max(tokens)}, its weights know {self._vocabulary}"
                " words: the tokenizer is another model's"
            )
        return fold(tokens, self._vocabulary)

    def _check_decoding(self, dtype: torch.dtype) -> None:
        """Refuses a model whose decoding is not what it computes; see `agreement`.

        Raises:
            SessionError: It is not, or cannot be told.
        """
        prompt = next(iter(self._prompts.values()))
        try:
            why = disagreement(self._engine, prompt, dtype, self._spec.batch_size)
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            why = (
                f"it does not decode: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            )
        if why is not None:
            raise SessionError(f"{self._spec.model}: {why}")

    @contextlib.contextmanager
    def checker(self) -> Iterator[Pool | None]:
        """The pool that runs generated code; none where none is run while measuring."""
        if not any(map(self._is_checked, self.items)):
            yield None
            return
        limits = self._spec.suppression
        with Pool(timeout_s=limits.timeout_s, memory_mb=limits.memory_mb) as pool:
            yield pool

    def _is_checked(self, item: Item) -> bool:
        """Whether an item's output is run against tests while it is generated."""
        return (
            isinstance(item, Output)
            and item.condition == "suppressed"
            and item not in self._recorded
            and WORKLOADS[self._spec.workload].judged_by == "tests"
        )

    def _lengths(self) -> list[tuple[int, int]]:
        """(tokens of the prompt, most tokens of the output) of every item."""
        return [(len(self._prompts[item.task]), self._longest(item)) for item in self.items]

    def _longest(self, item: Item) -> int:
        if isinstance(item, Probe):
            return item.output_tokens
        if (recorded := self._recorded.get(item)) is not None:
            return len(recorded.tokens)
        return self._spec.max_new_tokens

    def prepare(self, say: Say) -> list[Window]:
        """Warms up on every length of prompt, on a GPU also of context, then on generations."""
        prompts = {len(tokens): tokens for tokens in self._prompts.values()}
        warmup_s = self._spec.warmup_s
        # A GPU takes several times as long for a shape that it meets for the first time: each
        # length of prompt is one, and in decoding each length of context.
        met = agenda.cover_contexts(self._lengths()) if self._on_gpu else []
        words = f"{len(prompts)} lengths of prompt"
        if met:
            words += f", {sum(length for _, length in met)} of context,"
        say(f"warming up on {words} and for {warmup_s:g} s or more")
        begin_ns = time.monotonic_ns()
        for tokens in prompts.values():
            self._engine.generate(tokens, self._settings(2))
        for prompt, length in met:
            self._engine.generate(prompts[prompt], self._settings(length, forced_length=True))
        typical = prompts[sorted(prompts)[len(prompts) // 2]]
        sweeps = isinstance(self._spec, SweepSpecification)
        length = WARMUP_TOKENS if sweeps else min(WARMUP_TOKENS, self._spec.max_new_tokens)
        settings = self._settings(length)
        self._engine.generate(typical, settings)

        def stretch() -> float:
            tokens, seconds = 0, 0.0
            while seconds < STRETCH_S:
                done = self._engine.generate(typical, settings)
                tokens += len(done.tokens)
                seconds += (done.end_ns - done.start_ns) / 1e9
            return tokens / seconds

        protocol = self._spec.protocol
        warm = warm_up(stretch, warmup_s - (time.monotonic_ns() - begin_ns) / 1e9, protocol)
        edges = {"start_ns": begin_ns, "end_ns": time.monotonic_ns()}
        if (line := why_unsettled(warm, protocol)) is not None:
            say(line)
        return [{"kind": "warmup", **edges, **warm}]

    def measure(self, item: Item, pool: Pool | None) -> list[dict[str, Any]]:
        """The windows of one item, that of the whole last."""
        return [self._probe(item)] if isinstance(item, Probe) else self._output(item, pool)

    def _probe(self, probe: Probe) -> dict[str, Any]:
        """The same work over and over, for at least as long as the configuration says."""
        prompt = self._prompts[probe.task]
        repeat = {
            "prefill": self._engine.repeat_prefill,
            "decode": self._engine.repeat_decode,
            "generation": self._engine.repeat_generation,
        }[probe.what]
        settings = self._settings(probe.output_tokens, forced_length=True)
        done = repeat(prompt, settings, self._spec.probe.window_s)
        window = {
            "kind": "probe",
            "probe": probe.name,
            **dataclasses.asdict(probe),
            "start_ns": done.start_ns,
            "end_ns": done.end_ns,
            "cpu_s": done.cpu_ns / 1e9,
            "prompt_tokens": len(prompt),
            "count": done.count,
            "batch": self._spec.batch_size,
        }
        if done.phase_times_ns:
            names = ("starts_ns", "firsts_ns", "ends_ns")
            window |= dict(
                zip(names, map(list, zip(*done.phase_times_ns, strict=True)), strict=True)
            )
        return window

    def _output(self, output: Output, pool: Pool | None) -> list[dict[str, Any]]:
        """One generation's windows: prefill, decode, checks, and the generation itself, last."""
        posed = self._posed[output.task]
        prompt = self._prompts[output.task]
        recorded = self._recorded.get(output)
        suppressor = None
        if recorded is not None:
            settings = self._settings(replay=tuple(recorded.tokens))
        else:
            settings = self._settings(
                self._spec.max_new_tokens,
                **self._sampling(),
                # Alike for both conditions: they differ in when they stop, and in nothing else.
                seed=self._spec.seed + output.repetition,
            )
            if output.condition == "suppressed":
                suppressor = self._suppressor(posed, pool)
        cpu_ns = time.process_time_ns()
        done = self._engine.generate(prompt, settings, suppressor)
        cpu_ns = time.process_time_ns() - cpu_ns
        looks = suppressor.checks if suppressor else []
        identity = {"generation": output.name, **dataclasses.asdict(output)}
        whole = {
            "kind": "generation",
            **identity,
            "start_ns": done.start_ns,
            "end_ns": done.end_ns,
            "cpu_s": cpu_ns / 1e9,
            "batch": self._spec.batch_size,
            "prompt": posed.text[-KEPT_CHARACTERS:],
            "prompt_tokens": len(prompt),
            "reference": posed.reference,
            "replayed": recorded is not None,
            "stop": done.stop,
            # What stands as the output: a watcher may have stopped within the last token.
            "characters": looks[-1].characters if done.stop == "watcher" else len(done.text),
            "text": done.text,
            "text_ends": done.text_ends,
            "tokens": done.tokens,
            "token_ns": done.token_ns,
        }
        if recorded is not None:
            # What the words say is the recorded model's; only times and energy are this one's.
            whole |= {k: v for k, v in dataclasses.asdict(recorded).items() if k != "tokens"}
        return [
            *_phases(identity, done),
            *({"kind": "check", **identity, **vars(look)} for look in looks),
            whole,
        ]

    def _suppressor(self, posed: Posed, pool: Pool | None) -> Suppressor | LineStop:
        if WORKLOADS[self._spec.workload].judged_by == "tests":
            return Suppressor(posed, self._spec.suppression.unit, pool.check)
        return LineStop()

    def _sampling(self) -> dict[str, float]:
        if self._spec.decoding == "greedy":
            return {}
        return {"temperature": self._spec.temperature, "top_p": self._spec.top_p}

    def _settings(self, max_new_tokens: int = 1, **more: Any) -> Settings:
        settings = Settings(
            max_new_tokens=max_new_tokens,
            forced_length=self._spec.source == "init",
            batch=self._spec.batch_size,
        )
        return dataclasses.replace(settings, **more)


def _phases(identity: Mapping[str, Any], done: Generation) -> list[dict[str, Any]]:
    """Prefill ends and decoding begins when the first token is known."""
    first_ns = done.token_ns[0]
    return [
        {"kind": "prefill", **identity, "start_ns": done.start_ns, "end_ns": first_ns},
        {"kind": "decode", **identity, "start_ns": first_ns, "end_ns": done.end_ns},
    ]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
