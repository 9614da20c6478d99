# Takes: config, the registry of models, the schemas.
# Gives: both validated, the table of sessions, the software of a rule, and the rules' functions.
import json
import os
import re
import shutil
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, os.path.join(workflow.basedir, "scripts"))

from configuration import ConfigurationError, Session, plan, validated
from configuration.devices import check_device, nvidia_devices
from configuration.experiment import check_unchanged, session_spec


def checked_configuration():
    """The configuration and the registry of models, both with their defaults, and the sessions."""
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
    if checked["software"] == "host" and shutil.which(checked["host_python"]) is None:
        raise ConfigurationError(f"host_python: there is no program '{checked['host_python']}'")
    # On a cluster the GPU is on the node that runs the job: the session checks there.
    if not workflow.non_local_exec:
        check_device(checked["device"], nvidia_devices())
    return checked, models, plan(checked, models)


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
    workload=r"[A-Za-z0-9.-]+",
    env=r"[a-z-]+",


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


# Programs of the analysis are inputs, so that mending one redoes what follows, and only that.
def sources(*patterns):
    """The files under scripts/ that match."""
    return sorted(str(p) for pattern in patterns for p in Path("scripts").glob(pattern))


def tokenizer_model(wildcards):
    """A model with seeded weights borrows its tokenizer from another of the registry."""
    entry = MODELS[wildcards.model]
    if entry["source"] != "init":
        return []
    return f"resources/models/{entry['tokenizer']}/model.json"


def tokenizer_option(wildcards, input):
    return ["--tokenizer", input.tokenizer] if input.tokenizer else []


def registry_entry(wildcards):
    return json.dumps(MODELS[wildcards.model], sort_keys=True)


def raw_of(session):
    """The file that says that a session is finished."""
    return Path("results", CAMPAIGN, "raw", session, "session.json")


def finished_sessions():
    """The names of the sessions whose raw data are there."""
    files = Path("results", CAMPAIGN, "raw").glob("*/session.json")
    return sorted(file.parent.name for file in files)


def unmeasured():
    """A pattern for the planned sessions that have no raw data yet.

    Only these have a rule. Raw data that are there are sources, whatever becomes of weights,
    software and code: they are analysed, and never measured again.
    """
    names = [s.name for s in SESSIONS if not raw_of(s.name).exists()]
    return "|".join(map(re.escape, names)) or r"(?!)"


def model_of(wildcards):
    return f"resources/models/{Session.parse(wildcards.session).model}/model.json"


def tasks_of(wildcards):
    return f"resources/workloads/{Session.parse(wildcards.session).workload}.jsonl"


def spec_of(wildcards):
    """What a session's program is told, as JSON."""
    return session_spec(Session.parse(wildcards.session), config, MODELS)


def gpus(wildcards):
    return 0 if config["device"] == "cpu" else 1


def planned_sessions():
    """The names of the planned sessions; their campaign holds none but them, and none that was
    measured with another configuration."""
    names = [session.name for session in SESSIONS]
    for other in sorted(set(finished_sessions()) - set(names)):
        raise WorkflowError(
            f"campaign '{CAMPAIGN}' holds {other}, which this configuration does not plan; choose"
            " another name (--config campaign=NAME), or read it with the target analyse"
        )
    for session in SESSIONS:
        done = raw_of(session.name)
        if done.is_file():
            measured = json.loads(done.read_text())["spec"]
            try:
                check_unchanged(session, session_spec(session, config, MODELS), measured)
            except ConfigurationError as error:
                raise WorkflowError(str(error)) from None
    return names


def planned_raw(wildcards):
    """The last file of every planned session's raw data."""
    return expand(
        "results/{campaign}/raw/{session}/session.json",
        campaign=CAMPAIGN,
        session=planned_sessions(),
    )


def measured_sessions():
    """The names of the sessions that the campaign's tables are made from: the plan, but for the
    target `analyse`, which takes what was measured, planned or not."""
    if "analyse" not in workflow.dag_settings.targets:
        return planned_sessions()
    found = finished_sessions()
    if not found:
        raise WorkflowError(f"analyse: results/{CAMPAIGN}/raw holds no finished session")
    return found


def campaign_sessions(wildcards):
    return expand(
        "results/{campaign}/raw/{session}/session.json",
        campaign=wildcards.campaign,
        session=measured_sessions(),
    )


def campaign_scores(wildcards):
    return expand(
        "results/{campaign}/scores/{session}.json",
        campaign=wildcards.campaign,
        session=measured_sessions(),
    )


def report_page():
    return f"results/{CAMPAIGN}/report.html"
