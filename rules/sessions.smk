# Takes: the table of sessions, the raw data that are there.
# Gives: which sessions are planned, measured, and left; what each is told and takes as input.
import functools
import json
import re

from session.exclusive import BusyError
from configuration import Session
from configuration.experiment import (
    SWEEP,
    check_unchanged,
    session_spec,
    workload_options,
)
from configuration.replay import check_recorded, replayed_session
from configuration.runtimes import (
    RuntimeSession,
    builds,
    environment_of,
    reference_environment,
    runtime_spec,
)
from generation.workloads import WORKLOADS
from metering.torn import FILES, RecordingError, TornError, is_free, read_facts, refuse_copies
from session.campaign import Run
from analysis.runtimes.providers import on_gpu
from snakemake.logging import logger


def registry_entry(wildcards):
    """A model of the registry, as its programs are told."""
    return json.dumps(MODELS[wildcards.model], sort_keys=True)


def tokenizer_model(wildcards):
    """A language model with seeded weights borrows its tokenizer from another of the registry."""
    lender = MODELS[wildcards.model].get("tokenizer")
    return f"resources/models/{lender}/model.json" if lender else []


def tokenizer_option(wildcards, input):
    return ["--tokenizer", input.tokenizer] if input.tokenizer else []


def sequence_length(wildcards):
    length = MODELS[wildcards.model].get("sequence_length")
    return [] if length is None else ["--sequence-length", length]


def model_env(wildcards):
    """The environment in which a model is prepared, and its network."""
    return reference_environment(MODELS[wildcards.model])


def raw_of(name):
    """The file that says that a session is finished."""
    return Path("results", CAMPAIGN, "raw", name, "session.json")


def is_finished(name):
    """Whether a session was measured; one that was excluded may still be. One whose raw data are
    torn counts as measured: `recorded` refuses it, and nothing is measured over it."""
    try:
        return not is_free(raw_of(name).parent)
    except TornError:
        return True


@functools.cache
def recorded():
    """By name, session.json of each session whose raw data are there, the excluded among them;
    none is torn, and none is there twice."""
    raw = Path("results", CAMPAIGN, "raw")
    folders = {file.parent for name in ("session.json", *FILES) for file in raw.glob(f"*/{name}")}
    try:
        found = {str(folder): read_facts(folder) for folder in sorted(folders)}
        refuse_copies(found)
    except RecordingError as error:
        refuse(error)
    return {Path(folder).name: facts for folder, facts in found.items()}


def study_of(name):
    """The study that a session's name belongs to, by its number of parts."""
    return "runtimes" if name.count("__") == 3 else "phases"


def named(kind, wildcards):
    """The session of a file, which may have been asked for by its path."""
    name = wildcards.session
    planned = {session.name for study in SESSIONS.values() for session in study}
    if name not in planned and name not in recorded():
        refuse(f"campaign '{CAMPAIGN}': no session '{name}' is planned, and none was measured")
    return kind.parse(name)


def told(session):
    """What a session's program is told, as JSON."""
    if study_of(session.name) == "runtimes":
        return runtime_spec(session, config, MODELS, BACKENDS)
    return session_spec(session, config, MODELS)


def recorded_sessions(study):
    """The names of the sessions whose raw data are there, the excluded among them."""
    return [name for name in recorded() if study_of(name) == study]


def only_analyses():
    """Whether the target is `analyse`, which takes what was measured and measures nothing."""
    return ANALYSE in workflow.dag_settings.targets


def unmeasured(study):
    """A pattern for the planned sessions that have no raw data yet.

    Only these have a rule. Raw data that are there are sources, whatever becomes of weights,
    software and code: they are analysed, and never measured again.
    """
    names = [s.name for s in SESSIONS[study] if not is_finished(s.name)]
    return "|".join(map(re.escape, names)) or r"(?!)"


@functools.cache
def planned_sessions(study):
    """The names of a study's planned sessions; their campaign holds none but them, and none that
    was measured with another configuration."""
    names = [session.name for session in SESSIONS[study]]
    if not names:
        refuse(f"studies: '{study}' is not among them, so none of it is planned")
    for other in sorted(set(recorded_sessions(study)) - set(names)):
        refuse(
            f"campaign '{CAMPAIGN}' holds {other}, which this configuration does not plan; choose"
            " another name (--config campaign=NAME), or read it with the target analyse"
        )
    for session in SESSIONS[study]:
        # As the run began: what it measures itself is what it plans.
        facts = recorded().get(session.name)
        if facts is not None and not facts.get("excluded"):
            try:
                check_unchanged(told(session), facts["spec"])
            except ConfigurationError as error:
                refuse(error)
    return names


def planned_raw(study):
    """The last file of every planned session's raw data."""

    def files(wildcards):
        return expand(
            "results/{campaign}/raw/{session}/session.json",
            campaign=CAMPAIGN,
            session=planned_sessions(study),
        )

    return files


def measured_sessions(study):
    """The names of the sessions that a study's tables are made from: the plan, but for the target
    `analyse`, which takes what was measured, planned or not."""
    if not only_analyses():
        return planned_sessions(study)
    return [name for name in recorded_sessions(study) if is_finished(name)]


