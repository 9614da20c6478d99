"""From a validated configuration to the table of sessions. Pure: no files, no devices."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from configuration.validation import ConfigurationError, choice, shown
from weights import TEXT_GENERATION, task_of

# The ids of each workload's tasks, so that a wrong one is refused before the first job.
TASKS = {"humaneval-0shot": tuple(f"HumanEval/{number}" for number in range(164))}


@dataclasses.dataclass(frozen=True)
class Session:
    """One process to be measured: one model, one workload, one round of both conditions."""

    model: str
    workload: str
    round: int

    @property
    def name(self) -> str:
        """The session's folder under `results/<campaign>/raw/`."""
        return f"{self.model}__{self.workload}__r{self.round}"

    @classmethod
    def parse(cls, name: str) -> Session:
        """The session that a folder's name tells of. Raises ValueError for another name."""
        found = re.fullmatch(r"([A-Za-z0-9.-]+)__([A-Za-z0-9.-]+)__r([1-9][0-9]*)", name)
        if found is None:
            raise ValueError(f"'{name}' names no session")
        return cls(found[1], found[2], int(found[3]))


def plan(config: Mapping[str, Any], models: Mapping[str, Any]) -> list[Session]:
    """The sessions that a configuration asks for, in the order of its lists.

    Args:
        config: Validated against config.schema.yaml.
        models: The registry, validated against models.schema.yaml.

    Raises:
        ConfigurationError: A model that the registry lacks, or a condition that the model cannot
            be measured in.
    """
    phases = config["phases"]
    for name in phases["models"]:
        choice(name, models, "model", f"phases.models ({config['models_file']})")
        _check_model(name, models, phases)
    if phases["tasks"] != "all":
        for workload, task in itertools.product(phases["workloads"], phases["tasks"]):
            choice(task, TASKS[workload], "task", f"phases.tasks ({workload})")
    return [
        Session(model, workload, number)
        for number in range(1, phases["rounds"] + 1)
        for model in phases["models"]
        for workload in phases["workloads"]
    ]


def _check_model(name: str, models: Mapping[str, Any], phases: Mapping[str, Any]) -> None:
    entry = models[name]
    if (task := task_of(entry)) != TEXT_GENERATION:
        raise ConfigurationError(
            f"phases.models: '{name}' is for {task}; this study measures language models"
        )
    if entry["source"] != "init":
        return
    other = choice(entry["tokenizer"], models, "model", f"models.{name}.tokenizer")
    if models[other]["source"] == "init":
        raise ConfigurationError(
            f"models.{name}.tokenizer: '{other}' has seeded weights and no tokenizer of its own"
        )
    if "suppressed" in phases["conditions"]:
        raise ConfigurationError(
            f"phases.conditions: 'suppressed' means nothing for '{name}', whose weights are random"
            " (source: init); measure it with conditions: [baseline]"
        )


def check_unchanged(spec: str, measured: Mapping[str, Any]) -> None:
    """Refuses to measure over a session that was measured otherwise.

    Args:
        spec: What the session would be told now.
        measured: What it was told, from its session.json.

    Raises:
        ConfigurationError: The two differ; the message names where.
    """
    now = json.loads(spec)
    for key in sorted(now.keys() | measured.keys()):
        if now.get(key) != measured.get(key):
            raise ConfigurationError(
                f"campaign '{now['campaign']}' holds {now['session']}, measured with {key}:"
                f" {shown(measured.get(key), 200)}, and now it is {shown(now.get(key), 200)};"
                " choose another name (--config campaign=NAME), or delete"
                f" results/{now['campaign']}/raw/{now['session']} to measure it again"
            )


def session_spec(session: Session, config: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """What the session's program is told: one line of JSON, equal when the experiment is equal."""
    phases = config["phases"]
    entry = models[session.model]
    spec = {
        "session": session.name,
        "campaign": config["campaign"],
        "model": session.model,
        "source": entry["source"],
        "prompt": entry["prompt"],
        # Other weights under the same name are another experiment.
        "entry": entry,
        "workload": session.workload,
        "round": session.round,
        "device": config["device"],
        "seed": config["seed"],
        "metering": config["metering"],
        **{k: v for k, v in phases.items() if k not in ("models", "workloads", "rounds")},
    }
    return json.dumps(spec, sort_keys=True)
