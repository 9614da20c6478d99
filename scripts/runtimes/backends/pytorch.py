"""PyTorch, eager, on transformers' networks and the user's own. Layout NCHW."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import RuntimeUnavailableError
from runtimes.base import Settings
from runtimes.network import Network

TITLE = "PyTorch"
SOURCE = "network"
PROVIDERS = ("cpu", "cuda")
# See `runtimes.network`.
BUILDS = ("family", "transformers", "factory")
OPSET, OPSET_OF_TRACE = 18, 17


def environment(settings: Settings) -> dict[str, str]:
    """PyTorch is told in the process."""
    return {"TRANSFORMERS_VERBOSITY": "error"}


def unavailable(settings: Settings) -> str | None:
    """Why PyTorch cannot compute there."""
    import torch

    if settings.provider == "cpu":
        return None
    if torch.version.cuda is None:
        return f"this build of PyTorch ({torch.__version__}) has no CUDA"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if settings.gpu >= count:
        return f"PyTorch {torch.__version__} sees {count} GPU(s), not number {settings.gpu}"
    return None


def load(source: Network, settings: Settings) -> TorchExecutable:
    """The network in evaluation mode on its device."""
    if (why := unavailable(settings)) is not None:
        raise RuntimeUnavailableError(why)
    return TorchExecutable(source, settings)


class TorchExecutable:
    """See `Executable`."""

    def __init__(self, network: Network, settings: Settings) -> None:
        import torch

        from runtimes.networks.pytorch import build

        torch.set_num_threads(settings.threads)
        if torch.get_num_interop_threads() != 1:
            torch.set_num_interop_threads(1)
        tf32 = settings.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        # Algorithms are chosen by rule, not by a race whose outcome differs from run to run.
        torch.backends.cudnn.benchmark = False
        self._device = torch.device(settings.device)
        self.module = build(network).to(self._device)
        self.names = list(network.inputs)
        config = getattr(self.module.network, "config", None)
        self._mode = torch.inference_mode()
        self.facts = {
            "framework": {"name": TITLE, "version": torch.__version__},
            "mode": "eager, inference_mode",
            "layout": "NCHW",
            "precision": settings.precision if settings.provider != "cpu" else "float32",
            "threads": torch.get_num_threads(),
            "attention": getattr(config, "_attn_implementation", None),
            "cuda": torch.version.cuda if settings.provider != "cpu" else None,
            "cudnn": torch.backends.cudnn.version() if settings.provider != "cpu" else None,
        }

    def stage(self, inputs: Mapping[str, np.ndarray]) -> tuple:
        """Tensors on the device, in the order of the network's inputs."""
        import torch

        return tuple(torch.from_numpy(inputs[name]).to(self._device) for name in self.names)

    def run(self, staged: tuple) -> Any:
        """One forward pass; on a GPU it is queued."""
        with self._mode:
            return self.module(*staged)

    def wait(self) -> None:
        """All that was queued is done."""
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def fetch(self, output: Any) -> np.ndarray:
        """The output that is compared, on the host."""
        output = output[0] if isinstance(output, tuple) else output
        return output.float().cpu().numpy()


def export(executable: TorchExecutable, network: Network, path: Path) -> dict[str, Any]:
    """Writes the ONNX file by torch.onnx, the batch axis dynamic: from what torch.export captures,
    or where its operators cannot be translated, from a trace.

    Raises:
        ValueError: Neither can be made; the message is why the first cannot. What torch.export
            cannot capture is not traced: a trace keeps the one way that its example went.
    """
    import torch

    try:
        _export_captured(executable, network, path)
        opset, notes = OPSET, None
    except Exception as error:  # its many stages raise what they like
        why = _root_cause(error)
        try:
            if type(error).__name__ == "TorchExportError":  # of a private module
                raise
            _export_traced(executable, network, path)
        except Exception:
            raise ValueError(f"torch.onnx cannot export it: {why}") from None
        opset, notes = OPSET_OF_TRACE, f"from a trace, as torch.export fails: {why}"
    return {"exporter": f"torch.onnx {torch.__version__}", "opset": opset, "notes": notes}


def _export_captured(executable: TorchExecutable, network: Network, path: Path) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1, max=4096)
    axes = [{0: batch} if spec.get("batch", True) else None for spec in network.inputs.values()]
    with _quiet_exporters():
        torch.onnx.export(
            executable.module,
            _example(executable, network),
            path,
            dynamo=True,
            input_names=executable.names,
            output_names=_output_names(network),
            opset_version=OPSET,
            dynamic_shapes=(tuple(axes),),
            external_data=False,
            verbose=False,
        )


def _export_traced(executable: TorchExecutable, network: Network, path: Path) -> None:
    import torch

    batched = [name for name, spec in network.inputs.items() if spec.get("batch", True)]
    outputs = _output_names(network)
    with _quiet_exporters():
        torch.onnx.export(
            executable.module,
            _example(executable, network),
            path,
            dynamo=False,
            input_names=executable.names,
            output_names=outputs,
            opset_version=OPSET_OF_TRACE,
            dynamic_axes={name: {0: "batch"} for name in (*batched, *outputs)},
        )


def _example(executable: TorchExecutable, network: Network) -> tuple:
    # Two, because torch.export takes an axis of length one for a constant.
    return executable.stage(network.random_inputs(2, seed=0))


def _output_names(network: Network) -> list[str]:
    # A name is one value of a graph, and a module may return what it read.
    names = network.built.get("outputs", [network.output])
    return [f"{name}_out" if name in network.inputs else name for name in names]


@contextlib.contextmanager
def _quiet_exporters() -> Iterator[None]:
    """The exporters warn of their own parts: operators of torchvision, names of axes."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _root_cause(error: BaseException) -> str:
    """What an exporter failed of, in one line: the first cause, without its advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().partition("\n\n")[0]
    return " ".join(f"{type(error).__name__}: {message}".split())[:200]
