"""Whether the device that a configuration asks for can be there, told without any framework."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping

from configuration.validation import ConfigurationError


def nvidia_devices() -> int:
    """How many NVIDIA GPUs the driver shows on this machine (WSL 2 shows one)."""
    return len(glob.glob("/dev/nvidia[0-9]*")) or len(glob.glob("/dev/dxg"))


def check_device(device: str, present: int, environ: Mapping[str, str] = os.environ) -> None:
    """Refuses a GPU that is not there: nothing falls back to the CPU in silence.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        present: GPUs on this machine.
        environ: Where CUDA_VISIBLE_DEVICES may hide some of them.

    Raises:
        ConfigurationError: The GPU is not there or is hidden.
    """
    if not device.startswith("cuda"):
        return
    if present == 0:
        raise ConfigurationError(
            f"device: '{device}' is asked for, but this machine shows no NVIDIA GPU"
            " (allowed here: auto, cpu)"
        )
    mask = environ.get("CUDA_VISIBLE_DEVICES")
    visible = present if mask is None else _unmasked(mask, present)
    number = int(device.partition(":")[2] or 0)
    if number >= visible:
        why = f"this machine shows {present} NVIDIA GPU(s)"
        if mask is not None:
            why += f" and CUDA_VISIBLE_DEVICES='{mask}' leaves {visible} of them visible"
        allowed = ["auto", "cpu", *(f"cuda:{n}" for n in range(visible))]
        raise ConfigurationError(
            f"device: '{device}' is asked for, but {why} (allowed here: {', '.join(allowed)})"
        )


def _unmasked(mask: str, present: int) -> int:
    """How many GPUs CUDA_VISIBLE_DEVICES leaves: CUDA reads it up to the first invalid entry."""
    visible = 0
    for entry in (entry.strip() for entry in mask.split(",")):
        known = entry.isdecimal() and int(entry) < present
        if not known and not entry.startswith(("GPU-", "MIG-")):
            break
        visible += 1
    return visible
