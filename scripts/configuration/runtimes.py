"""The study of runtimes: from a validated configuration to its sessions. Pure: no devices."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from analysis.runtimes.providers import AUTO, SPELT, on_gpu, on_nvidia
from configuration.protocol import check_repetitions, specified, with_analysis
from configuration.registry import check_user_module
from configuration.validation import ConfigurationError, choice
from runtimes.base import Backend
from runtimes.network import FACTORY, FAMILIES, FAMILY, FILE, TASKS, TRANSFORMERS, can_build
from runtimes.specification import RuntimesSpecification
from weights import FORWARD_PASS, task_of


@dataclasses.dataclass(frozen=True)
class RuntimeSession:
    """One process to be measured: one network in one runtime on one provider.

    Attributes:
        system: The name of the runtime's module.
        origin: The framework whose export it runs, or `file` for an ONNX file from elsewhere; None
            for a framework itself.
    """

    model: str
    system: str
    origin: str | None
    provider: str
    round: int

    @property
    def name(self) -> str:
        """The session's folder under `results/<campaign>/raw/`."""
        runtime = self.system if self.origin is None else f"{self.system}.{self.origin}"
        return f"{self.model}__{runtime}__{self.provider}__r{self.round}"

    @classmethod
    def parse(cls, name: str) -> RuntimeSession:
        """The session that a folder's name tells of. Raises ValueError for another name."""
        found = re.fullmatch(
            r"([A-Za-z0-9.-]+)__([a-z0-9_]+?)(?:\.([a-z0-9_]+?))?__([a-z0-9]+)__r([1-9][0-9]*)",
            name,
        )
        if found is None:
            raise ValueError(f"'{name}' names no session of the study of runtimes")
        return cls(found[1], found[2], found[3], found[4], int(found[5]))

    @property
    def framework(self) -> str:
        """The framework whose network it is."""
        return self.origin or self.system


def plan_runtimes(
    config: Mapping[str, Any],
    models: Mapping[str, Any],
    backends: Mapping[str, Backend],
    environments: Collection[str],
    gpus: int | None,
) -> list[RuntimeSession]:
    """The sessions that a configuration asks for, in the order of measuring: rounds one after the
    other, each in a random order of its own, so that drift favours no runtime.

    Args:
        config: Validated against config.schema.yaml.
        models: The registry, validated against models.schema.yaml.
        backends: Every runtime's module by its name.
        environments: The names of the files in envs/.
        gpus: GPUs on this machine; None where another machine measures.

    Raises:
        ConfigurationError: A name that there is not, or a model that is no encoder.
    """
    study = config["runtimes"]
    for name in study["models"]:
        choice(name, models, "model", f"runtimes.models ({config['models_file']})")
        _check_model(name, models[name])
    for name in study["systems"]:
        choice(name, backends, "runtime", "runtimes.systems (scripts/runtimes/backends/)")
        _check_environment(name, environments)
    for name in study["onnx_from"]:
        choice(name, backends, "framework", "runtimes.onnx_from (scripts/runtimes/backends/)")
        _check_environment(name, environments)
        if backends[name].SOURCE != "network":
            raise ConfigurationError(
                f"runtimes.onnx_from: '{name}' runs the exports of others and has none of its own"
            )
        if not hasattr(backends[name], "export"):
            raise ConfigurationError(
                f"runtimes.onnx_from: '{name}' has no export to ONNX; it can be measured by itself"
                " (runtimes.systems)"
            )
    check_repetitions(study["repetitions"], "runtimes.repetitions")
    providers = providers_of(config, gpus)
    columns = {
        name: [
            (system, origin, provider)
            for system in study["systems"]
            for origin in _origins(models[name], backends[system], study["onnx_from"])
            for provider in providers
            if provider in backends[system].PROVIDERS
        ]
        for name in study["models"]
    }
    for name, those in columns.items():
        if not those:
            raise ConfigurationError(
                f"runtimes: none of {', '.join(study['systems'])} has a provider of"
                f" {', '.join(providers)}, or onnx_from is empty"
            )
        if not any(_can(models[name], backends, system, origin) for system, origin, _ in those):
            raise ConfigurationError(
                f"runtimes.systems: none of {', '.join(study['systems'])} can run '{name}'"
                f" (source: {models[name]['source']}; {_needed(models[name])})"
            )
    sessions = []
    for number in range(1, study["rounds"] + 1):
        block = [
            session
            for model in study["models"]
            for column in columns[model]
            # What cannot build a network says so once.
            if number == 1 or _can(models[model], backends, *column[:2])
            for session in [RuntimeSession(model, *column, number)]
        ]
        random.Random(f"{config['seed']}/{number}").shuffle(block)
        sessions += block
    for session in sessions:
        # What a program would refuse is found here, and not when it runs.
        runtime_spec(session, config, models, backends)
    return sessions


def providers_of(config: Mapping[str, Any], gpus: int | None) -> list[str]:
    """The providers to plan for.

    `auto` is every provider that the device allows: on a machine without a GPU the processor's. A
    session finds out whether a provider is really there.

    Raises:
        ConfigurationError: There is no such provider, or a GPU's is asked for by name where the
            device is the CPU.
    """
    requested, device = config["runtimes"]["providers"], config["device"]
    if requested == "auto":
        if device == "cpu" or (device == "auto" and gpus == 0):
            return ["cpu"]
        return [p for p in AUTO if on_gpu(p) or not device.startswith("cuda")]
    for provider in requested:
        choice(provider, SPELT, "provider", "runtimes.providers (or auto)")
        if on_gpu(provider) and device == "cpu":
            raise ConfigurationError(
                f"runtimes.providers: '{provider}' needs a GPU, and device is 'cpu'"
            )
    return list(requested)


