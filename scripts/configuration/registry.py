"""The registry of models, as a configuration sees it. Pure: no files are looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configuration.validation import ConfigurationError
from weights import TEXT_GENERATION, task_of

INIT = "init"
SEEDED = "-init"
# What a twin keeps of its entry.
KEPT = ("architecture", "parameters", "published", "tokenizer", "task", "seed", "sequence_length")
LENDER = "smollm2-135m-instruct"


def check_keys(
    entries: Mapping[str, Mapping[str, Any]], schema: Mapping[str, Any], where: str
) -> None:
    """Refuses a key that an entry's source does not read: it would look as if it counted.

    Args:
        entries: As they were written, without defaults.
        schema: models.schema.yaml, whose keys name in `sources` those that read them.

    Raises:
        ConfigurationError: An entry has such a key.
    """
    keys = schema["additionalProperties"]["properties"]
    for name, entry in entries.items():
        read_by = {entry["source"]}
        # An entry with an architecture is a seeded model, too.
        if "architecture" in entry and entry["source"] in keys["architecture"]["sources"]:
            read_by.add(INIT)
        for key in entry:
            sources = keys.get(key, {}).get("sources", read_by)
            if not read_by & set(sources):
                raise ConfigurationError(
                    f"{where}: {name}.{key}: a model of source '{entry['source']}' does not take it"
                    f" (it is for source: {', '.join(sources)})"
                )


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


def check_user_module(name: str, entry: Mapping[str, Any]) -> None:
    """Refuses an entry of source `torch` whose keys do not say which function makes the module.

    Raises:
        ConfigurationError: See above.
    """
    if entry["source"] != "torch":
        return
    where = f"models.{name}"
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
