"""A session of the study of runtimes: one network, one runtime, one provider."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.runtimes.providers import AUTO, on_gpu
from metering.cells import cell_of
from metering.host import thread_count
from runtimes import RuntimeUnavailableError, gate
from runtimes.agenda import order_blocks
from runtimes.base import Backend, Settings, import_failure
from runtimes.bench import Bench
from runtimes.network import Network
from runtimes.specification import RuntimesSpecification
from session.study import Plan, Say


@dataclasses.dataclass(frozen=True)
class Files:
    """What the session reads.

    Attributes:
        network: The network.json.
        conversion: The conversion.json.
        verified: For an export, what verify.py wrote; None for a framework's own network.
        onnx: For an export, the file.
    """

    network: Path
    conversion: Path
    verified: Path | None
    onnx: Path | None


class Runtimes:
    """See `session.study.Study`: what failed a comparison of outputs is never measured.

    Args:
        spec: What the session is told.
        module, settings: The runtime, and what it is told.
        variables: Those that the process was started with.

    Raises:
        RuntimeUnavailableError: The runtime cannot be imported; later: the provider was asked for
            by name and cannot be used.
    """

    kinds = ("inference",)

    def __init__(
        self,
        spec: RuntimesSpecification,
        files: Files,
        module: Backend,
        settings: Settings,
        variables: Mapping[str, str],
    ) -> None:
        self._spec, self._files = spec, files
        self._module, self._settings, self._variables = module, settings, variables
        self.device = settings.device
        conversion = read_json(files.conversion)
        cannot = gate.absence(conversion)
        # What cannot build the network need not be installed, so it is not asked.
        if cannot is None and (why := import_failure(module, settings)) is not None:
            raise RuntimeUnavailableError(why)
        self._left_out = Network.read(files.network).left_out(spec.batch_sizes)
        self._blocks = [each for each in order_blocks(spec) if each.batch not in self._left_out]
        verified = None if files.verified is None else read_json(files.verified)
        self._parity = gate.pairs(conversion, verified, spec.parity_tolerance)
        self._absent = {} if cannot else absent(spec, module, settings)
        self.exclusion = cannot or gate.exclusion(self._parity) or self._unmeasurable()

    def _unmeasurable(self) -> dict[str, str] | None:
        """Why there is nothing to measure; None where there is something."""
        if self._blocks:
            return None
        sizes = ", ".join(map(str, self._left_out))
        why = next(iter(self._left_out.values()))
        return {"stage": "batch", "why": f"batch {sizes}: {why}"}

    def plan(self, say: Say) -> Plan:
        """Every batch size that the network takes."""
        repetitions = {cell_of(block.name): self._spec.repetitions for block in self._blocks}
        return Plan(self._blocks, repetitions)

    @contextlib.contextmanager
    def open(self, say: Say) -> Iterator[Bench | None]:
        """The loaded network, once its outputs here are those of the reference."""
        try:
            bench = self._loaded(say)
        except RuntimeUnavailableError as error:
            if self._spec.providers != "auto":
                raise
            self.exclusion = {"stage": "provider", "why": str(error)}
        yield None if self.exclusion is not None else bench

    def _loaded(self, say: Say) -> Bench:
        files = self._files
        bench = Bench(self._spec, files.network, files.onnx, self._module, self._settings, say)
        verdict = bench.parity()
        self._parity.append(verdict)
        self.exclusion = gate.exclusion(self._parity)
        bench.meet_shapes()
        variables = dict(self._variables)
        allocator = {k: v for k, v in variables.items() if k.startswith("MALLOC_")}
        bench.facts |= {"allocator": allocator, "environment": variables, "parity": verdict}
        return bench

    def conclude(self, segments: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What was compared, and what may not or cannot be measured."""
        parity = list(self._parity)
        if self.exclusion is None and not any(pair["pair"] == "device" for pair in parity):
            # Every window was measured before the process was killed: the verdict stands there.
            parity += [segment["parity"] for segment in segments[-1:]]
        return {
            "study": "runtimes",
            "parity": parity,
            "excluded": self.exclusion,
            "absent": self._absent,
            "left_out": self._left_out,
        }


def settings_of(spec: RuntimesSpecification) -> Settings:
    """What the runtime is told."""
    return Settings(
        provider=spec.provider,
        gpu=int(spec.device.partition(":")[2] or 0),
        threads=thread_count(spec.threads),
        precision=spec.precision if on_gpu(spec.provider) else "float32",
    )


def absent(spec: RuntimesSpecification, module: Backend, settings: Settings) -> dict[str, str]:
    """The providers that `auto` would have taken and this runtime does not have here, and why."""
    if spec.providers != "auto":
        return {}
    why = {
        provider: module.unavailable(dataclasses.replace(settings, provider=provider))
        for provider in AUTO
        if provider in module.PROVIDERS
    }
    return {provider: reason for provider, reason in why.items() if reason is not None}


def read_json(path: Path) -> Any:
    """What a file of JSON holds."""
    return json.loads(path.read_text(encoding="utf-8"))