def excluded_files(wildcards):
    """For `analyse`, session.json of the excluded sessions: as inputs they would be tried again."""
    if not only_analyses():
        return []
    names = [name for name in recorded_sessions("runtimes") if not is_finished(name)]
    return [str(raw_of(name)) for name in names]


def session_files(study):
    """A function of wildcards: session.json of every session that a study's tables are made from."""

    def files(wildcards):
        return expand(
            "results/{campaign}/raw/{session}/session.json",
            campaign=wildcards.campaign,
            session=measured_sessions(study),
        )

    return files


def campaign_scores(wildcards):
    """The scores of the sessions with outputs; a sweep has none."""
    names = [n for n in measured_sessions("phases") if Session.parse(n).workload != SWEEP]
    return expand(
        "results/{campaign}/scores/{session}.json", campaign=wildcards.campaign, session=names
    )


def gpus(wildcards):
    """How many GPUs a session occupies."""
    if study_of(wildcards.session) == "runtimes":
        return int(on_gpu(named(RuntimeSession, wildcards).provider))
    return 0 if config["device"] == "cpu" else 1


# The study of phases.


def model_of(wildcards):
    return f"resources/models/{named(Session, wildcards).model}/model.json"


def tasks_of(wildcards):
    return f"resources/workloads/{named(Session, wildcards).file}.jsonl"


def tasks_of_scores(wildcards):
    """The tasks, where tests judge the outputs: others carry what they are compared with."""
    workload = named(Session, wildcards).workload
    return tasks_of(wildcards) if WORKLOADS[workload].judged_by == "tests" else []


def tasks_option(wildcards, input):
    return ["--tasks", input.tasks] if input.tasks else []


def replayed_folder(session):
    """The raw data of the session whose outputs a session forces; None where it forces none."""
    replay = config["phases"]["replay"]
    if replay is None or session.workload == SWEEP:
        return None
    return Path("results", replay["campaign"], "raw", replayed_session(session, replay).name)


def replayed_windows(wildcards):
    folder = replayed_folder(named(Session, wildcards))
    return [] if folder is None else f"{folder}/windows.jsonl"


def refuse_unrecorded():
    """Refuses, before the first job, a replay of outputs that are not there."""
    for session in [s for s in SESSIONS["phases"] if not is_finished(s.name)]:
        folder = replayed_folder(session)
        if folder is None:
            continue
        facts = folder / "session.json"
        if not facts.is_file():
            refuse(
                f"phases.replay: there is no finished session {folder}; measure that campaign first"
            )
        try:
            check_recorded(session, config["phases"], read_facts(folder)["spec"])
        except (ConfigurationError, RecordingError) as error:
            refuse(error)


def replayed_option(wildcards, input):
    return ["--replayed", input.replayed] if input.replayed else []


def phases_spec(wildcards):
    planned_sessions("phases")  # else asking for a session by its path would pass its refusals by
    return told(named(Session, wildcards))


def workload_told(wildcards):
    """How a workload's tasks are made, as JSON."""
    return json.dumps(workload_options(wildcards.benchmark, config), sort_keys=True)


# The study of runtimes.


def runtime_told(wildcards):
    planned_sessions("runtimes")
    return told(named(RuntimeSession, wildcards))


def runtime_env(wildcards):
    """The environment of a session's runtime on its provider."""
    return session_env(named(RuntimeSession, wildcards))


def session_env(session):
    """That of a framework that cannot build the network is not needed to say so."""
    if not builds(session, MODELS, BACKENDS):
        return reference_environment(MODELS[session.model])
    return environment_of(session.system, session.provider, ENVIRONMENTS)


def framework_env(wildcards):
    """The environment of a framework where it only converts, on the processor."""
    session = RuntimeSession(wildcards.model, wildcards.framework, None, "cpu", 1)
    if wildcards.framework == FILE or not builds(session, MODELS, BACKENDS):
        return reference_environment(MODELS[wildcards.model])
    return environment_of(wildcards.framework, "cpu", ENVIRONMENTS)


# The three ways to software, for an environment that is a function of the wildcards.


def conda_of(env):
    return lambda wildcards: f"../envs/{env(wildcards)}.yaml"


def software_of(env):
    return lambda wildcards: software(env(wildcards))


def python_of(env):
    return lambda wildcards: interpreter(env(wildcards))


def framework_program(wildcards):
    return sources(
        "convert.py",
        "runtimes/*.py",
        "runtimes/networks/*.py",
        f"runtimes/backends/{wildcards.framework}.py",
    )


def conversion_files(session):
    """By option, the files about its network that a session reads."""
    folder = f"resources/networks/{session.model}"
    files = {
        "network": f"{folder}/network.json",
        "conversion": f"{folder}/{session.framework}/conversion.json",
    }
    if session.origin is not None:
        files["verified"] = f"{folder}/{session.framework}/verified.json"
        files["onnx"] = f"{folder}/{session.framework}/model.onnx"
    return files


