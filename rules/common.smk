# Takes: config, the registry of models, the schemas.
# Gives: both validated, the sessions of both studies, and the software of a rule.
import atexit
import json
import re
import shlex
import shutil

import yaml
from snakemake.settings.types import DeploymentMethod

from configuration import ConfigurationError, estimates, plan, strict, validated
from configuration.devices import check_device, nvidia_devices
from configuration.paths import expanded
from configuration.registry import check_keys, with_copies, with_twins
from configuration.runtimes import plan_runtimes, unmet
from generation.workloads import WORKLOADS, WorkloadError
from generation.workloads.longbench import files_in
from runtimes.base import backend, backends
from runtimes.network import FILE
from software import SET, SWAYING, is_made, pins_digest


def schema(name):
    return strict.read(ROOT / "config" / "schemas" / name, name)


def checked_configuration():
    """The configuration and the registry of models, both with their defaults, and the sessions of
    each study."""
    # Snakemake has read them; of two equal keys it took the last.
    for file in workflow.configfiles:
        strict.read(Path(file), str(file))
    if Path(sys.argv[0]).name in ("snakemake", "__main__.py"):
        strict.check_settings(sys.argv[1:])
    checked = validated(config, schema("config.schema.yaml"), "configuration")
    if checked["campaign"] == "doctor" or Path("results", checked["campaign"]).is_file():
        raise ConfigurationError(
            f"campaign: results/{checked['campaign']} is no campaign's; choose another name"
            " (--config campaign=NAME)"
        )
    registry = registry_file(expanded(checked["models_file"], "models_file"))
    entries = strict.read(registry, "models_file")
    models = validated(entries, schema("models.schema.yaml"), checked["models_file"])
    check_keys(entries, schema("models.schema.yaml"), checked["models_file"])
    copies = checked["models_folder"] and expanded(checked["models_folder"], "models_folder")
    if copies is not None and not os.path.isdir(copies):
        raise ConfigurationError(f"models_folder: there is no folder '{copies}'")
    models = with_copies(with_twins(models), copies, Path.is_dir)
    python = expanded(checked["host_python"], "host_python")
    if checked["software"] == "host" and shutil.which(python) is None:
        raise ConfigurationError(f"host_python: there is no program '{python}'")
    folder = checked["phases"]["longbench"]["folder"]
    if folder is not None:
        try:
            files_in(expanded(folder, "phases.longbench.folder"))
        except WorkloadError as error:
            raise ConfigurationError(f"phases.longbench.folder: {error}") from None
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
ENVIRONMENTS = {path.stem for path in (ROOT / "envs").glob("*.yaml")}

try:
    config, MODELS, SESSIONS = checked_configuration()
except ConfigurationError as error:
    refuse(error)

CAMPAIGN = config["campaign"]
WITH_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
# Those of a measurement: nothing else may run beside it. What looks and runs nothing has none.
CORES = workflow.resource_settings.cores or 1


wildcard_constraints:
    campaign=r"[A-Za-z0-9._-]+",
    session=r"[A-Za-z0-9._-]+",
    model="|".join(map(re.escape, MODELS)),
    benchmark="|".join(sorted({workload.file for workload in WORKLOADS.values()})),
    framework="|".join([*BACKENDS, FILE]),
    env="|".join(sorted(map(re.escape, ENVIRONMENTS))),


def software(env):
    """The input that makes sure of a rule's software: none where conda or the host provides it."""
    if WITH_CONDA or config["software"] == "host":
        return []
    return f".software/{env}/ready.json"


def spec_of(wildcards):
    """The pins of an environment; where it was made from them, their file's time means nothing."""
    spec = own(f"envs/{wildcards.env}.yaml")
    made = is_made(Path(spec), Path(".software", wildcards.env, "ready.json"))
    return ancient(spec) if made else spec


def pins_of(wildcards):
    return pins_digest(ROOT / "envs" / f"{wildcards.env}.yaml")


# What a module system or a shell's profile sets would change which packages are imported, and what
# is measured: no environment of pins sees it. UTF-8 whatever the locale.
CLEAN = " ".join(
    [
        "env",
        *(f"-u {name}" for name in SWAYING),
        *(f"{name}={value}" for name, value in SET.items()),
    ]
)


def interpreter(env):
    """The Python that a rule's program runs with, as the shell takes it."""
    if config["software"] == "host" and not WITH_CONDA:
        return shlex.quote(expanded(config["host_python"], "host_python"))
    return f"{CLEAN} {'python' if WITH_CONDA else f'.software/{env}/venv/bin/python'}"


def strict_flags():
    """The flags that a summary's windows must not carry, by comma; `all` or `none` of them."""
    strict = config["analysis"]["strict"]
    if isinstance(strict, bool):
        return "all" if strict else "none"
    return ",".join(strict) or "none"


