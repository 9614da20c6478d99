"""A PyTorch module that a function of the user's makes: of a package, or of a file of their own.

The code runs in this process, as what it is: the user's own program. Its packages are found behind
those of the environment, so that none of them replaces PyTorch or numpy.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

# The name under which a file is imported: torch.export looks its classes up by it.
OWN = "own_model"
# Of torchvision, those that it looks up without asking whether they were loaded.
LOOKED_UP = ("nms", "qnms")


@dataclasses.dataclass(frozen=True)
class MadeModule:
    """What a factory returned.

    Attributes:
        example: Its example inputs: a tensor, several, or several by name; None where it gave none.
    """

    module: torch.nn.Module
    example: Any


def make_module(recipe: Mapping[str, Any]) -> MadeModule:
    """The module of a factory, its weights drawn from the seed where the factory draws them; in
    float32 and in evaluation mode.

    Args:
        recipe: `factory` (MODULE:FUNCTION, or with `path` a FUNCTION), `path` (a Python file, or
            None), its `sha256`, `packages` (the folder of its own, or None), `kwargs`, and `seed`.

    Raises:
        ValueError: There is no such function, it fails, or it returns something else.
    """
    name = recipe["factory"]
    if recipe["packages"] is not None:
        _add_packages(Path(recipe["packages"]))
    try:
        space, _, attribute = name.rpartition(":")
        home = importlib.import_module(space) if recipe["path"] is None else _import_file(recipe)
        function = functools.reduce(getattr, attribute.split("."), home)
        torch.manual_seed(recipe["seed"])
        result = function(**recipe["kwargs"])
    except ModuleNotFoundError as error:
        raise ValueError(
            f"factory: {name}: {error}; name its package (packages: [NAME==VERSION])"
        ) from None
    # Whatever the user's code raises, it leaves by one line.
    except (Exception, SystemExit) as error:
        raise ValueError(f"factory: {name}: {type(error).__name__}: {error}") from None
    module, example = result, None
    if isinstance(result, tuple) and len(result) == 2:
        module, example = result
    if not isinstance(module, torch.nn.Module):
        raise ValueError(
            f"factory: {name} returned a {type(module).__name__}; it must be a torch.nn.Module, or"
            " (module, example inputs)"
        )
    return MadeModule(module.float().eval(), example)


def digest_of(path: Path) -> str:
    """The SHA-256 of a Python file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _import_file(recipe: Mapping[str, Any]) -> ModuleType:
    path = Path(recipe["path"])
    if (found := digest_of(path)) != recipe["sha256"]:
        raise ValueError(
            f"{path} has changed since the network was made of it (sha256 {found[:12]} and not"
            f" {recipe['sha256'][:12]}); make it again"
        )
    # Its neighbours are found, and hide nothing that is installed.
    _append(path.parent)
    spec = importlib.util.spec_from_file_location(OWN, path)
    if spec is None:
        raise ValueError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[OWN] = module
    spec.loader.exec_module(module)
    return module


def _add_packages(packages: Path) -> None:
    """Lets the packages of an entry be imported."""
    _append(packages)
    importlib.invalidate_caches()
    if importlib.util.find_spec("torchvision") is not None and torch.version.cuda is None:
        _declare_torchvision_operators()


def _append(folder: Path) -> None:
    if str(folder.absolute()) not in sys.path:
        sys.path.append(str(folder.absolute()))


@functools.cache
def _declare_torchvision_operators() -> torch.library.Library:
    """Operators of torchvision, without a kernel.

    Its wheels on PyPI link CUDA. Beside PyTorch for the processor their operators are not loaded,
    and then torchvision cannot even be imported, though most of its models need none of them.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in LOOKED_UP:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
