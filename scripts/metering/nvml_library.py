"""The NVML library through ``pynvml`` (package nvidia-ml-py), whose errors are of many kinds.

A binding that is newer or older than the driver raises NVMLError, NVMLLibraryMismatchError (no
NVMLError), AttributeError, TypeError, errors of ctypes or UnicodeDecodeError: whatever is optional
may fail with any of them, and is left out with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from metering.meter import Missing, error_message

# nvml.h, nvmlReturn_t: by number, for not every binding has every name.
GPU_IS_LOST, UNKNOWN, NOT_SUPPORTED = 15, 999, 3
_WHY = {
    12: (
        "the NVML library (libnvidia-ml.so.1) is not on this machine",
        "install the NVIDIA driver; in a container, start it with the GPUs (--gpus, --nv)",
    ),
    9: (
        "the NVIDIA driver is not loaded",
        "load it (modprobe nvidia) and see whether nvidia-smi works",
    ),
    4: (
        "no permission to talk to the NVIDIA driver",
        "give this user access to /dev/nvidiactl and /dev/nvidia*",
    ),
    18: (
        "the NVML library and the loaded driver are of different versions",
        "reboot or reload the driver",
    ),
}


def load_library() -> tuple[ModuleType | None, Missing | None]:
    """The library, ready, or why it is not."""
    try:
        import pynvml
    except ImportError:
        return None, Missing(
            "nvml", "the Python package pynvml is not installed", "pip install nvidia-ml-py"
        )
    except Exception as error:  # a broken installation: what an import can raise is anything
        why = f"the Python package pynvml does not import: {error_message(error)}"
        return None, Missing("nvml", why, "pip install --force-reinstall nvidia-ml-py")
    try:
        pynvml.nvmlInit()
    except Exception as error:
        unknown = f"NVML does not start: {error_message(error)}", "see whether nvidia-smi works"
        return None, Missing("nvml", *_WHY.get(error_code(error), unknown))
    return pynvml, None


def error_code(error: Exception) -> int | None:
    """NVML's number of an error; None of any other."""
    return getattr(error, "value", None)


def error_text(error: Exception) -> str:
    """An error in words: NVML's own, or whatever else it was."""
    return str(error) if error_code(error) is not None else error_message(error)


def try_call(read: Callable[..., Any], *args: Any) -> tuple[Any, str | None]:
    """What a call gives, or None and why it gives nothing."""
    try:
        return read(*args), None
    except Exception as error:
        return None, error_text(error)


def read_field(nvml: ModuleType, handle, number: int, scope: int = 0) -> int:
    """One of NVML's fields that are unsigned integers; ``scope``: nvml.h, NVML_POWER_SCOPE_*.

    Raises the library's error where the device has no such field.
    """
    fields = [(number, scope) if scope else number]
    (found,) = nvml.nvmlDeviceGetFieldValues(handle, fields)
    if found.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(found.nvmlReturn)
    return found.value.uiVal


def text(value: str | bytes | None) -> str | None:
    """A name as text; None where there is none, or an empty one."""
    words = value.decode(errors="replace") if isinstance(value, bytes) else value
    return words.strip("\x00 ") or None if words is not None else None