def unmet(config: Mapping[str, Any], gpus: int) -> str | None:
    """What the providers that are asked for by name lack on this machine; None where nothing.

    GPUs of other makes are found by the session alone.
    """
    requested = config["runtimes"]["providers"]
    wanted = [p for p in requested if on_nvidia(p)] if requested != "auto" else []
    if gpus or not wanted:
        return None
    return (
        f"runtimes.providers: {' and '.join(wanted)} asked for, but this machine shows no NVIDIA"
        " GPU (allowed here: auto, [cpu])"
    )


def _origins(
    entry: Mapping[str, Any], module: Backend, onnx_from: Sequence[str]
) -> Sequence[str | None]:
    """What an engine runs of a model: the exports of frameworks, or the file that it is."""
    if module.SOURCE == "network":
        return [None]
    return [FILE] if entry["source"] == "onnx" else onnx_from


def _kind(entry: Mapping[str, Any]) -> str | None:
    """What a model is built from, as far as its entry tells; None where only its weights do."""
    match entry["source"]:
        case "onnx":
            return FILE
        case "torch":
            return FACTORY
    family = entry.get("architecture", {}).get("model_type")
    if family is None:
        return None
    return FAMILY if FAMILIES.get(family) == task_of(entry) else TRANSFORMERS


def _can(
    entry: Mapping[str, Any], backends: Mapping[str, Backend], system: str, origin: str | None
) -> bool:
    kind = _kind(entry)
    return origin == FILE or kind is None or can_build(backends[origin or system], kind)


def builds(
    session: RuntimeSession, models: Mapping[str, Any], backends: Mapping[str, Backend]
) -> bool:
    """Whether the framework of a session can build its network, as far as the registry tells. A
    session whose framework cannot says so, and needs nothing of that framework."""
    return _can(models[session.model], backends, session.system, session.origin)


def _needed(entry: Mapping[str, Any]) -> str:
    if entry["source"] == "onnx":
        return "it takes an engine that reads ONNX, as onnxruntime"
    return "it takes pytorch, or an engine that reads ONNX and onnx_from: [pytorch]"


def reference_environment(entry: Mapping[str, Any]) -> str:
    """The environment in which a model is prepared and its reference computed."""
    return "onnxruntime" if entry["source"] == "onnx" else "pytorch"


def _check_model(name: str, entry: Mapping[str, Any]) -> None:
    task = task_of(entry)
    if task not in (FORWARD_PASS, *TASKS):
        raise ConfigurationError(
            f"runtimes.models: '{name}' is for {task}; this study measures encoders (task:"
            f" {', '.join(TASKS)}) and models of one's own (source: torch, onnx)"
        )
    check_user_module(name, entry)
    if entry["source"] == "init":
        family = entry["architecture"]["model_type"]
        built = FAMILIES.get(family)
        if built is not None and not set(TASKS[built][2]) & set(TASKS[task][2]):
            raise ConfigurationError(f"models.{name}.task: '{task}', but a {family} is for {built}")


def _check_environment(system: str, environments: Collection[str]) -> None:
    if system not in environments:
        raise ConfigurationError(f"runtimes.systems: '{system}' has no envs/{system}.yaml")


def environment_of(system: str, provider: str, environments: Collection[str]) -> str:
    """The environment that a runtime computes in: that of the provider where there is one, that of
    CUDA for any of an NVIDIA GPU, else the runtime's."""
    names = [f"{system}-{provider}", *([f"{system}-cuda"] if on_nvidia(provider) else []), system]
    return next(name for name in names if name in environments)


def runtime_spec(
    session: RuntimeSession,
    config: Mapping[str, Any],
    models: Mapping[str, Any],
    backends: Mapping[str, Backend],
) -> str:
    """What the session's program is told: one line of JSON, equal when the experiment is equal.

    Raises:
        ConfigurationError: Its program would refuse it.
    """
    study = config["runtimes"]
    title = backends[session.system].TITLE
    if session.origin is not None:
        origin = session.origin
        title += f" from {FILE if origin == FILE else backends[origin].TITLE}"
    planned = ("models", "systems", "onnx_from", "rounds")
    spec = {
        "session": session.name,
        "campaign": config["campaign"],
        "model": session.model,
        # Other weights under the same name are another experiment.
        "entry": models[session.model],
        "system": session.system,
        "origin": session.origin,
        "title": title,
        "provider": session.provider,
        "round": session.round,
        "device": config["device"],
        "seed": config["seed"],
        "metering": config["metering"],
        "protocol": config["protocol"],
        **{k: v for k, v in study.items() if k not in planned},
        "repetitions": with_analysis(study["repetitions"], config["analysis"]),
        # Which others were asked for is no part of this session; how they were asked for is.
        "providers": "auto" if study["providers"] == "auto" else "named",
    }
    return specified(RuntimesSpecification, spec)
