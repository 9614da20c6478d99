# Takes: config, the registry of models, the schemas.
# Gives: EXPERIMENT, both checked, with the sessions of all studies; PLAN, its campaign; the software
#        and the files of a program; what is refused or told before the first job.
import atexit
import functools
import re

from snakemake.settings.types import DeploymentMethod

from analysis.figures import FigureError
from configuration import ConfigurationError
from configuration.campaign import Campaign
from configuration.devices import check_device, nvidia_devices
from configuration.load import check_written, load_experiment
from configuration.pins import pins_digest
from configuration.programs import program_files
from configuration.runtimes import unmet
from configuration.software import (
    Software,
    framework_environment,
    model_environment,
    session_environment,
)
from configuration.summary import PREPARE, measuring_rules, summary_lines
from generation.workloads import WORKLOADS
from metering.torn import RecordingError
from runtimes.network import FILE
from session.campaign import Run
from session.exclusive import BusyError

RESULTS = Path("results")
PROGRAMS = Path(own("scripts"))


def refusing(function):
    """The same function, which ends the run in one line where what it is to find cannot be."""

    @functools.wraps(function)
    def find(*arguments, **named):
        try:
            return function(*arguments, **named)
        except (ConfigurationError, FigureError, RecordingError, BusyError) as error:
            refuse(error)

    return find


@refusing
def checked_experiment():
    """What the configuration asks for; without a configuration that can be measured nothing runs."""
    by_snakemake = Path(sys.argv[0]).name in ("snakemake", "__main__.py")
    check_written(map(Path, workflow.configfiles), sys.argv[1:] if by_snakemake else [])
    return load_experiment(config, ROOT, RESULTS, nvidia_devices(), registry_file)


EXPERIMENT = checked_experiment()
config = EXPERIMENT.config
CAMPAIGN = config["campaign"]
PLAN = Campaign(EXPERIMENT, RESULTS)
SOFTWARE = Software(
    config, conda=DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
)
# Those of a measurement: nothing else may run beside it. What looks and runs nothing has none.
CORES = workflow.resource_settings.cores or 1
THIS_CAMPAIGN = re.escape(CAMPAIGN)
# A replay reads of another campaign.
READ = "|".join(map(re.escape, (CAMPAIGN, (config["phases"]["replay"] or config)["campaign"])))


wildcard_constraints:
    campaign=THIS_CAMPAIGN,
    session=r"[A-Za-z0-9._-]+",
    model="|".join(map(re.escape, EXPERIMENT.models)),
    benchmark="|".join(sorted({workload.file for workload in WORKLOADS.values()})),
    framework="|".join([*EXPERIMENT.around.backends, FILE]),
    env="|".join(sorted(map(re.escape, EXPERIMENT.around.environments))),


# The software of a rule.


def software(env):
    """The input that makes sure of it: none where conda or the host provides it."""
    return SOFTWARE.ready_files([env])


def command(program, env):
    """How a program is called in its environment, as the shell takes it."""
    return f"{SOFTWARE.interpreter(env)} {SCRIPTS}/{program}.py"


def spec_of(wildcards):
    """The pins of an environment; where it was made from them, their file's time means nothing."""
    spec = own(f"envs/{wildcards.env}.yaml")
    return ancient(spec) if SOFTWARE.is_made(Path(spec)) else spec


def pins_of(wildcards):
    return pins_digest(ROOT / "envs" / f"{wildcards.env}.yaml")


def model_env(wildcards):
    """The environment in which a model is prepared, and its network."""
    return model_environment(wildcards.model, EXPERIMENT)


def framework_env(wildcards):
    """The environment of a framework where it only converts."""
    return framework_environment(wildcards.model, wildcards.framework, EXPERIMENT)


def runtime_env(wildcards):
    """The environment of a session's runtime on its provider."""
    return session_environment(session_of_runtimes(wildcards), EXPERIMENT)


# The three ways to software, for an environment that is a function of the wildcards.


def conda_of(env):
    def conda_file(wildcards):
        return f"../envs/{env(wildcards)}.yaml"

    return conda_file


def software_of(env):
    def software_files(wildcards):
        return software(env(wildcards))

    return software_files


def python_of(env):
    def interpreter(wildcards):
        return SOFTWARE.interpreter(env(wildcards))

    return interpreter


def command_of(program, env):
    def command_in(wildcards):
        return command(program, env(wildcards))

    return command_in


# Programs of the analysis are inputs, so that mending one redoes what follows, and only that.


def files_of(program, *named):
    """The files that a program is made of; `named` are those of its modules that are imported by a
    name made up at run time, with wildcards."""

    @refusing
    def files(wildcards):
        return program_files(PROGRAMS, program, *(name.format(**wildcards) for name in named))

    return files


# Before the first job.

# What measures or prepares, by its name in Snakemake's plan.
MEASURE = measuring_rules(ROOT / "rules")
PLANNED = {full_name(name): name for name in (*MEASURE, *PREPARE)}


def refuse_unmet():
    """Refuses a device or providers that were asked for by name and that this machine does not have.
    A plan can be made where the GPU is not; which jobs run on other machines is only known now."""
    measuring = needed_measures()
    if workflow.non_local_exec or not measuring:
        return
    refusing(check_device)(config["device"], nvidia_devices())
    if "runtime_session" in measuring and (lacking := unmet(config, nvidia_devices())):
        refuse(lacking)


def needed_measures():
    """The rules of measuring of which there is a job to do."""
    return {PLANNED.get(job.rule.name) for job in workflow.dag.needrun_jobs()}.intersection(MEASURE)


@refusing
def hold_campaign():
    """No other run measures into this campaign."""
    RUN.hold(measures=bool(needed_measures()))


def log_plan():
    """Logs how long the jobs take, what they fetch and keep; an estimate is no reason to fail."""
    try:
        # A dry run has finished them all.
        needed = workflow.dag.needrun_jobs(exclude_finished=False)
        named = [(PLANNED.get(job.rule.name), job.wildcards_dict) for job in needed]
        jobs = [(rule, wildcards) for rule, wildcards in named if rule]
        measured_s = PLAN.recorded.measured_seconds()
        for line in summary_lines(jobs, EXPERIMENT, measured_s, nvidia_devices()):
            print(line, file=sys.stderr, flush=True)
    except Exception as error:
        logger.debug(f"no estimate of the plan: {error!r}")


def log_dry_run():
    """Logs the plan at the end of a dry run, below the list of jobs."""
    if workflow.executor_plugin is not None and workflow.dryrun and workflow.scheduler is not None:
        log_plan()


atexit.register(log_dry_run)
RUN = Run(Path("results", CAMPAIGN))
RUN.free_killed(logger.warning)
