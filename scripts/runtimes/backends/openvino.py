"""OpenVINO on the processor, on a framework's export. It computes in the layout of its kernels.

A network is compiled for each batch size, as OpenVINO's guide to its processor advises: with a free
batch it can choose neither kernels nor memory beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from metering.meter import error_message
from runtimes import RuntimeUnavailableError
from runtimes.base import Settings, match_layout

TITLE = "OpenVINO"
SOURCE = "onnx"
PROVIDERS = ("cpu",)
DEVICE = "CPU"


def environment(settings: Settings) -> dict[str, str]:
    """OpenVINO is told in the process."""
    return {}


def unavailable(settings: Settings) -> str | None:
    """Why OpenVINO cannot compute there."""
    import openvino

    if settings.provider not in PROVIDERS:
        return f"OpenVINO is measured on the processor, not on {settings.provider}"
    devices = openvino.Core().available_devices
    if DEVICE not in devices:
        return (
            f"OpenVINO {openvino.__version__} does not support this processor (it finds:"
            f" {', '.join(devices) or 'no device'})"
        )
    return None


def load(source: Path, settings: Settings) -> OpenVINOExecutable:
    """The file, compiled at its smallest batch."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return OpenVINOExecutable(source, settings)


def properties(settings: Settings) -> dict[str, Any]:
    """What OpenVINO's processor plugin is told; none of it is left to a default.

    Its own choices would be bfloat16 where the processor has it, all cores, and threads that are
    bound to cores, which no other runtime here does.
    """
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": settings.threads,
        "ENABLE_CPU_PINNING": "NO",
        "ENABLE_HYPER_THREADING": "YES",
        "SCHEDULING_CORE_TYPE": "ANY_CORE",
        "CPU_DENORMALS_OPTIMIZATION": "NO",
    }


class OpenVINOExecutable:
    """See `Executable`."""

    def __init__(self, path: Path, settings: Settings) -> None:
        import openvino

        self._core = openvino.Core()
        self._properties = properties(settings)
        try:
            self._model = self._core.read_model(path)
        except RuntimeError as error:
            raise RuntimeUnavailableError(
                f"OpenVINO cannot read {path.name}: {error_message(error, 300)}"
            ) from None
        # A port has every name that the file gives it; which order they come in is not told.
        self._ports = {frozenset(port.get_names()): port for port in self._model.inputs}
        self._compiled: dict[tuple, Any] = {}
        compiled = self._of(self.example())
        self.facts = {
            # Behind the version stand the number and the branch of the build.
            "framework": {"name": TITLE, "version": openvino.__version__.partition("-")[0]},
            "build": openvino.__version__,
            "mode": "compiled for each batch size, one stream, synchronous requests",
            "layout": "that of the export",
            "precision": {"f32": "float32"}.get(
                compiled.get_property("INFERENCE_PRECISION_HINT").to_string(), "other"
            ),
            "threads": compiled.get_property("INFERENCE_NUM_THREADS"),
            "properties": {name: _plain(compiled.get_property(name)) for name in self._properties},
            "devices": compiled.get_property("EXECUTION_DEVICES"),
            "processor": self._core.get_property(DEVICE, "FULL_DEVICE_NAME"),
            "node_precisions": _precisions(compiled),
        }

    def example(self) -> dict[str, np.ndarray]:
        """Any inputs that the file accepts, of length one where an axis is free."""
        return {
            port.get_any_name(): np.ones(
                [d or 1 for d in _shape(port)], port.get_element_type().to_dtype()
            )
            for port in self._ports.values()
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """A request of the network for these shapes, the inputs written into its own memory."""
        feed = {}
        for names, port in self._ports.items():
            name = next((name for name in inputs if name in names), port.get_any_name())
            feed[name] = match_layout(inputs[name], _shape(port))
        request = self._of(feed).create_infer_request()
        for name, array in feed.items():
            # A tensor that shared the array's memory would not keep the array alive.
            request.get_tensor(name).data[...] = array
        return request

    def run(self, staged: Any) -> Any:
        """One inference, done when the call returns; the outputs lie in the request's memory."""
        staged.infer(share_outputs=True)
        return staged

    def wait(self) -> None:
        """A request returns when it is done."""

    def fetch(self, output: Any) -> np.ndarray:
        """The first output, copied: the next inference writes over it."""
        return np.array(output.get_output_tensor(0).data, np.float32)

    def _of(self, feed: Mapping[str, np.ndarray]) -> Any:
        """The network compiled for inputs of these shapes."""
        shapes = {name: array.shape for name, array in feed.items()}
        key = tuple(sorted(shapes.items()))
        if key not in self._compiled:
            model = self._model.clone()
            model.reshape({name: list(shape) for name, shape in shapes.items()})
            self._compiled[key] = self._core.compile_model(model, DEVICE, self._properties)
        return self._compiled[key]


def _shape(port: Any) -> list[int | None]:
    """An input's shape as the file has it, None where it is free."""
    shape = port.get_partial_shape()
    return [d.get_length() if d.is_static else None for d in shape]


def _plain(value: Any) -> Any:
    """A property as a record takes it."""
    if isinstance(value, bool | int | float | str):
        return value
    return value.to_string() if hasattr(value, "to_string") else str(value).rpartition(".")[2]


def _precisions(compiled: Any) -> dict[str, int]:
    """How many of the compiled nodes compute in which precision, as OpenVINO tells afterwards."""
    nodes = compiled.get_runtime_model().get_ops()
    infos = [node.get_rt_info() for node in nodes]
    return dict(Counter(str(info["runtimePrecision"].value) for info in infos).most_common())
