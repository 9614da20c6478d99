"""JAX, compiled by XLA (jit) for each batch size. Layout NHWC.

The weights are arguments of the compiled function, as JAX's libraries pass them: as constants XLA
would compute with them while it compiles, and hold a copy of them for each batch size.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from runtimes import RuntimeUnavailableError
from runtimes.base import Settings
from runtimes.network import Network

TITLE = "JAX"
SOURCE = "network"
PROVIDERS = ("cpu", "cuda")
# XLA rounds the inputs of matrix products on its own where it is not told otherwise.
PRECISIONS = {"float32": "highest", "tf32": "tensorfloat32"}


def environment(settings: Settings) -> dict[str, str]:
    """XLA reads its settings when it is loaded: NPROC is the size of its pool of threads, which one
    operator shares; with one thread Eigen's kernels are those without a pool."""
    pooled = "true" if settings.threads > 1 else "false"
    variables = {
        # With CUDA alone and no GPU it would stop on an assertion of its own.
        "JAX_PLATFORMS": "cpu" if settings.provider == "cpu" else "cuda,cpu",
        "NPROC": str(settings.threads),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={pooled}",
    }
    if settings.provider != "cpu":
        # Algorithms are chosen by rule, not by a race whose outcome differs from run to run.
        variables["XLA_FLAGS"] += " --xla_gpu_autotune_level=0"
        # Else it takes three quarters of the memory at its start.
        variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    return variables


def unavailable(settings: Settings) -> str | None:
    """Why JAX cannot compute there."""
    import jax

    platform = "cpu" if settings.provider == "cpu" else "cuda"
    try:
        count = len(jax.devices(platform))
    except RuntimeError as error:
        # Without its plug-in or a driver it knows no such platform.
        return f"JAX {jax.__version__} has no {platform}: {' '.join(str(error).split())[:200]}"
    if settings.gpu >= count:
        return f"JAX {jax.__version__} sees {count} GPU(s), not number {settings.gpu}"
    return None


def load(source: Network, settings: Settings) -> JaxExecutable:
    """The network as a function whose weights are on its device."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return JaxExecutable(source, settings)


class JaxExecutable:
    """See `Executable`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        import jax
        import jaxlib

        on_cpu = settings.provider == "cpu"
        jax.config.update("jax_default_matmul_precision", PRECISIONS[settings.precision])
        # Else inferences that are queued on a processor compute side by side.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        from runtimes.networks.jax import build

        self._jax = jax
        self._device = jax.devices("cpu" if on_cpu else "cuda")[settings.gpu if not on_cpu else 0]
        compute, weights = build(network)
        self._weights = jax.device_put(weights, self._device)
        self._compute = jax.jit(compute)
        self.names = list(network.inputs)
        self._last: Any = None
        self._check_device(network)
        self.facts = {
            "framework": {"name": TITLE, "version": jax.__version__, "jaxlib": jaxlib.__version__},
            "mode": "jit, compiled for each batch size, weights as arguments",
            "layout": "NHWC",
            "precision": "float32" if on_cpu else settings.precision,
            "matmul_precision": jax.config.jax_default_matmul_precision,
            # What is told to it, for it does not tell.
            "threads": int(os.environ.get("NPROC", 0)) or None,
            "xla_flags": os.environ.get("XLA_FLAGS"),
            "platform": f"{self._device.client.platform} {self._device.client.platform_version}",
            "integers": str(jax.dtypes.canonicalize_dtype(np.int64)),
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> tuple:
        """Arrays on the device, images as NHWC, in the order of the network's inputs."""
        arrays = (self._as_nhwc(inputs[name]) for name in self.names)
        return tuple(self._jax.device_put(array, self._device) for array in arrays)

    def run(self, staged: tuple) -> Any:
        """One call of the compiled function; on a GPU it is queued."""
        self._last = self._compute(self._weights, *staged)
        return self._last

    def wait(self) -> None:
        """The last that was queued is done, and so are those before it, which ran in order."""
        if self._last is not None:
            self._last.block_until_ready()

    def fetch(self, output: Any) -> np.ndarray:
        """The output on the host; none of the networks gives an image."""
        return np.asarray(output)

    def _as_nhwc(self, array: np.ndarray) -> np.ndarray:
        """Images with their channels last; anything else as it is."""
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array

    def _check_device(self, network: Network) -> None:
        """Raises RuntimeUnavailableError where a result lies elsewhere than it was asked for."""
        output = self.run(self.stage(network.random_inputs(1, seed=0)))
        self.wait()
        if output.devices() != {self._device}:
            found = ", ".join(map(str, output.devices()))
            raise RuntimeUnavailableError(f"JAX computed on {found}, not {self._device}")
