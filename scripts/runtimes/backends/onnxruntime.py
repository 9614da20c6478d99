"""ONNX Runtime, on a framework's export, through one execution provider."""

from __future__ import annotations

import contextlib
import ctypes.util
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import RuntimeUnavailableError
from runtimes.base import Settings

TITLE = "ONNX Runtime"
SOURCE = "onnx"
PROVIDERS = ("cpu", "cuda", "tensorrt")
NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
# ONNX Runtime's names for the types of inputs.
TYPES = {"tensor(float)": np.dtype("float32"), "tensor(double)": np.dtype("float64")} | {
    f"tensor({name})": np.dtype(name)
    for name in ("float16", "int8", "int16", "int32", "int64", "uint8", "bool")
}
QUIET = 3  # errors and worse; a provider's refusal is told by our own line


def environment(settings: Settings) -> dict[str, str]:
    """ONNX Runtime is told in the process."""
    return {}


def unavailable(settings: Settings) -> str | None:
    """Why ONNX Runtime cannot compute there, as far as can be told without a model."""
    import onnxruntime

    _preload(settings)
    name = NAMES[settings.provider]
    built = onnxruntime.get_available_providers()
    if name not in built:
        return (
            f"this build of ONNX Runtime ({onnxruntime.__version__}) has no {name}"
            f" (it has {', '.join(built)})"
        )
    return None


def load(source: Path, settings: Settings) -> OrtExecutable:
    """The file in a session of the asked provider, and of no other."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return OrtExecutable(source, settings)


class OrtExecutable:
    """See `Executable`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        import onnxruntime

        self._settings = settings
        self._session = _session(path, settings)
        self._names = [node.name for node in self._session.get_inputs()]
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name
        self.facts = {
            "framework": {"name": TITLE, "version": onnxruntime.__version__},
            "mode": f"{NAMES[settings.provider]}, all graph optimisations",
            "layout": "that of the export",
            "precision": settings.precision if settings.provider != "cpu" else "float32",
            "threads": self._session.get_session_options().intra_op_num_threads,
            "providers": self._session.get_providers(),
            "provider_options": self._session.get_provider_options(),
            "placement": placement(path, settings, self.example()),
            "build": onnxruntime.get_build_info(),
        }

    def example(self) -> dict[str, np.ndarray]:
        """Any inputs that the file accepts, of batch 1 where the batch is free."""
        return {
            name: np.ones([d if isinstance(d, int) else 1 for d in node.shape], TYPES[node.type])
            for name, node in self._inputs.items()
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """On the CPU a feed by name; on a GPU a binding of inputs and output to its memory."""
        feed = {name: self._fitted(name, inputs[name]) for name in self._names}
        if self._settings.provider == "cpu":
            return feed
        import onnxruntime

        binding = self._session.io_binding()
        for name, array in feed.items():
            value = onnxruntime.OrtValue.ortvalue_from_numpy(array, "cuda", self._settings.gpu)
            binding.bind_ortvalue_input(name, value)
        binding.bind_output(self._output, "cuda", self._settings.gpu)
        return binding

    def run(self, staged: Any) -> Any:
        """One inference, done when the call returns."""
        if self._settings.provider == "cpu":
            return self._session.run([self._output], staged)[0]
        self._session.run_with_iobinding(staged)
        return staged

    def wait(self) -> None:
        """A run returns when the provider's stream is done."""

    def fetch(self, output: Any) -> np.ndarray:
        """The output on the host."""
        if self._settings.provider == "cpu":
            return output
        return output.copy_outputs_to_cpu()[0]

    def _fitted(self, name: str, array: np.ndarray) -> np.ndarray:
        """In the layout of the export: an image's channels are where the file has them."""
        shape = self._inputs[name].shape
        if array.ndim == 4 and shape[-1] == array.shape[1] and shape[1] != array.shape[1]:
            array = array.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(array)


def _session(path: Path, settings: Settings, profile: Path | None = None) -> Any:
    """A session whose first provider is the asked one.

    Raises:
        RuntimeUnavailableError: ONNX Runtime cannot run the file so. It would fall back to
            the CPU with no more than a line in its log.
    """
    import onnxruntime

    name = NAMES[settings.provider]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = True
    options.enable_mem_pattern = True
    options.log_severity_level = QUIET
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=_providers(settings), enable_fallback=0
        )
    except Exception as error:
        # Its exceptions are bare classes of an extension module, one for each status code.
        why = " ".join(str(error).split())[:300]
        raise RuntimeUnavailableError(f"ONNX Runtime cannot run {path.name}: {why}") from None
    # Nor may it go on with another provider after an error while it runs.
    session.disable_fallback()
    if session.get_providers()[0] != name:
        raise RuntimeUnavailableError(
            f"ONNX Runtime fell back from {name} to {', '.join(session.get_providers())}"
            f"{_lacking(settings)}"
        )
    return session


def _providers(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """The asked provider, and behind it those that it needs for nodes that it does not take."""
    cpu = (NAMES["cpu"], {})
    cuda = (
        NAMES["cuda"],
        {
            "device_id": str(settings.gpu),
            "use_tf32": "1" if settings.precision == "tf32" else "0",
            # By rule, as in the other runtimes, not by a race.
            "cudnn_conv_algo_search": "HEURISTIC",
        },
    )
    if settings.provider == "cpu":
        return [cpu]
    if settings.provider == "cuda":
        return [cuda, cpu]
    options = {"device_id": str(settings.gpu), "trt_fp16_enable": "0"}
    return [(NAMES["tensorrt"], options), cuda, cpu]


def placement(path: Path, settings: Settings, feed: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many nodes each provider computes, from the profile of one inference.

    Raises:
        RuntimeUnavailableError: The asked provider computes none.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = _session(path, settings, Path(folder, "profile"))
        session.run(None, dict(feed))
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = Counter(
        event["args"]["provider"]
        for event in events
        if event.get("cat") == "Node" and event.get("args", {}).get("provider")
    )
    name = NAMES[settings.provider]
    if not nodes[name]:
        raise RuntimeUnavailableError(
            f"ONNX Runtime computes no node of {path.name} by {name}: {dict(nodes)}"
        )
    return dict(nodes)


def _preload(settings: Settings) -> None:
    """CUDA's libraries from the environment's own packages, where the loader would not look."""
    import onnxruntime

    if settings.provider != "cpu" and hasattr(onnxruntime, "preload_dlls"):
        # It prints what it does not find; what is missing shows when the session is made.
        with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
            onnxruntime.preload_dlls()


def _lacking(settings: Settings) -> str:
    """What to look for when a provider was dropped."""
    if settings.provider == "tensorrt" and not ctypes.util.find_library("nvinfer"):
        return (
            ": libnvinfer is not on the loader's path; install the packages of"
            " envs/onnxruntime-tensorrt.yaml, or give TensorRT's lib folder in LD_LIBRARY_PATH"
        )
    return ": look for CUDA's and cuDNN's libraries (ldd libonnxruntime_providers_*.so)"
