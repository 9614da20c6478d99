"""PyTorch, eager, on transformers' networks and the user's own. Layout NCHW."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
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
OPSET = 18


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
    """Writes the ONNX file by torch.onnx (torch.export), the batch axis dynamic."""
    import torch

    # Two, because torch.export takes an axis of length one for a constant.
    example = executable.stage(network.random_inputs(2, seed=0))
    batch = torch.export.Dim("batch", min=1, max=4096)
    axes = [{0: batch} if told.get("batch", True) else None for told in network.inputs.values()]
    outputs = network.built.get("outputs", [network.output])
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        # The exporter warns of its own parts: operators of torchvision, names of axes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            executable.module,
            example,
            path,
            dynamo=True,
            input_names=executable.names,
            output_names=[
                name if name not in executable.names else f"{name}_out" for name in outputs
            ],
            opset_version=OPSET,
            dynamic_shapes=(tuple(axes),),
            external_data=False,
            verbose=False,
        )
    return {"exporter": f"torch.onnx {torch.__version__}", "opset": OPSET, "notes": None}
