"""A configuration and its registry of models, read, checked and planned: the experiment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration import strict
from configuration.paths import expanded
from configuration.registry import check_keys, with_copies, with_twins
from configuration.studies import STUDIES, Sessions, Surroundings
from configuration.validation import ConfigurationError, validate
from generation.workloads import WorkloadError
from generation.workloads.longbench import files_in
from runtimes.base import backend_names, load_backend

# Folders of results/ that are no campaign's.
RESERVED = ("doctor",)


@dataclass(frozen=True)
class Experiment:
    """What is asked for, with all defaults.

    Attributes:
        config: Validated against config.schema.yaml.
        models: The registry, validated against models.schema.yaml, with seeded twins and local
            copies.
        sessions: By study, what is planned in the order of measuring; of a study that is not asked
            for nothing.
        around: What the plan rests on beside the configuration.
    """

    config: Mapping[str, Any]
    models: Mapping[str, Any]
    sessions: Mapping[str, Sessions]
    around: Surroundings


def check_written(files: Iterable[Path], arguments: Sequence[str]) -> None:
    """Refuses what Snakemake would drop in silence: of two equal keys it takes the last.

    Args:
        files: Those of the configuration.
        arguments: Of Snakemake's command; none where another program has started it.

    Raises:
        ConfigurationError: A key is set twice.
    """
    for file in files:
        strict.read(file, str(file))
    strict.check_settings(arguments)


def load_experiment(
    written: Mapping[str, Any],
    root: Path,
    results: Path,
    gpus: int | None,
    registry: Callable[[str], Path] = Path,
) -> Experiment:
    """The experiment of a configuration.

    Args:
        written: The configuration as a user wrote it.
        root: The folder of the workflow, with its schemas and environments.
        results: The folder of all campaigns.
        gpus: GPUs on this machine; None where another machine measures.
        registry: From the path of the registry of models, as it was written, to its file.

    Raises:
        ConfigurationError: It cannot be measured as asked; or a file, folder or program that it
            names is not there.
    """
    config = validate(written, _schema(root, "config"), "configuration")
    campaign = config["campaign"]
    if campaign in RESERVED or (results / campaign).is_file():
        raise ConfigurationError(
            f"campaign: {results / campaign} is no campaign's; choose another name"
            " (--config campaign=NAME)"
        )
    models = _models(config, _schema(root, "models"), registry)
    _check_host(config)
    _check_longbench(config)
    modules = {name: load_backend(name) for name in backend_names()}
    environments = {path.stem for path in (root / "envs").glob("*.yaml")}
    around = Surroundings(modules, environments, gpus)
    sessions = {
        name: study.plan(config, models, around) if name in config["studies"] else []
        for name, study in STUDIES.items()
    }
    return Experiment(config, models, sessions, around)


def _schema(root: Path, name: str) -> Mapping[str, Any]:
    file = f"{name}.schema.yaml"
    return strict.read(root / "config" / "schemas" / file, file)


def _models(
    config: Mapping[str, Any], schema: Mapping[str, Any], registry: Callable[[str], Path]
) -> dict[str, Any]:
    where = config["models_file"]
    entries = strict.read(registry(expanded(where, "models_file")), "models_file")
    models = validate(entries, schema, where)
    check_keys(entries, schema, where)
    copies = config["models_folder"] and expanded(config["models_folder"], "models_folder")
    if copies is not None and not Path(copies).is_dir():
        raise ConfigurationError(f"models_folder: there is no folder '{copies}'")
    return with_copies(with_twins(models), copies, Path.is_dir)


def _check_host(config: Mapping[str, Any]) -> None:
    python = expanded(config["host_python"], "host_python")
    if config["software"] == "host" and shutil.which(python) is None:
        raise ConfigurationError(f"host_python: there is no program '{python}'")


def _check_longbench(config: Mapping[str, Any]) -> None:
    folder = config["phases"]["longbench"]["folder"]
    if folder is None:
        return
    try:
        files_in(expanded(folder, "phases.longbench.folder"))
    except WorkloadError as error:
        raise ConfigurationError(f"phases.longbench.folder: {error}") from None
