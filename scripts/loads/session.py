"""The session of the study of the meters."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from loads.plan import LoadWindow, plan_windows
from loads.specification import MetersSpecification
from loads.tools import Around, installed, open_tools
from loads.work import Loads, PhaseTimes
from session.preparation import STRETCH_S, warm_up, why_unsettled
from session.study import Plan, Say, Window

# Before each window, at random, so that it meets the meter's moves anywhere; long enough for the
# power of what was before to be seen to end.
PAUSE_S = (0.2, 0.4)
WARMUP_S = 3.0


class Meters:
    """See `session.study.Study`: every window is measured, and none waits for a cool device.

    Raises:
        RuntimeError: The device is not there.
    """

    kinds = ("load",)
    exclusion = None

    def __init__(self, spec: MetersSpecification) -> None:
        self._spec = spec
        self._device = torch.device(choose_device(spec.device))
        self.device = str(self._device)
        self._tools = installed() if spec.tools == "auto" else {}

    def plan(self, say: Say) -> Plan:
        return Plan(plan_windows(self._spec, list(self._tools)))

    @contextlib.contextmanager
    def open(self, say: Say) -> Iterator[_Bench]:
        names = list(self._tools)
        say(f"making the loads on {self._device}; other tools: {', '.join(names) or 'none'}")
        loads = Loads(self._device, self._spec.seed)
        gpu = self._device.index if self._device.type == "cuda" else None
        yield _Bench(self._spec, loads, open_tools(names, gpu), self._tools)

    def conclude(self, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {"study": "metering"}


class _Bench:
    """See `session.study.Bench`."""

    def __init__(
        self,
        spec: MetersSpecification,
        loads: Loads,
        around: Mapping[str, Around],
        tools: Mapping[str, str],
    ) -> None:
        self._spec, self._loads, self._around = spec, loads, around
        self._randoms = random.Random(spec.seed)
        self.facts = {"tools": dict(tools), "operations": loads.counts}

    def prepare(self, say: Say) -> list[Window]:
        """Warms up on every load."""
        protocol = self._spec.protocol
        start_ns, warm = time.monotonic_ns(), {}
        for name in self._spec.loads:
            unit = self._loads.units[name]

            def stretch(unit=unit) -> float:
                done, start_s = 0, time.monotonic()
                while time.monotonic() - start_s < STRETCH_S:
                    unit()
                    done += 1
                return done / (time.monotonic() - start_s)

            warm = warm_up(stretch, WARMUP_S, protocol)
            if (line := why_unsettled(warm, protocol)) is not None:
                say(f"{name}: {line}")
        edges = {"start_ns": start_ns, "end_ns": time.monotonic_ns()}
        return [{"kind": "warmup", **edges, **warm}]

    def measure(self, item: LoadWindow) -> list[Window]:
        """Whole units for as long as the window should last; what else measures reads outside."""
        time.sleep(self._randoms.uniform(*PAUSE_S))
        loads = self._loads
        unit = loads.units[item.load]
        lead_ns = time.monotonic_ns()
        unit()
        units = max(1, round(item.length_s * 1e9 / (time.monotonic_ns() - lead_ns)))
        times = loads.phase_times = PhaseTimes()
        with self._around[item.tool](item.name) as tool_j:
            start_ns = time.monotonic_ns()
            for _ in range(units):
                unit()
            end_ns = time.monotonic_ns()
        loads.phase_times = None
        window = {
            "kind": "load",
            **dataclasses.asdict(item),
            "what": item.load,
            "load": item.name,
            # One unit more, right before the window: from rest to rest it is units + 1.
            "lead_ns": lead_ns,
            "start_ns": start_ns,
            "end_ns": end_ns,
            "units": units,
            "tool_j": tool_j(),
        }
        return [window | {name: value for name, value in vars(times).items() if value}]

    def describe(self, item: LoadWindow, windows: Sequence[Window]) -> str:
        return f"{item.name}: {windows[-1]['units']} units"


def choose_device(name: str) -> str:
    """The device that a configuration names.

    Raises:
        RuntimeError: It names a GPU, and there is none.
    """
    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RuntimeError(f"device '{name}': PyTorch {torch.__version__} sees no GPU")
    return "cuda:0" if name == "cuda" else name
