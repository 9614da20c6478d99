"""The plan in a few lines, before anything runs: how long it takes, what it fetches and keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from configuration import estimates
from configuration.load import Experiment

MEASURE_METERS = "metering_session"
MEASURING = ("phases_session", "runtime_session", MEASURE_METERS)
# What a job prepares is downloaded or kept.
Size = tuple[float, float] | None


def measuring_rules(rules: Iterable[str]) -> set[str]:
    """Those of some rules that measure, by the names that they have here: a workflow that has this
    one as a module may have put a prefix before them."""
    return {name for rule in rules for name in MEASURING if rule.endswith(name)}


def summary_lines(
    jobs: Iterable[tuple[str, Mapping[str, str]]],
    experiment: Experiment,
    measured_s: Mapping[str, float],
    gpus: int,
) -> list[str]:
    """How long jobs take, what they fetch and keep.

    Args:
        jobs: Rule and wildcards of each that is to run.
        measured_s: By a session's name without its round, what such a session took.
        gpus: On this machine.
    """
    jobs = list(jobs)
    measuring = [(rule, wildcards) for rule, wildcards in jobs if measuring_rules([rule])]
    names = {wildcards["session"] for _, wildcards in measuring if "session" in wildcards}
    sessions = [s for study in experiment.sessions.values() for s in study if s.name in names]
    config = experiment.config
    device = config["device"]
    where = "gpu" if device.startswith("cuda") or (device == "auto" and gpus) else "cpu"
    span, assumed = estimates.total_seconds(sessions, config, experiment.models, where, measured_s)
    meters = any(rule.endswith(MEASURE_METERS) for rule, _ in measuring)
    if meters:
        span += estimates.meters_seconds(config)
    sizes: dict[str, Size] = {}
    for rule, wildcards in jobs:
        sizes |= _prepared(rule, wildcards, experiment.models)
    raw = estimates.raw_bytes(span.most, config["metering"]["period_s"])
    return estimates.told(len(sessions) + meters, span, assumed, sizes, raw)


def _prepared(
    rule: str, wildcards: Mapping[str, str], models: Mapping[str, Any]
) -> dict[str, Size]:
    """What a job prepares, and what that fetches and keeps."""
    if rule.endswith("virtual_environment"):
        env = wildcards["env"]
        return {f"environment {env}": estimates.environment_bytes(env)}
    if rule.endswith("workload"):
        file = wildcards["benchmark"]
        return {f"tasks of {file}": estimates.workload_bytes(file)}
    if rule == "model" or rule.endswith("_model"):
        model = wildcards["model"]
        return {f"model {model}": estimates.model_bytes(models[model])}
    if rule.endswith(("network", "convert")):
        model = wildcards["model"]
        what = f"network {model} {wildcards.get('framework', '')}".strip()
        return {what: estimates.network_bytes(models[model])}
    return {}
