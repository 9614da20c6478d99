"""The studies whose sessions a campaign plans. Another kind of session is one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configuration.experiment import Session, plan, session_spec
from configuration.runtimes import RuntimeSession, plan_runtimes, runtime_spec
from runtimes.base import Backend


@dataclass(frozen=True)
class Surroundings:
    """What a plan rests on beside the configuration.

    Attributes:
        backends: Every runtime's module by its name.
        environments: The names of the files in envs/.
        gpus: GPUs on this machine; None where another machine measures.
    """

    backends: Mapping[str, Backend]
    environments: Collection[str]
    gpus: int | None


Sessions = Sequence[Session | RuntimeSession]
Configuration = Mapping[str, Any]
Models = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        parts: Of a session's name, which tell whose it is.
        plan: From configuration and models to the sessions in the order of measuring. Raises
            ConfigurationError.
        specify: A session's specification, as JSON.
    """

    parts: int
    plan: Callable[[Configuration, Models, Surroundings], Sessions]
    specify: Callable[[Any, Configuration, Models, Surroundings], str]


def _plan_runtimes(config: Configuration, models: Models, around: Surroundings) -> Sessions:
    return plan_runtimes(config, models, around.backends, around.environments, around.gpus)


def _specify_runtime(
    session: RuntimeSession, config: Configuration, models: Models, around: Surroundings
) -> str:
    return runtime_spec(session, config, models, around.backends)


def _plan_phases(config: Configuration, models: Models, around: Surroundings) -> Sessions:
    return plan(config, models)


def _specify_phases(
    session: Session, config: Configuration, models: Models, around: Surroundings
) -> str:
    return session_spec(session, config, models)


PHASES = "phases"
STUDIES = {
    "runtimes": Study(4, _plan_runtimes, _specify_runtime),
    PHASES: Study(3, _plan_phases, _specify_phases),
}


def study_of(session: str) -> str:
    """The study that a session's name belongs to, by its number of parts; of any other name that of
    phases, which refuses it."""
    parts = len(session.split("__"))
    return next((name for name, study in STUDIES.items() if study.parts == parts), PHASES)
