"""Execution providers that stand in packages of their own beside ONNX Runtime, its plugins.

By convention such a package is `onnxruntime-ep-NAME`, whose module tells its library
(`get_library_path`) and what is in it (`get_ep_names`).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import pkgutil
from importlib import metadata
from typing import Any

from metering.meter import error_message
from runtimes import RuntimeUnavailableError

PREFIX = "onnxruntime_ep_"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A package with an execution provider.

    Attributes:
        devices: ONNX Runtime's, on which that provider says it can compute.
    """

    package: str
    version: str
    devices: tuple[Any, ...]


@functools.cache
def built_in_providers() -> tuple[str, ...]:
    """The execution providers of this build of ONNX Runtime; once a plugin is registered it lists
    the plugin's among them."""
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


@functools.cache
def find_plugin(name: str) -> Plugin | None:
    """The installed plugin with an execution provider of this name; None where there is none, or
    where ONNX Runtime has it itself.

    Raises:
        RuntimeUnavailableError: It is installed and cannot be loaded.
    """
    import onnxruntime

    if name in built_in_providers():
        return None
    for module in sorted(m.name for m in pkgutil.iter_modules() if m.name.startswith(PREFIX)):
        package = module.replace("_", "-")
        try:
            library = importlib.import_module(module)
            if name not in library.get_ep_names():
                continue
            # A library is registered once in a process; its name there is our own choice.
            onnxruntime.register_execution_provider_library(module, library.get_library_path())
            devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == name]
        except Exception as error:
            # ONNX Runtime's exceptions are bare classes of an extension module.
            raise RuntimeUnavailableError(
                f"{package} is installed and cannot be loaded: {error_message(error, 300)}"
            ) from None
        return Plugin(package, metadata.version(package), tuple(devices))
    return None
