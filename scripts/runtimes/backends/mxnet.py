"""MXNet, hybridised Gluon blocks. Layout NCHW.

MXNet is retired (in the Apache Attic since 2023; 1.9.1 is its last release). It is kept because the
study that this one follows measured it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sysconfig
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import RuntimeUnavailableError
from runtimes.base import Settings
from runtimes.network import Network

TITLE = "MXNet"
SOURCE = "network"
PROVIDERS = ("cpu", "cuda")
# The newest that mx2onnx 1.9.1 has translations for.
OPSET = 13
IR_VERSION = 7


def environment(settings: Settings) -> dict[str, str]:
    """MXNet reads most of its settings when it is loaded."""
    variables = {
        "MXNET_CPU_WORKER_NTHREADS": "1",
        "MXNET_OMP_MAX_THREADS": str(settings.threads),
    }
    if settings.provider == "cpu":
        return variables
    return variables | {
        # Algorithms are chosen by rule, not by a race whose outcome differs from run to run.
        "MXNET_CUDNN_AUTOTUNE_DEFAULT": "0",
        "MXNET_CUDA_ALLOW_TENSOR_CORE": "1" if settings.precision == "tf32" else "0",
        # It would round to float16, not to TF32.
        "MXNET_CUDA_TENSOR_OP_MATH_ALLOW_CONVERSION": "0",
        **_libraries(),
    }


def unavailable(settings: Settings) -> str | None:
    """Why MXNet cannot compute there."""
    mx = _import_mxnet()
    if settings.provider == "cpu":
        return None
    if not mx.runtime.Features().is_enabled("CUDA"):
        return f"this build of MXNet ({mx.__version__}) has no CUDA"
    try:
        count = mx.context.num_gpus()
        if settings.gpu >= count:
            return f"MXNet {mx.__version__} sees {count} GPU(s), not number {settings.gpu}"
        # Its last build has no machine code for newer GPUs, which shows when it computes.
        (mx.nd.ones(1, ctx=mx.gpu(settings.gpu)) + 1).asnumpy()
    except mx.base.MXNetError as error:
        # The trace comes before its reason.
        why = str(error).strip().splitlines()[-1].strip()[:200]
        return f"MXNet {mx.__version__} cannot use GPU {settings.gpu}: {why}"
    return None


def load(source: Network, settings: Settings) -> MXNetExecutable:
    """The network as a block on its device."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return MXNetExecutable(source, settings)


class MXNetExecutable:
    """See `Executable`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        mx = self._mx = _import_mxnet()
        from runtimes.networks.gluon import build

        self._context = mx.cpu() if settings.provider == "cpu" else mx.gpu(settings.gpu)
        self.block = build(network, self._context)
        self.block.hybridize(static_alloc=True, static_shape=True)
        self.names = list(network.inputs)
        self._check_device(network)
        features = mx.runtime.Features()
        self.facts = {
            "framework": {"name": TITLE, "version": mx.__version__},
            "mode": "hybridized, static_alloc, static_shape",
            "layout": "NCHW",
            "precision": settings.precision if settings.provider != "cpu" else "float32",
            "threads": _threads(),
            # What is told to it, for it does not tell; the name is that of its default.
            "engine": os.environ.get("MXNET_ENGINE_TYPE", "ThreadedEnginePerDevice"),
            "onednn": features.is_enabled("MKLDNN"),
            "features": sorted(name for name in features if features.is_enabled(name)),
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> tuple:
        """Arrays on the device, in the order of the network's inputs."""
        return tuple(
            self._mx.nd.array(inputs[name], ctx=self._context, dtype=inputs[name].dtype)
            for name in self.names
        )

    def run(self, staged: tuple) -> Any:
        """One call of the block; it is queued."""
        return self.block(*staged)

    def wait(self) -> None:
        """All that was queued is done."""
        self._mx.nd.waitall()

    def fetch(self, output: Any) -> np.ndarray:
        """The output on the host."""
        return output.asnumpy()

    def _check_device(self, network: Network) -> None:
        """Raises RuntimeUnavailableError where a result lies elsewhere than it was asked for."""
        output = self.run(self.stage(network.random_inputs(1, seed=0)))
        self.wait()
        if output.context != self._context:
            raise RuntimeUnavailableError(
                f"MXNet computed on {output.context}, not {self._context}"
            )


