"""What a runtime is: the words that every backend, the conversion and the session share.

A runtime is one module in `runtimes/backends/` that follows `Backend`. It must import without its
framework: Snakemake's process reads `TITLE`, `SOURCE` and `PROVIDERS` from it, and looks for
`export`; the framework is imported within functions.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from analysis.runtimes.providers import on_gpu
from metering.meter import error_message
from runtimes.network import Network

BACKENDS = Path(__file__).with_name("backends")
Precision = Literal["float32", "tf32"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a runtime is told; each is set explicitly, none left to its default.

    Attributes:
        provider: One of `runtimes.providers`.
        gpu: The number of the GPU among the visible ones; only read off the CPU.
        threads: Within one operator; operators run one after the other.
        precision: `float32`, or `tf32`, which lets a GPU round the inputs of matrix products.
    """

    provider: str = "cpu"
    gpu: int = 0
    threads: int = 1
    precision: Precision = "float32"

    @property
    def device(self) -> str:
        """`cpu`, or for a GPU of any make `cuda:N`, as PyTorch calls it."""
        return f"cuda:{self.gpu}" if on_gpu(self.provider) else "cpu"


class Executable(Protocol):
    """A loaded network that is ready to compute.

    Attributes:
        facts: What was done and set, as read back from the framework: at least `layout`,
            `precision`, `threads`, `mode` and `framework` (`name`, `version`).
    """

    facts: dict[str, Any]

    def stage(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """The inputs where and as the network reads them (device, layout, type)."""
        ...

    def run(self, staged: Any) -> Any:
        """One inference; it may only be queued."""
        ...

    def wait(self) -> None:
        """Returns when all that was queued is computed."""
        ...

    def fetch(self, output: Any) -> np.ndarray:
        """The output of `run` as float32 in the layout of PyTorch."""
        ...


def compute(executable: Executable, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """The output on given inputs, on the host."""
    output = executable.run(executable.stage(inputs))
    executable.wait()
    return executable.fetch(output)


def match_layout(array: np.ndarray, shape: Sequence[Any]) -> np.ndarray:
    """An input in the layout of an export: an image's channels are where the file has them.

    Args:
        shape: That of the file's input; a number where an axis is fixed.
    """
    if array.ndim == 4 and shape[-1] == array.shape[1] and shape[1] != array.shape[1]:
        array = array.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(array)


class Backend(Protocol):
    """A module of `runtimes/backends/`.

    Attributes:
        TITLE: The runtime's name in figures.
        SOURCE: `network` (it builds the network from its weights) or `onnx` (it runs exports).
        PROVIDERS: Those of `runtimes.providers` that it can have.
        BUILDS: What its networks may be made from, as `runtimes.network` names it; left out, only
            the families that every framework has.

    A backend that can be converted also has
    `export(executable, network, path) -> dict`, which writes an ONNX file with a dynamic batch
    axis and says how: at least `exporter` and `opset`.
    """

    TITLE: str
    SOURCE: Literal["network", "onnx"]
    PROVIDERS: tuple[str, ...]

    def environment(self, settings: Settings) -> dict[str, str]:
        """Variables that must stand before the process starts."""
        ...

    def unavailable(self, settings: Settings) -> str | None:
        """Why it cannot compute there, in one line; None where it can."""
        ...

    def load(self, source: Network | Path, settings: Settings) -> Executable:
        """The network, ready. Raises RuntimeUnavailableError rather than fall back."""
        ...


def backend_names() -> list[str]:
    """The names of the runtimes that there are: one module each."""
    return sorted(p.stem for p in BACKENDS.glob("*.py") if not p.stem.startswith("_"))


def load_backend(name: str) -> Backend:
    """The module of a runtime."""
    return importlib.import_module(f"runtimes.backends.{name}")


def import_failure(module: Backend, settings: Settings) -> str | None:
    """Why a runtime cannot be imported, in one line; None where it can.

    That is a fault of the environment and no verdict on a network: mending it must be seen. A
    package built for another numpy raises whatever it likes.
    """
    try:
        module.unavailable(settings)
    except Exception as error:
        return f"{module.TITLE} cannot be imported: {error_message(error, 300)}"
    return None


def can_export(name: str) -> bool:
    """Whether a runtime's networks can be converted to ONNX."""
    return hasattr(load_backend(name), "export")


# What keeps glibc from giving freed memory back between inferences (mallopt(3)): on a virtual
# machine half of a large batch's CPU time can be page faults of memory that was just given back.
RETAIN_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}


def environment(module: Backend, settings: Settings, allocator: str) -> dict[str, str]:
    """All variables that a session's process must start with.

    Snakemake exports thread variables from `--cores`: these here win.
    """
    threads = str(settings.threads)
    names = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
    return {
        **{f"{name}_NUM_THREADS": threads for name in names},
        # cuBLAS and cuDNN obey it whatever the framework asks for (1 would force it on).
        **({"NVIDIA_TF32_OVERRIDE": "0"} if settings.precision == "float32" else {}),
        **(RETAIN_MEMORY if allocator == "retain" else {}),
        **module.environment(settings),
    }


def must_restart(wanted: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the process must be started again with `wanted`."""
    return any(environ.get(name) != value for name, value in wanted.items())
