"""What a session of the study of runtimes is told."""

from __future__ import annotations

import dataclasses
from typing import Literal

from session.specification import ModelSpecification, Repetitions


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuntimesSpecification(ModelSpecification):
    """One network in one runtime on one provider, at every batch size.

    Attributes:
        system: The name of the runtime's module.
        origin: The framework whose export it runs, or `file`; None for a framework itself.
        title: What the runtime is called.
        provider: What it computes on.
        providers: Whether all that are there were asked for, or this one by its name: then it is
            an error that it cannot be used.
        batch_sizes: Samples of one inference.
        repetitions: Windows of each batch size.
        window_s: Seconds that a window lasts at least.
        precision: Of matrix products and convolutions on a GPU.
        allocator: Whether glibc keeps freed memory.
        parity_tolerance: Relative error allowed to a framework or an export, on the CPU.
        device_tolerance: The same for this session's own output.
    """

    system: str
    origin: str | None
    title: str
    provider: str
    providers: Literal["auto", "named"]
    batch_sizes: tuple[int, ...]
    repetitions: Repetitions
    window_s: float
    precision: Literal["float32", "tf32"]
    allocator: Literal["retain", "default"]
    parity_tolerance: float
    device_tolerance: float