def export(executable: MXNetExecutable, network: Network, path: Path) -> dict[str, Any]:
    """Writes the ONNX file by mx2onnx, the batch axis dynamic."""
    import onnx

    mx = _import_mxnet()
    symbol = executable.block(*map(mx.sym.var, executable.names))
    parameters = {
        name: parameter.data() for name, parameter in executable.block.collect_params().items()
    }
    shapes = {name: tuple(spec["shape"]) for name, spec in network.inputs.items()}
    with _pinned_opset(OPSET):
        mx.onnx.export_model(
            symbol,
            parameters,
            [(1, *shape) for shape in shapes.values()],
            [np.dtype(spec["dtype"]).type for spec in network.inputs.values()],
            str(path),
            dynamic=True,
            dynamic_input_shapes=[("batch", *shape) for shape in shapes.values()],
        )
    model = onnx.load(path)
    stripped = _keep_network_inputs(model.graph, executable.names)
    # mx2onnx leaves the shape of BERT's output open.
    _, *shape = executable.run(executable.stage(network.random_inputs(1, seed=0))).shape
    _name_output(model.graph, network.output, ["batch", *shape])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return {
        "exporter": f"mx2onnx {mx.__version__}",
        "opset": OPSET,
        "notes": f"{stripped} initializers taken out of the graph's inputs",
    }


@contextlib.contextmanager
def _pinned_opset(opset: int) -> Iterator[None]:
    """onnx with another newest opset: mx2onnx stamps that one, whatever it translates to."""
    import onnx

    context = onnx.checker.DEFAULT_CONTEXT
    newest, checked = onnx.defs.onnx_opset_version, context.opset_imports
    onnx.defs.onnx_opset_version = lambda: opset
    context.opset_imports = {"": opset}
    try:
        yield
    finally:
        onnx.defs.onnx_opset_version = newest
        context.opset_imports = checked


def _keep_network_inputs(graph: Any, names: list[str]) -> int:
    """Leaves only the network's inputs, in order; how many it took out.

    mx2onnx lists the weights too, and what can be fed anew ONNX Runtime does not fold.
    """
    listed = {node.name: node for node in graph.input}
    if missing := set(names) - set(listed):
        raise ValueError(f"mx2onnx gave the file no input {', '.join(sorted(missing))}")
    kept = [listed[name] for name in names]
    del graph.input[:]
    graph.input.extend(kept)
    return len(listed) - len(kept)


def _name_output(graph: Any, name: str, shape: list[str | int]) -> None:
    """Gives the only output its name and its shape."""
    import onnx

    (output,) = graph.output
    for node in graph.node:
        node.input[:] = [name if value == output.name else value for value in node.input]
        node.output[:] = [name if value == output.name else value for value in node.output]
    kind = output.type.tensor_type.elem_type
    output.CopyFrom(onnx.helper.make_tensor_value_info(name, kind, shape))


def _import_mxnet() -> Any:
    """MXNet, imported without its warnings of what numpy has given up since."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mxnet
    return mxnet


def _threads() -> int | None:
    """OpenMP's number of threads, which is MXNet's; None where it is another OpenMP."""
    try:
        return ctypes.CDLL("libgomp.so.1").omp_get_max_threads()
    except OSError:
        return None


def _libraries() -> dict[str, str]:
    """Where the loader finds CUDA's libraries among the environment's own packages."""
    folders = [str(p) for p in sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/*/lib"))]
    others = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    # Each once, so that a process which has them already finds nothing to change.
    found = [*folders, *(folder for folder in others if folder and folder not in folders)]
    return {"LD_LIBRARY_PATH": ":".join(found)} if folders else {}
