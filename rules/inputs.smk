# Takes: EXPERIMENT and PLAN, the campaign and what is there of it.
# Gives: the inputs and parameters of rules, as functions of their wildcards.
import json

from configuration.experiment import Session, workload_options
from configuration.files import (
    scoring_file,
    model_file,
    network_files,
    own_files,
    tasks_file,
    tokenizer_file,
    verdict_files,
)
from configuration.studies import study_of
from configuration.runtimes import RuntimeSession
from analysis.runtimes.providers import on_gpu

# Models, networks and tasks.


def registry_entry(wildcards):
    """A model of the registry, as its programs are told."""
    return json.dumps(EXPERIMENT.models[wildcards.model], sort_keys=True)


@refusing
def own_files_of(wildcards):
    """The user's files that a model is made from."""
    entry = EXPERIMENT.models[wildcards.model]
    return own_files(wildcards.model, entry, config["models_file"])


def tokenizer_model(wildcards):
    return tokenizer_file(EXPERIMENT.models[wildcards.model]) or []


def tokenizer_option(wildcards, input):
    return ["--tokenizer", input.tokenizer] if input.tokenizer else []


def sequence_length(wildcards):
    length = EXPERIMENT.models[wildcards.model].get("sequence_length")
    return [] if length is None else ["--sequence-length", length]


def workload_json(wildcards):
    """How a workload's tasks are made, as JSON."""
    return json.dumps(workload_options(wildcards.benchmark, config), sort_keys=True)


# A session that is measured.


@refusing
def session_of_phases(wildcards):
    return PLAN.session(Session, wildcards.session)


@refusing
def session_of_runtimes(wildcards):
    return PLAN.session(RuntimeSession, wildcards.session)


@refusing
def phases_spec(wildcards):
    return PLAN.planned_spec(session_of_phases(wildcards))


@refusing
def runtimes_spec(wildcards):
    return PLAN.planned_spec(session_of_runtimes(wildcards))


def gpus(wildcards):
    """How many GPUs a session occupies."""
    if study_of(wildcards.session) == "runtimes":
        return int(on_gpu(session_of_runtimes(wildcards).provider))
    return 0 if config["device"] == "cpu" else 1


def model_of(wildcards):
    return model_file(session_of_phases(wildcards).model)


def tasks_of(wildcards):
    return tasks_file(session_of_phases(wildcards))


def replayed_windows(wildcards):
    return PLAN.replayed_windows(session_of_phases(wildcards)) or []


def replayed_option(wildcards, input):
    return ["--replayed", input.replayed] if input.replayed else []


def files_of_network(wildcards):
    """By option, the files about its network that a session reads."""
    return network_files(session_of_runtimes(wildcards))


def network_options(wildcards, input):
    """The same as command-line options."""
    return [word for name in files_of_network(wildcards) for word in (f"--{name}", input[name])]


def parity_records(wildcards):
    """The verdicts of all networks: nothing is measured before the last of them is there."""
    return verdict_files(EXPERIMENT.sessions["runtimes"])


def all_software(wildcards):
    """The environments of all planned sessions: one that is made later would let the runtimes that
    need none go first, round after round."""
    sessions = EXPERIMENT.sessions["runtimes"]
    return SOFTWARE.ready_files({session_environment(s, EXPERIMENT) for s in sessions})


def session_priority(wildcards):
    return PLAN.priority(wildcards.session)


# What was measured.

ANALYSE = full_name("analyse")


def only_analyses():
    """Whether the target is `analyse`, which takes what was measured and measures nothing."""
    return ANALYSE in workflow.dag_settings.targets


@refusing
def measured_sessions(study):
    """The names of the sessions that a study's tables are made from."""
    return PLAN.measured(study, as_recorded=only_analyses())


@refusing
def scored_sessions(study):
    """Of those the ones whose outputs are scored."""
    return PLAN.scored(study, as_recorded=only_analyses())


def planned_raw(study):
    """The last file of every planned session's raw data."""

    @refusing
    def files(wildcards):
        return [PLAN.recorded.session_file(name) for name in PLAN.planned(study)]

    return files


def session_files(study):
    """session.json of every session that a study's tables are made from."""

    def files(wildcards):
        return [PLAN.recorded.session_file(name) for name in measured_sessions(study)]

    return files


def campaign_scores(wildcards):
    return [f"results/{CAMPAIGN}/scores/{name}.json" for name in scored_sessions("phases")]


@refusing
def excluded_files(wildcards):
    """For `analyse`, session.json of the excluded sessions: as inputs they would be tried again."""
    if not only_analyses():
        return []
    return [PLAN.recorded.session_file(name) for name in PLAN.excluded("runtimes")]


def planned_runtimes(wildcards):
    return [] if only_analyses() else ["--planned", PLAN.described_runtimes()]


def tasks_of_scores(wildcards):
    """The tasks, where tests judge the outputs."""
    return scoring_file(session_of_phases(wildcards)) or []


def tasks_option(wildcards, input):
    return ["--tasks", input.tasks] if input.tasks else []


def strict_flags():
    """The flags that a summary's windows must not carry, by comma; `all` or `none` of them."""
    strict = config["analysis"]["strict"]
    if isinstance(strict, bool):
        return "all" if strict else "none"
    return ",".join(strict) or "none"


def stamp_file():
    """A file that is younger than tables which this folder did not make, as those of an archive or
    of a copied campaign: when they were made and from what is not known, so they are made again.
    None where Snakemake's folder cannot be written."""
    file = Path(".snakemake", "seen", CAMPAIGN)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
    except OSError:
        return []
    return str(file)


STAMP = stamp_file()

# Refuses, before the first job, a replay of outputs that are not there.
refusing(PLAN.check_replays)()
