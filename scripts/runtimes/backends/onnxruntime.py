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

from analysis.runtimes.providers import SPELT as NAMES
from analysis.runtimes.providers import on_gpu, on_npu, on_nvidia
from runtimes import RuntimeUnavailableError
from runtimes.base import Settings, match_layout
from runtimes.plugins import Plugin, built_in_providers, find_plugin

TITLE = "ONNX Runtime"
SOURCE = "onnx"
PROVIDERS = tuple(NAMES)
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
    try:
        added = find_plugin(name)
    except RuntimeUnavailableError as error:
        return str(error)
    if name not in built_in_providers() and added is None:
        return (
            f"this build of ONNX Runtime ({onnxruntime.__version__}) has no {name}"
            f" (it has {', '.join(built_in_providers())})"
        )
    if added is not None and not _devices(added, settings):
        wanted = f"GPU {settings.gpu}" if on_gpu(settings.provider) else "processor"
        return f"{name} of {added.package} {added.version} finds no {wanted} that it computes on"
    if on_npu(settings.provider):
        return f"{name} computes on a device whose energy no meter here reads"
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
        # Inputs are bound to the memory of the GPU where ONNX Runtime can put them there.
        self._bound = on_nvidia(settings.provider)
        self._session = _session(path, settings)
        self._names = [node.name for node in self._session.get_inputs()]
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name
        self.facts = {
            "framework": {"name": TITLE, "version": onnxruntime.__version__},
            "mode": f"{NAMES[settings.provider]}, all graph optimisations",
            "layout": "that of the export",
            "precision": settings.precision if on_nvidia(settings.provider) else "float32",
            "threads": self._session.get_session_options().intra_op_num_threads,
            "providers": self._session.get_providers(),
            "provider_options": self._session.get_provider_options(),
            "placement": placement(path, settings, self.example()),
            "build": onnxruntime.get_build_info(),
            "plugin": _plugin_facts(find_plugin(NAMES[settings.provider])),
        }

    def example(self) -> dict[str, np.ndarray]:
        """Any inputs that the file accepts, of batch 1 where the batch is free."""
        return {
            name: np.ones([d if isinstance(d, int) else 1 for d in node.shape], TYPES[node.type])
            for name, node in self._inputs.items()
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """A feed by name; on an NVIDIA GPU a binding of inputs and output to its memory."""
        feed = {name: match_layout(inputs[name], self._inputs[name].shape) for name in self._names}
        if not self._bound:
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
        if not self._bound:
            return self._session.run([self._output], staged)[0]
        self._session.run_with_iobinding(staged)
        return staged

    def wait(self) -> None:
        """A run returns when the provider's stream is done."""

    def fetch(self, output: Any) -> np.ndarray:
        """The output on the host."""
        if not self._bound:
            return output
        return output.copy_outputs_to_cpu()[0]


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
    providers = _provider_options(settings)
    try:
        if (added := find_plugin(name)) is not None:
            # A plugin is chosen by its devices; nodes that it does not take are the CPU's.
            options.add_provider_for_devices(_devices(added, settings), providers[0][1])
            providers = None
        session = onnxruntime.InferenceSession(
            path, options, providers=providers, enable_fallback=0
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
            f"{_missing_library_hint(settings)}"
        )
    return session


def _provider_options(settings: Settings) -> list[tuple[str, dict[str, str]]]:
    """The asked provider, and behind it those that it needs for nodes that it does not take."""
    gpu = str(settings.gpu)
    options = {
        "cuda": {
            "device_id": gpu,
            "use_tf32": "1" if settings.precision == "tf32" else "0",
            # By rule, as in the other runtimes, not by a race.
            "cudnn_conv_algo_search": "HEURISTIC",
        },
        "tensorrt": {"device_id": gpu, "trt_fp16_enable": "0"},
        "openvino": _openvino(settings),
        "xnnpack": {"intra_op_num_threads": str(settings.threads)},
        **{name: {"device_id": gpu} for name in ("rocm", "migraphx", "dml", "nvtensorrtrtx")},
    }
    order = [settings.provider, *(["cuda"] if settings.provider == "tensorrt" else []), "cpu"]
    return [(NAMES[name], options.get(name, {})) for name in dict.fromkeys(order)]


def _openvino(settings: Settings) -> dict[str, str]:
    """The same settings as OpenVINO alone has; its plugin names its device by itself."""
    from runtimes.backends.openvino import properties

    config = {key: str(value) for key, value in properties(settings).items()}
    options = {"load_config": json.dumps({"CPU": config})}
    return options if find_plugin(NAMES["openvino"]) else {"device_type": "CPU", **options}


def _devices(added: Plugin, settings: Settings) -> list[Any]:
    """The plugin's device to compute on, in a list that is empty where it is not there."""
    from onnxruntime import OrtHardwareDeviceType as Kind

    wanted = Kind.GPU if on_gpu(settings.provider) else Kind.CPU
    number = settings.gpu if on_gpu(settings.provider) else 0
    return [d for d in added.devices if d.device.type == wanted][number : number + 1]


def _plugin_facts(added: Plugin | None) -> dict[str, str] | None:
    return added and {"package": added.package, "version": added.version}


def placement(path: Path, settings: Settings, feed: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many nodes each provider computes, from the profile of one inference.

    Raises:
        RuntimeUnavailableError: The asked provider computes none.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = _session(path, settings, Path(folder, "profile"))
        session.run(None, dict(feed))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
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

    if on_nvidia(settings.provider) and hasattr(onnxruntime, "preload_dlls"):
        # It prints what it does not find; what is missing shows when the session is made.
        with open(os.devnull, "w", encoding="utf-8") as sink, contextlib.redirect_stdout(sink):
            onnxruntime.preload_dlls()


def _missing_library_hint(settings: Settings) -> str:
    """What to look for when a provider was dropped."""
    if settings.provider == "tensorrt" and not ctypes.util.find_library("nvinfer"):
        return (
            ": libnvinfer is not on the loader's path; install the packages of"
            " envs/onnxruntime-tensorrt.yaml, or give TensorRT's lib folder in LD_LIBRARY_PATH"
        )
    if not on_nvidia(settings.provider):
        return ": look for what its library needs (ldd)"
    return ": look for CUDA's and cuDNN's libraries (ldd libonnxruntime_providers_*.so)"
