"""Which environment a program runs in, and with which Python: a virtual environment of its own,
conda's, or what the host has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configuration.experiment import Session
from configuration.load import Experiment
from configuration.paths import expanded
from configuration.pins import SET, UNSET, is_made
from configuration.runtimes import RuntimeSession, builds, environment_of, reference_environment
from runtimes.network import FILE

# What a module system or a shell's profile sets would change which packages are imported, and what
# is measured: no environment of pins sees it. UTF-8 whatever the locale.
CLEAN = " ".join(
    [
        "env",
        *(f"-u {name}" for name in UNSET),
        *(f"{name}={value}" for name, value in SET.items()),
    ]
)


@dataclass(frozen=True)
class Software:
    """Where the software of all rules comes from.

    Attributes:
        config: The validated configuration.
        conda: Whether Snakemake makes the environments with conda.
        folder: Where virtual environments stand.
    """

    config: Mapping[str, Any]
    conda: bool
    folder: Path = Path(".software")

    @property
    def of_host(self) -> bool:
        """Whether the interpreter at hand runs everything."""
        return self.config["software"] == "host" and not self.conda

    def ready_files(self, environments: Iterable[str]) -> list[str]:
        """The files that say that virtual environments are made: none where conda or the host
        provides the software."""
        if self.conda or self.config["software"] == "host":
            return []
        return [str(self.folder / name / "ready.json") for name in sorted(environments)]

    def interpreter(self, environment: str) -> str:
        """The Python that a rule's program runs with, as the shell takes it."""
        if self.of_host:
            return shlex.quote(expanded(self.config["host_python"], "host_python"))
        python = "python" if self.conda else self.folder / environment / "venv" / "bin" / "python"
        return f"{CLEAN} {python}"

    def is_made(self, spec: Path) -> bool:
        """Whether the virtual environment of a file of pins is there, made from the same."""
        return is_made(spec, self.folder / spec.stem / "ready.json")


def model_environment(model: str, experiment: Experiment) -> str:
    """The environment in which a model is prepared, and its network."""
    return reference_environment(experiment.models[model])


def session_environment(session: Session | RuntimeSession, experiment: Experiment) -> str:
    """The environment in which a session is measured: of the study of runtimes that of its runtime
    on its provider. That of a framework that cannot build the network is not needed to say so."""
    if isinstance(session, Session):
        return "pytorch"
    if not builds(session, experiment.models, experiment.around.backends):
        return model_environment(session.model, experiment)
    return environment_of(session.system, session.provider, experiment.around.environments)


def framework_environment(model: str, framework: str, experiment: Experiment) -> str:
    """The environment of a framework where it only converts, on the processor."""
    session = RuntimeSession(model, framework, None, "cpu", 1)
    if framework == FILE or not builds(session, experiment.models, experiment.around.backends):
        return model_environment(model, experiment)
    return environment_of(framework, "cpu", experiment.around.environments)
