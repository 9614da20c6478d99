# Takes: config, the registry of models, the schemas.
# Gives: both validated, the sessions of both studies, and the software of a rule.
import json
import os
import shutil
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, os.path.join(workflow.basedir, "scripts"))

from configuration import ConfigurationError, plan, validated
from configuration.devices import check_device, nvidia_devices
from configuration.registry import with_copies, with_twins
from configuration.runtimes import plan_runtimes, unmet
from generation.workloads import WorkloadError
from generation.workloads.longbench import files_in
from runtimes.base import backend, backends


def checked_configuration():
    """The configuration and the registry of models, both with their defaults, and the sessions of
    each study."""
    schemas = Path(workflow.basedir, "config", "schemas")

    def schema(name):
        return yaml.safe_load((schemas / name).read_text())

    checked = validated(config, schema("config.schema.yaml"), "configuration")
    registry = Path(checked["models_file"])
    if not registry.is_file():
        raise ConfigurationError(f"models_file: there is no file '{registry}'")
    with registry.open() as file:
        entries = yaml.safe_load(file)
    models = validated(
        entries,
        schema("models.schema.yaml"),
        str(registry),
    )
    copies = checked["models_folder"] and os.path.expanduser(checked["models_folder"])
    if copies is not None and not os.path.isdir(copies):
        raise ConfigurationError(f"models_folder: there is no folder '{copies}'")
    models = with_copies(with_twins(models), copies, Path.is_dir)
    if checked["software"] == "host" and shutil.which(checked["host_python"]) is None:
        raise ConfigurationError(f"host_python: there is no program '{checked['host_python']}'")
    folder = checked["phases"]["longbench"]["folder"]
    if folder is not None:
        try:
            files_in(folder)
        except WorkloadError as error:
            raise ConfigurationError(f"phases.longbench.folder: {error}") from None
    # On a cluster the GPU is on the node that runs the job: the session checks there.
    if not workflow.non_local_exec:
        check_device(checked["device"], nvidia_devices())
    plans = {
        "runtimes": lambda: plan_runtimes(
            checked, models, BACKENDS, ENVIRONMENTS, nvidia_devices()
        ),
        "phases": lambda: plan(checked, models),
    }
    wanted = checked["studies"]
    sessions = {name: make() if name in wanted else [] for name, make in plans.items()}
    return checked, models, sessions


BACKENDS = {name: backend(name) for name in backends()}
ENVIRONMENTS = {path.stem for path in Path(workflow.basedir, "envs").glob("*.yaml")}

try:
    config, MODELS, SESSIONS = checked_configuration()
except (ConfigurationError, yaml.YAMLError) as error:
    raise WorkflowError(" ".join(str(error).split())) from None

CAMPAIGN = config["campaign"]
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


wildcard_constraints:
    campaign=r"[A-Za-z0-9._-]+",
    session=r"[A-Za-z0-9._-]+",
    model=r"[A-Za-z0-9.-]+",
    benchmark=r"[A-Za-z0-9.-]+",
    framework=r"[a-z0-9_]+",
    env=r"[a-z0-9_-]+",


def software(env):
    """The input that makes sure of a rule's software: none where conda or the host provides it."""
    if WITH_CONDA or config["software"] == "host":
        return []
    return f".software/{env}/ready.json"


def interpreter(env):
    """The Python that a rule's program runs with."""
    if WITH_CONDA:
        return "python"
    if config["software"] == "host":
        return config["host_python"]
    return f".software/{env}/venv/bin/python"


def strict_flags():
    """The flags that a summary's windows must not carry, by comma; `all` or `none` of them."""
    strict = config["analysis"]["strict"]
    if isinstance(strict, bool):
        return "all" if strict else "none"
    return ",".join(strict) or "none"


# Programs of the analysis are inputs, so that mending one redoes what follows, and only that.
def sources(*patterns):
    """The files under scripts/ that match."""
    return sorted(str(p) for pattern in patterns for p in Path("scripts").glob(pattern))


# A plan can be made where the GPU is not; the jobs cannot.
def refuse_unmet():
    """Refuses, before the first job, providers that were asked for by name and that this machine
    does not have. Which jobs run on other machines is only known now."""
    measures = any(job.rule.name == "runtime_session" for job in workflow.dag.needrun_jobs())
    if measures and not workflow.non_local_exec and (lacking := unmet(config, nvidia_devices())):
        raise WorkflowError(lacking)
