"""The registry of models, as a configuration sees it. Pure: no files are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configuration.validation import ConfigurationError
from weights import TEXT_GENERATION, task_of

SEEDED = "-init"
# What a twin keeps of its entry.
KEPT = ("architecture", "parameters", "published", "tokenizer", "task", "seed", "sequence_length")
LENDER = "smollm2-135m-instruct"
# The keys of models of one's own, by source; those of every entry stand in `COMMON`.
COMMON = {"source", "licence", "prompt", "seed", "parameters"}
OWN_KEYS = {
    "torch": {"factory", "packages", "path", "kwargs", "inputs", "output", "weights", "sha256"},
    "onnx": {"path", "inputs", "output", "sha256"},
}


def with_twins(models: Mapping[str, Any]) -> dict[str, Any]:
    """The registry, and for each entry with an architecture and weights its twin under seeded ones,
    NAME-init; an entry of that name stays what it is."""
    twins = {
        name + SEEDED: _twin(entry)
        for name, entry in models.items()
        if entry["source"] != "init" and "architecture" in entry
    }
    return {**models, **{name: twin for name, twin in twins.items() if name not in models}}


def _twin(entry: Mapping[str, Any]) -> dict[str, Any]:
    twin = {key: entry[key] for key in KEPT if key in entry}
    if task_of(entry) == TEXT_GENERATION:
        twin.setdefault("tokenizer", LENDER)
    return {"source": "init", "licence": "none (random weights)", "prompt": "completion", **twin}


def with_copies(
    models: Mapping[str, Any], folder: str | None, is_there: Callable[[Path], bool]
) -> dict[str, Any]:
    """The registry, those models of the hub taken from a folder of copies that are there.

    Args:
        folder: With a copy of each repository in `<folder>/<owner>/<name>`; None where there is
            none.
        is_there: Whether a folder is there.
    """
    if folder is None:
        return dict(models)
    return {name: _copied(entry, Path(folder), is_there) for name, entry in models.items()}


def _copied(
    entry: Mapping[str, Any], folder: Path, is_there: Callable[[Path], bool]
) -> dict[str, Any]:
    if entry["source"] != "hub" or not is_there(path := folder / entry["repo"]):
        return dict(entry)
    # Which commit a copy is of cannot be told.
    kept = {key: value for key, value in entry.items() if key != "revision"}
    return {**kept, "source": "folder", "path": str(path)}


def check_own(name: str, entry: Mapping[str, Any]) -> None:
    """Refuses an entry of a model of one's own, or of another source, with keys of the other.

    Raises:
        ConfigurationError: A key that the source does not take, or one that is missing.
    """
    source, where = entry["source"], f"models.{name}"
    own = set().union(*OWN_KEYS.values()) - {"path", "sha256"}
    taken = OWN_KEYS.get(source)
    strange = sorted(entry.keys() & own if taken is None else entry.keys() - taken - COMMON)
    if strange:
        allowed = "" if taken is None else f" (it takes: {', '.join(sorted(taken))})"
        raise ConfigurationError(f"{where}: source {source} takes no '{strange[0]}'{allowed}")
    if source != "torch":
        return
    if "path" not in entry and ":" not in entry["factory"]:
        raise ConfigurationError(
            f"{where}.factory: '{entry['factory']}' names no module; write MODULE:FUNCTION"
            " (torchvision.models:resnet18), or give the Python file of the function (path)"
        )
    if "path" in entry and ":" in entry["factory"]:
        raise ConfigurationError(
            f"{where}.factory: '{entry['factory']}' names a module beside the file of path; write"
            " the function's name alone"
        )
    if "sha256" in entry and "weights" not in entry:
        raise ConfigurationError(
            f"{where}.sha256: it is the digest of `weights`, which is not given"
        )
