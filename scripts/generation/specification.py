"""What a session of the study of phases is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from generation.workloads import WORKLOADS
from session.specification import ModelSpecification, Repetitions

# Prompts of many lengths for the laws: probes without a benchmark, on the texts of `longcode`.
SWEEP = "sweep"
# The file with the tasks of the workloads whose prompts are cut to a length.
LONGCODE_FILE = "longcode"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """The same work over and over in one long window.

    Attributes:
        prompts: How many prompts are probed.
        output_tokens: Of a probe, that of the prefill among them.
        window_s: Seconds that a window lasts at least.
        repetitions: Windows of each kind.
    """

    prompts: int
    output_tokens: int
    window_s: float
    repetitions: Repetitions


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """Lengths of prompts and outputs, in tokens.

    Attributes:
        prompt_tokens: `auto` is the powers of two up to what the model takes.
        longest: The longest of `auto`; None sets no limit but the model's.
        output_tokens: Lengths of the outputs.
    """

    prompt_tokens: Literal["auto"] | tuple[int, ...]
    longest: int | None
    output_tokens: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuppressionSettings:
    """When generated code is checked, and within which limits.

    Attributes:
        unit: At the end of each of these a check comes.
        timeout_s: Wall time of one check, in seconds.
        memory_mb: Memory of one check, in MiB.
    """

    unit: Literal["token", "line", "function"]
    timeout_s: float
    memory_mb: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replay:
    """The recorded outputs that are forced: those of a model in another campaign."""

    campaign: str
    model: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhasesSpecification(ModelSpecification):
    """What any session of the study of phases is told; parsing gives one of its two forms.

    Attributes:
        source: Where the weights come from; those of `init` are random.
        prompt: How the model is spoken to.
        workload: A benchmark posed in one way, or `sweep`.
        batch_size: Copies of a prompt that are decoded together.
        dtype: Of weights and activations; `auto` follows the device.
    """

    source: str
    prompt: Literal["completion", "chat"]
    workload: str
    batch_size: int
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    decoding: Literal["greedy", "sampled"]
    probe: ProbeSettings

    @staticmethod
    def form(document: Mapping[str, Any]) -> type[PhasesSpecification]:
        """The form of a document, which its workload says, or where that is missing its keys."""
        workload = document.get("workload", SWEEP if SWEEP in document else None)
        return SweepSpecification if workload == SWEEP else BenchmarkSpecification


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepSpecification(PhasesSpecification):
    """Probes over lengths of prompt and output, and no outputs."""

    sweep: SweepSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkSpecification(PhasesSpecification):
    """The tasks of a benchmark under each condition.

    Attributes:
        tasks: `all`, how many, or which.
        tasks_chosen_by: How they were chosen, as far as is known.
        repetitions: Outputs of each task and condition.
        max_new_tokens: The limit of an output, in tokens.
        replay: None where the model's own outputs are measured.
        temperature, top_p: Of sampled decoding; None for greedy.
        prompt_tokens: Length of every prompt of `longcode`; None for other tasks.
    """

    tasks: Literal["all"] | int | tuple[str, ...]
    tasks_chosen_by: str | None
    conditions: tuple[Literal["baseline", "suppressed"], ...]
    repetitions: Repetitions
    max_new_tokens: int
    suppression: SuppressionSettings
    replay: Replay | None
    temperature: float | None = None
    top_p: float | None = None
    prompt_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.workload not in WORKLOADS:
            allowed = ", ".join([*WORKLOADS, SWEEP])
            raise ValueError(f"workload: no workload '{self.workload}' (there are: {allowed})")
        sampled = self.decoding == "sampled"
        cut = WORKLOADS[self.workload].file == LONGCODE_FILE
        for name, because, needed in (
            ("temperature", "decoding", sampled),
            ("top_p", "decoding", sampled),
            ("prompt_tokens", "workload", cut),
        ):
            if (getattr(self, name) is not None) is not needed:
                what = "is missing" if needed else "is not allowed"
                raise ValueError(f"{name}: {what} where {because} is '{getattr(self, because)}'")