# Programs of the analysis are inputs, so that mending one redoes what follows, and only that.
def sources(*patterns):
    """The files under scripts/ that match."""
    return sorted(str(p) for pattern in patterns for p in Path(own("scripts")).glob(pattern))


# By source of a model, the keys that hold the user's own paths.
OWN_PATHS = {"folder": ("path",), "torch": ("path", "weights"), "onnx": ("path",)}


def own_files(wildcards):
    """The user's files that a model is made from: a change of them makes it anew. One that is not
    there is refused before the first job. Of a folder only that it is there counts."""
    entry = MODELS[wildcards.model]
    found = []
    for key in OWN_PATHS.get(entry["source"], ()):
        if entry.get(key) is not None:
            where = f"{config['models_file']}: {wildcards.model}.{key}"
            try:
                path = expanded(entry[key], where)
            except ConfigurationError as error:
                refuse(error)
            if not os.path.exists(path):
                what = "folder" if entry["source"] == "folder" else "file"
                refuse(f"{where}: there is no {what} '{path}'")
            found.append(path)
    return [path for path in found if entry["source"] != "folder" and os.path.isfile(path)]


MEASURING = ("phases_session", "runtime_session", "metering_session")
# What measures or fetches, by its name in the plan.
PLANNED = {
    full_name(rule): rule
    for rule in (*MEASURING, "virtual_environment", "workload", "model", "network", "convert")
}


def measuring():
    """The rules of measuring of which there is a job to do."""
    names = {PLANNED.get(job.rule.name) for job in workflow.dag.needrun_jobs()}
    return names.intersection(MEASURING)


# A plan can be made where the GPU is not; the jobs cannot.
def refuse_unmet():
    """Refuses, before the first job, a device or providers that were asked for by name and that
    this machine does not have. Which jobs run on other machines is only known now."""
    if workflow.non_local_exec or not measuring():
        return
    try:
        check_device(config["device"], nvidia_devices())
    except ConfigurationError as error:
        refuse(error)
    if "runtime_session" in measuring() and (lacking := unmet(config, nvidia_devices())):
        refuse(lacking)


def measured_seconds():
    """By name without round, what the campaign's measured sessions took: `estimates` goes by it."""
    found = {}
    for file in Path("results", CAMPAIGN, "raw").glob("*/windows.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        if lines:
            first, last = json.loads(lines[0]), json.loads(lines[-1])
            spent_s = (last["end_ns"] - first["start_ns"]) / 1e9
            found.setdefault(estimates.without_round(file.parent.name), []).append(spent_s)
    return {name: sum(each) / len(each) for name, each in found.items()}


def planned_lines():
    """How long the jobs to run take, what they fetch and keep."""
    by_rule = {}
    # A dry run has finished them all.
    for job in workflow.dag.needrun_jobs(exclude_finished=False):
        if job.rule.name in PLANNED:
            by_rule.setdefault(PLANNED[job.rule.name], []).append(job.wildcards_dict)
    asked = {
        wildcards["session"]
        for name, jobs in by_rule.items()
        if name in MEASURING[:2]
        for wildcards in jobs
    }
    sessions = [s for study in SESSIONS.values() for s in study if s.name in asked]
    device = config["device"]
    where = "gpu" if device.startswith("cuda") or (device == "auto" and nvidia_devices()) else "cpu"
    span, assumed = estimates.total_seconds(sessions, config, MODELS, where, measured_seconds())
    meters = by_rule.get(MEASURING[2], [])
    if meters:
        span += estimates.meters_seconds(config)
    sizes = {}
    for name, jobs in by_rule.items():
        for wildcards in jobs:
            if name == "virtual_environment":
                env = wildcards["env"]
                sizes[f"environment {env}"] = estimates.environment_bytes(env)
            elif name == "workload":
                file = wildcards["benchmark"]
                sizes[f"tasks of {file}"] = estimates.workload_bytes(file)
            elif name == "model":
                model = wildcards["model"]
                sizes[f"model {model}"] = estimates.model_bytes(MODELS[model])
            elif name in ("network", "convert"):
                what = f"network {wildcards['model']} {wildcards.get('framework', '')}".strip()
                sizes[what] = estimates.network_bytes(MODELS[wildcards["model"]])
    raw = estimates.raw_bytes(span.most, config["metering"]["period_s"])
    return estimates.told(len(sessions) + len(meters), span, assumed, sizes, raw)


def tell_plan():
    """Says what `planned_lines` do; an estimate is no reason to fail."""
    try:
        for line in planned_lines():
            print(line, file=sys.stderr, flush=True)
    except Exception as error:
        logger.debug(f"no estimate of the plan: {error!r}")


def tell_dry_run():
    """Tells the plan at the end of a dry run, below the list of jobs."""
    if workflow.executor_plugin is not None and workflow.dryrun and workflow.scheduler is not None:
        tell_plan()


atexit.register(tell_dry_run)
