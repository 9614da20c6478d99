"""A session of the study of phases: the outputs and probes of one model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from generation import agenda
from generation.agenda import Item, Probe
from generation.lab import Lab, SessionError
from generation.sandbox import Pool
from generation.specification import PhasesSpecification
from metering.host import thread_count
from session.study import Plan, Say, Window


class Phases:
    """See `session.study.Study`.

    Args:
        spec: What the session is told.
        model: The model's `model.json`.
        tasks: The workload's JSONL.
        replayed: windows.jsonl of the session whose outputs are forced; None for none.

    Raises:
        SessionError: The device is not there; later: the model cannot do what is asked.
        SandboxError: Later: the checker cannot start.
        WeightsError: Later: the model cannot be loaded.
    """

    kinds = ("generation", "probe")
    exclusion = None

    def __init__(
        self, spec: PhasesSpecification, model: Path, tasks: Path, replayed: Path | None
    ) -> None:
        self._spec = spec
        self._files = model, tasks, replayed
        self._device = choose_device(spec.device)
        self.device = str(self._device)

    def plan(self, say: Say) -> Plan:
        """Only the loaded model says which prompts fit it."""
        spec = self._spec
        torch.set_num_threads(thread_count(spec.threads))
        say(f"loading {spec.model} on {self.device}, {torch.get_num_threads()} threads")
        self._lab = Lab(spec, *self._files, self._device)
        if out := self._lab.facts["left_out"]:
            say(f"greedy or sampled as configured here, without {out}")
        return Plan(self._lab.items, agenda.rules(spec, self._lab.items))

    @contextlib.contextmanager
    def open(self, say: Say) -> Iterator[_Bench]:
        """The model, and what checks its programs while they are generated."""
        with self._lab.checker() as pool:
            bench = _Bench(self._lab, pool)
            for protection in bench.facts["protections"]:
                if not protection["on"]:
                    say(f"no protection, {protection['name']}: {protection['detail']}")
            yield bench

    def conclude(self, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {}


class _Bench:
    """See `session.study.Bench`."""

    def __init__(self, lab: Lab, pool: Pool | None) -> None:
        self._lab, self._pool = lab, pool
        protections = [vars(p) for p in pool.protections] if pool else []
        self.facts = {
            "threads": torch.get_num_threads(),
            **lab.facts,
            "protections": protections,
        }

    def prepare(self, say: Say) -> list[Window]:
        return self._lab.prepare(say)

    def measure(self, item: Item) -> list[Window]:
        return self._lab.measure(item, self._pool)

    def describe(self, item: Item, windows: Sequence[Window]) -> str:
        window = windows[-1]
        if isinstance(item, Probe):
            seconds = (window["end_ns"] - window["start_ns"]) / 1e9
            work = f"{item.task} {item.what} of {item.output_tokens}"
            return f"{work}: {window['count']} times in {seconds:.1f} s"
        return f"{item.task} {item.condition}: {len(window['tokens'])} tokens"


def choose_device(name: str) -> torch.device:
    """The device that a configuration names.

    Raises:
        SessionError: It names a GPU that PyTorch cannot use: nothing falls back in silence.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device("cuda:0" if name == "cuda" else name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            why = "" if torch.version.cuda else " (this build of PyTorch has no CUDA)"
            raise SessionError(f"device '{name}': PyTorch {torch.__version__} sees {count}{why}")
    return device
