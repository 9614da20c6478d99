"""The files that jobs read and write, by what they are about. Pure but for the user's own files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from configuration.experiment import Session
from configuration.paths import expanded
from configuration.runtimes import RuntimeSession
from configuration.validation import ConfigurationError
from generation.specification import SWEEP
from generation.workloads import WORKLOADS

RESOURCES = Path("resources")
# By source of a model, the keys that hold the user's own paths.
OWN_PATHS = {"folder": ("path",), "torch": ("path", "weights"), "onnx": ("path",)}
# What a session leaves in its folder.
SESSION = "session.json"
WINDOWS = "windows.jsonl"


def model_file(model: str, resources: Path = RESOURCES) -> str:
    """What says that a model is prepared, beside its weights or naming where they are."""
    return str(resources / "models" / model / "model.json")


def tokenizer_file(entry: Mapping[str, Any], resources: Path = RESOURCES) -> str | None:
    """The other model whose tokenizer a language model with seeded weights borrows."""
    lender = entry.get("tokenizer")
    return model_file(lender, resources) if lender else None


def tasks_file(session: Session, resources: Path = RESOURCES) -> str:
    """The tasks of a session's workload."""
    return str(resources / "workloads" / f"{session.file}.jsonl")


def scoring_file(session: Session, resources: Path = RESOURCES) -> str | None:
    """The tasks, where tests judge the outputs: others carry what they are compared with."""
    by_tests = is_scored(session) and WORKLOADS[session.workload].judged_by == "tests"
    return tasks_file(session, resources) if by_tests else None


def is_scored(session: Session | RuntimeSession) -> bool:
    """Whether a session has outputs to score; a sweep has none."""
    return isinstance(session, Session) and session.workload != SWEEP


def network_files(session: RuntimeSession, resources: Path = RESOURCES) -> dict[str, str]:
    """By option, the files about its network that a session reads."""
    folder = resources / "networks" / session.model
    names = {"network": folder / "network.json"}
    folder /= session.framework
    names["conversion"] = folder / "conversion.json"
    if session.origin is not None:
        names["verified"] = folder / "verified.json"
        names["onnx"] = folder / "model.onnx"
    return {option: str(file) for option, file in names.items()}


def verdict_files(sessions: Iterable[RuntimeSession], resources: Path = RESOURCES) -> list[str]:
    """The verdicts on the networks of all sessions."""
    files = [network_files(session, resources) for session in sessions]
    names = ("conversion", "verified")
    return sorted({found[name] for found in files for name in names if name in found})


def own_files(model: str, entry: Mapping[str, Any], models_file: str) -> list[str]:
    """The user's files that a model is made from: a change of them makes it anew. Of a folder only
    that it is there counts.

    Args:
        models_file: How the configuration calls the registry.

    Raises:
        ConfigurationError: One is not there.
    """
    found = []
    for key in OWN_PATHS.get(entry["source"], ()):
        if entry.get(key) is None:
            continue
        where = f"{models_file}: {model}.{key}"
        path = expanded(entry[key], where)
        of_folder = entry["source"] == "folder"
        if not os.path.exists(path):
            raise ConfigurationError(
                f"{where}: there is no {'folder' if of_folder else 'file'} '{path}'"
            )
        if not of_folder and os.path.isfile(path):
            found.append(path)
    return found