def network_files(wildcards):
    return conversion_files(named(RuntimeSession, wildcards))


def network_options(wildcards, input):
    """The same as command-line options."""
    names = conversion_files(named(RuntimeSession, wildcards))
    return [word for name in names for word in (f"--{name}", input[name])]


def parity_records(wildcards):
    """The verdicts of all networks: nothing is measured before the last of them is there."""
    files = [conversion_files(session) for session in SESSIONS["runtimes"]]
    names = ("conversion", "verified")
    return sorted({found[name] for found in files for name in names if name in found})


def all_software(wildcards):
    """The environments of all planned sessions: one that is made later would let the runtimes that
    need none go first, round after round."""
    sessions = SESSIONS["runtimes"]
    names = {session_env(session) for session in sessions}
    return [file for name in sorted(names) if (file := software(name))]


def order(wildcards):
    """A session's priority: rounds one after the other, each in its random order."""
    names = [session.name for session in SESSIONS["runtimes"]]
    return len(names) - names.index(wildcards.session)


def planned_runtimes(wildcards):
    """The planned sessions in words, so that none can be missing from the tables in silence."""
    if only_analyses():
        return []
    keys = ("session", "model", "title", "provider", "round")
    specs = [json.loads(told(session)) for session in SESSIONS["runtimes"]]
    return ["--planned", json.dumps([{key: spec[key] for key in keys} for spec in specs])]


# What the targets ask for.


def page_of(study):
    page = {"phases": "report", "runtimes": "runtimes"}[study]
    return f"results/{CAMPAIGN}/{page}.html"


def report_page(study):
    """The page of a study, and by name all that it rests on: Snakemake makes again what was deleted
    only where it is asked for, whatever was made from it still stands."""
    tables, drawn = {
        "phases": (lambda: rules.tables.output, lambda: FIGURES),
        "runtimes": (lambda: rules.runtime_tables.output, lambda: RUNTIME_FIGURES),
    }[study]

    def files(wildcards):
        names = measured_sessions(study)
        judged = [n for n in names if study == "phases" and Session.parse(n).workload != SWEEP]
        return [
            page_of(study),
            *(str(raw_of(name)) for name in names),
            *(f"results/{CAMPAIGN}/scores/{name}.json" for name in judged),
            *expand(tables(), campaign=CAMPAIGN),
            *(f"results/{CAMPAIGN}/figures/{n}.{kind}" for n in drawn() for kind in ("png", "pdf")),
        ]

    return files


def meters_page(wildcards):
    """The page of the study of the meters, and what it rests on."""
    refuse_torn_meters()
    made = expand(rules.meter_tables.output, campaign=CAMPAIGN)
    return [*made, str(METERS / "session.json")]


def pages_of_all(wildcards):
    return [file for study in config["studies"] for file in report_page(study)(wildcards)]


def pages_of_measured(wildcards):
    """The page of each study that has raw data."""
    pages = [f for s in SESSIONS if recorded_sessions(s) for f in report_page(s)(wildcards)]
    if (METERS / "session.json").is_file():
        pages += meters_page(wildcards)
    if not pages:
        refuse(f"analyse: results/{CAMPAIGN}/raw holds no finished session")
    return pages


def drawn(figure, **how):
    """A figure for Snakemake's report, but for one that was left out: the page there says why."""
    file = Path(figure.format(campaign=CAMPAIGN))
    left_out = file.is_file() and not file.stat().st_size
    return figure if left_out else report(figure, **how)


def refused_elsewhere(wildcards):
    """Files of another campaign, asked for by their paths: their sessions are others than those
    that this configuration plans."""
    refuse(
        f"results/{wildcards.campaign}/{wildcards.file} is of campaign '{wildcards.campaign}', and"
        f" this configuration is of campaign '{CAMPAIGN}': nothing is made in another; to make the"
        " tables and pages of what was measured there: snakemake --cores 1 analyse --config"
        f" campaign={wildcards.campaign}"
    )


def refuse_torn_meters():
    try:
        is_free(METERS)
    except TornError as error:
        refuse(error)


def measured_meters():
    """Whether the meters were studied; torn raw data count as such, as in `is_finished`."""
    try:
        return not is_free(METERS)
    except TornError:
        return True


def seen_here():
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


def hold_campaign():
    """Before the first job: no other run measures into this campaign."""
    try:
        RUN.hold(measures=bool(measuring()))
    except BusyError as error:
        refuse(error)


ANALYSE = full_name("analyse")
RUN = Run(Path("results", CAMPAIGN))
RUN.free_killed(logger.warning)
SEEN = seen_here()
METERS = Path("results", CAMPAIGN, "meters")
METERS_PAGE = meters_page
THIS_CAMPAIGN = re.escape(CAMPAIGN)
# A replay reads of another campaign.
READ = "|".join(map(re.escape, (CAMPAIGN, (config["phases"]["replay"] or config)["campaign"])))


wildcard_constraints:
    campaign=THIS_CAMPAIGN,


# Nothing is made: a file of another campaign that is not there is refused in words.


refuse_unrecorded()
