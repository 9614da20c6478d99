"""The bench of the study of runtimes: a loaded network, its staged inputs, the measured loop."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metering.estimate import busy_s
from metering.meter import error_message
from runtimes import RuntimeUnavailableError, gate
from runtimes.agenda import Block
from runtimes.base import Backend, Executable, Settings, compute
from runtimes.network import Network, relative_error
from runtimes.specification import RuntimesSpecification
from session.preparation import STRETCH_S, warm_up, why_unsettled
from session.study import Say, Window

# Inferences beyond those that just fill a window at the speed seen so far.
MARGIN = 1.05


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
    """A loaded network and its staged inputs; see `session.study.Bench`.

    Attributes:
        executable: The loaded network.
        staged: By batch size, the inputs where the network reads them.
        inferences: By batch size, how many fill a window.

    Args:
        spec: What the session is told.
        network: The network.json.
        onnx: For an engine, the file that it runs.
        module: The runtime.
        settings: What the runtime is told.
        say: Takes a line for the user.

    Raises:
        RuntimeUnavailableError: The runtime cannot compute where it was asked to.
    """

    def __init__(
        self,
        spec: RuntimesSpecification,
        network: Path,
        onnx: Path | None,
        module: Backend,
        settings: Settings,
        say: Say,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._network = Network.read(network)
        say(f"loading on {settings.provider}, {settings.threads} thread(s)")
        started = time.monotonic()
        source = self._network if module.SOURCE == "network" else onnx
        self.executable: Executable = attempt("loading", lambda: module.load(source, settings))
        self.facts: dict[str, Any] = {
            "threads": settings.threads,
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
        out = self._network.left_out(spec.batch_sizes)
        self._sizes = [batch for batch in spec.batch_sizes if batch not in out]
        for batch, why in out.items():
            say(f"batch {batch} is left out: {why}")
        self.staged: dict[int, Any] = {}
        self.inferences: dict[int, int] = {}
        self._fastest_s = math.inf

    def parity(self) -> dict[str, Any]:
        """This session's own outputs, where it computes, against the reference's on the CPU."""
        batches = self._network.parity_batches
        errors = attempt("a first inference", lambda: [self._error(batch) for batch in batches])
        return gate.judge(
            "device",
            {"batch_sizes": batches, "relative_error": errors},
            self._spec.device_tolerance,
            model=self._network.name,
            subject=self._spec.title,
            against=self._network.against,
            where=self._spec.provider,
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
            inputs = self._network.random_inputs(batch, self._spec.seed)
            self.staged[batch] = attempt(
                f"staging batch {batch}", lambda inputs=inputs: self.executable.stage(inputs)
            )
        for batch in self._sizes * 2:
            attempt(f"an inference of batch {batch}", lambda batch=batch: self._run(batch, 1))

    def prepare(self, say: Say) -> list[Window]:
        """Warms up on every batch size and finds how many inferences fill a window."""
        spec = self._spec
        say(f"warming up for {spec.warmup_s:g} s or more on each batch size")
        windows = []
        for batch in self._sizes:
            start_ns = time.monotonic_ns()
            self._fastest_s = self._run(batch, 1)
            warm = warm_up(lambda batch=batch: self._stretch(batch), spec.warmup_s, spec.protocol)
            self.inferences[batch] = math.ceil(MARGIN * spec.window_s / self._fastest_s)
            edges = {"start_ns": start_ns, "end_ns": time.monotonic_ns()}
            windows.append({"kind": "warmup", "batch": batch, **edges, **warm})
            if (line := why_unsettled(warm, spec.protocol)) is not None:
                say(f"batch {batch}: {line}")
        return windows

    def _stretch(self, batch: int) -> float:
        """Inferences per second over a stretch of warming up."""
        done, seconds = 0, 0.0
        while seconds < STRETCH_S:
            count = math.ceil((STRETCH_S - seconds) / self._fastest_s)
            took_s = self._run(batch, count)
            self._fastest_s = min(self._fastest_s, took_s / count)
            done, seconds = done + count, seconds + took_s
        return done / seconds

    def measure(self, item: Block) -> list[Window]:
        """Inferences back to back, the device idle at both edges."""
        batch = item.batch
        # After a pause or another batch the first inference finds cold caches.
        self._run(batch, 1)
        while True:
            window = self._window(batch, self.inferences[batch])
            short = self._spec.window_s * 1e9 / (window["end_ns"] - window["start_ns"])
            if short <= 1:
                break
            # It got faster since it was warm: more inferences fill the window, from now on.
            self.inferences[batch] = math.ceil(MARGIN * short * self.inferences[batch])
        identity = {"inference": item.name, "repetition": item.repetition}
        return [{"kind": "inference", **identity, **window}]

    def describe(self, item: Block, windows: Sequence[Window]) -> str:
        """One line of progress; it says where another program took the processor."""
        window = windows[-1]
        seconds = (window["end_ns"] - window["start_ns"]) / 1e9
        own_s = window["user_s"] + window["system_s"]
        text = (
            f"batch {window['batch']}: {window['inferences']} inferences in {seconds:.2f} s,"
            f" {own_s / seconds:.0%} of a core"
        )
        settings = self._settings
        if settings.device == "cpu" and settings.threads == 1 and own_s < 0.9 * seconds:
            text += " (is the machine busy?)"
        return text

    def _window(self, batch: int, count: int) -> Window:
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
