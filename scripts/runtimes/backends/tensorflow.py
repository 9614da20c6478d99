"""TensorFlow, as a graph (tf.function), on networks built in Keras 3. Layout NHWC."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import RuntimeUnavailableError
from runtimes.base import Settings
from runtimes.network import Network

TITLE = "TensorFlow"
SOURCE = "network"
PROVIDERS = ("cpu", "cuda")
OPSET = 17


def environment(settings: Settings) -> dict[str, str]:
    """Quiet, Keras on TensorFlow, threads; oneDNN stays as the build has it, and is recorded."""
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "TF_NUM_INTRAOP_THREADS": str(settings.threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }
    if settings.provider != "cpu":
        # Algorithms are chosen by rule, not by a race whose outcome differs from run to run.
        variables |= {"TF_CUDNN_USE_AUTOTUNE": "0", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return variables


def unavailable(settings: Settings) -> str | None:
    """Why TensorFlow cannot compute there."""
    import tensorflow as tf

    if settings.provider == "cpu":
        return None
    if not tf.test.is_built_with_cuda():
        return f"this build of TensorFlow ({tf.__version__}) has no CUDA"
    count = len(tf.config.list_physical_devices("GPU"))
    if settings.gpu >= count:
        return f"TensorFlow {tf.__version__} sees {count} GPU(s), not number {settings.gpu}"
    return None


def load(source: Network, settings: Settings) -> TensorFlowExecutable:
    """The network as a graph on its device."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return TensorFlowExecutable(source, settings)


class TensorFlowExecutable:
    """See `Executable`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        import keras
        import tensorflow as tf

        _configure(settings)
        from runtimes.networks.keras import build

        # The chosen GPU is the only one that is visible, so it is number 0.
        self._device = "/CPU:0" if settings.provider == "cpu" else "/GPU:0"
        with tf.device(self._device):
            model = build(network)
        self.names = list(network.inputs)
        self.signature = [
            tf.TensorSpec([None, *spec.shape[1:]], spec.dtype, name=spec.name)
            for spec in model.inputs
        ]

        @tf.function(input_signature=self.signature, jit_compile=False)
        def compute(*inputs):
            with tf.device(self._device):
                return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

        self.function = compute
        self._check_device(network)
        self.facts = {
            "framework": {"name": TITLE, "version": tf.__version__, "keras": keras.__version__},
            "mode": "graph, tf.function with a fixed signature",
            "layout": "NHWC",
            "precision": _precision(settings),
            "threads": tf.config.threading.get_intra_op_parallelism_threads(),
            "interop_threads": tf.config.threading.get_inter_op_parallelism_threads(),
            "xla": False,
            "onednn": _onednn(),
            **_cuda(settings),
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> tuple:
        """Tensors on the device, images as NHWC, in the order of the network's inputs."""
        import tensorflow as tf

        with tf.device(self._device):
            return tuple(tf.constant(_as_nhwc(inputs[name])) for name in self.names)

    def run(self, staged: tuple) -> Any:
        """One call of the graph; on a GPU it is queued."""
        return self.function(*staged)

    def wait(self) -> None:
        """All that was queued is done; on the CPU a call returns when it is."""
        import tensorflow as tf

        if self._device == "/GPU:0":
            tf.test.experimental.sync_devices()

    def fetch(self, output: Any) -> np.ndarray:
        """The output on the host; none of the networks gives an image."""
        return output.numpy()

    def _check_device(self, network: Network) -> None:
        """Raises RuntimeUnavailableError where a result lies elsewhere than it was asked for."""
        output = self.run(self.stage(network.random_inputs(1, seed=0)))
        self.wait()
        wanted = self._device.replace("/", "device:")
        if not output.device.endswith(wanted):
            raise RuntimeUnavailableError(f"TensorFlow computed on {output.device}, not {wanted}")


def export(executable: TensorFlowExecutable, network: Network, path: Path) -> dict[str, Any]:
    """Writes the ONNX file by tf2onnx, the batch axis dynamic.

    Raises:
        ValueError: tf2onnx left operators that ONNX does not know; it only logs them.
    """
    import onnx

    # tf2onnx sets up its log, with lines on what it does, when it is imported.
    with contextlib.redirect_stderr(io.StringIO()):
        import tf2onnx
        import tf2onnx.convert

        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
        model, _ = tf2onnx.convert.from_function(
            executable.function, input_signature=executable.signature, opset=OPSET
        )
    unknown = {
        node.op_type for node in model.graph.node if node.domain or not onnx.defs.has(node.op_type)
    }
    if unknown:
        raise ValueError(f"tf2onnx did not convert {', '.join(sorted(unknown))}")
    renamed = {node.name: node.name.removesuffix(":0") for node in model.graph.input}
    if list(renamed.values()) != executable.names or len(model.graph.output) != 1:
        raise ValueError(f"tf2onnx gave the file other inputs: {', '.join(renamed)}")
    renamed[model.graph.output[0].name] = network.output
    _rename(model.graph, renamed)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, path)
    images = any(len(spec["shape"]) == 3 for spec in network.inputs.values())
    return {
        "exporter": f"tf2onnx {tf2onnx.__version__}",
        "opset": OPSET,
        "notes": "images are read as NHWC" if images else None,
    }


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Gives values of an ONNX graph other names."""
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def _configure(settings: Settings) -> None:
    """Threads, visible devices and precision, before TensorFlow makes its context."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_tensor_float_32_execution(settings.precision == "tf32")
    if settings.provider == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    gpu = tf.config.list_physical_devices("GPU")[settings.gpu]
    tf.config.set_visible_devices([gpu], "GPU")
    tf.config.experimental.set_memory_growth(gpu, True)


def _precision(settings: Settings) -> str:
    """What TensorFlow is set to; the CPU has no TF32."""
    import tensorflow as tf

    on = tf.config.experimental.tensor_float_32_execution_enabled()
    return "tf32" if on and settings.provider != "cpu" else "float32"


def _onednn() -> bool | None:
    """Whether oneDNN computes on the CPU; None where this version does not tell."""
    try:
        from tensorflow.python.util import _pywrap_util_port

        return bool(_pywrap_util_port.IsMklEnabled())
    except (ImportError, AttributeError):
        return None


def _cuda(settings: Settings) -> dict[str, str | None]:
    """The versions of CUDA and cuDNN that TensorFlow was built for, off the CPU."""
    import tensorflow as tf

    built = {} if settings.provider == "cpu" else tf.sysconfig.get_build_info()
    return {"cuda": built.get("cuda_version"), "cudnn": built.get("cudnn_version")}


def _as_nhwc(array: np.ndarray) -> np.ndarray:
    """Images with their channels last; anything else as it is."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array
