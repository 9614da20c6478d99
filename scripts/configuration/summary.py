"""The plan in a few lines, before anything runs: how long it takes, what it fetches and keeps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from configuration import estimates
from configuration.load import Experiment

MEASURE_METERS = "metering_session"
SESSION_RULE = re.compile(r"^rule (\w+_session):", re.MULTILINE)
PREPARE = ("virtual_environment", "workload", "model", "network", "convert")
# What a job prepares: bytes that are fetched and kept; None where nobody can tell.
Size = tuple[float, float] | None


def measuring_rules(folder: Path) -> tuple[str, ...]:
    """The rules of a folder that measure: those named KIND_session."""
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.smk")))
    return tuple(name for text in texts for name in SESSION_RULE.findall(text))


def summary_lines(
    jobs: Iterable[tuple[str, Mapping[str, str]]],
    experiment: Experiment,
    measured_s: Mapping[str, float],
    gpus: int,
) -> list[str]:
    """How long jobs take, what they fetch and keep.

    Args:
        jobs: Rule and wildcards of each that is to run; only planned sessions, that of the
            meters, and `PREPARE` count.
        measured_s: By a session's name without its round, what such a session took.
        gpus: On this machine.
    """
    jobs = list(jobs)
    measured = [wildcards for rule, wildcards in jobs if rule.endswith("_session")]
    names = {wildcards["session"] for wildcards in measured if "session" in wildcards}
    sessions = [s for study in experiment.sessions.values() for s in study if s.name in names]
    config, models = experiment.config, experiment.models
    device = config["device"]
    where = "gpu" if device.startswith("cuda") or (device == "auto" and gpus) else "cpu"
    span, assumed = estimates.total_seconds(sessions, config, models, where, measured_s)
    meters = any(rule == MEASURE_METERS for rule, _ in jobs)
    if meters:
        span += estimates.meters_seconds(config)
    sizes: dict[str, Size] = {}
    for rule, wildcards in jobs:
        sizes |= _prepared(rule, wildcards, models)
    raw = estimates.raw_bytes(span.most, config["metering"]["period_s"])
    return estimates.describe(len(sessions) + meters, span, assumed, sizes, raw)


def _prepared(
    rule: str, wildcards: Mapping[str, str], models: Mapping[str, Any]
) -> dict[str, Size]:
    """What a job prepares, and what that fetches and keeps."""
    match rule:
        case "virtual_environment":
            name = wildcards["env"]
            return {f"environment {name}": estimates.environment_bytes(name)}
        case "workload":
            name = wildcards["benchmark"]
            return {f"tasks of {name}": estimates.workload_bytes(name)}
        case "model":
            name = wildcards["model"]
            return {f"model {name}": estimates.model_bytes(models[name])}
        case "network" | "convert":
            name = wildcards["model"]
            what = f"network {name} {wildcards.get('framework', '')}".strip()
            return {what: estimates.network_bytes(models[name])}
    return {}
