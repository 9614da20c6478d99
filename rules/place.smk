# Takes: nothing.
# Gives: ROOT, the folder of this workflow, whose programs are on the path; `own`, a file of that
#        folder as a rule names it; SCRIPTS, its programs as a command names them; `refuse`, which
#        ends a run in one line; and what a project needs that takes this workflow as a module.
# Results, resources, software and the paths of a configuration are of the folder that Snakemake
# runs in, which may be another.
import contextlib
import os
import shlex
import sys
import tempfile
from pathlib import Path

from snakemake.logging import logger
from snakemake.sourcecache import HostingProviderFile, LocalGitFile, LocalSourceFile


def refuse(why):
    """Ends the run with one line: neither a file nor a line of the rules says more. Also within an
    input function, where Snakemake would wrap any other exception."""
    logger.error(" ".join(str(why).split()))
    raise SystemExit(1)


def checkout(source):
    """The folder of a clone that holds the commit of a source in git. Snakemake reads rules from
    there one by one, and commands name programs, pins and schemas by their paths."""
    import git  # takes a while, and most runs need none

    try:
        local = isinstance(source, LocalGitFile)
        repository = git.Repo(source.repo_path) if local else source.hosted_repo.repo
        commit = repository.commit(source.ref).hexsha
        folder = Path(".snakemake", "inference-energy", commit)
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
                made = Path(parent, "clone")
                clone = git.Repo.clone_from(repository.common_dir, made, no_checkout=True)
                clone.git.checkout("--detach", commit)
                # Of two runs that do so at once, one is first.
                with contextlib.suppress(OSError):
                    made.rename(folder)
    except (git.exc.GitError, ValueError, OSError) as error:
        refuse(f"{source}: no folder can be made of this commit: {error}")
    return folder.absolute()


def root_folder():
    """The folder of this workflow, wherever Snakemake reads it from."""
    here = workflow.current_basedir
    if isinstance(here, (LocalGitFile, HostingProviderFile)):
        return checkout(here)
    if not isinstance(here, LocalSourceFile):
        refuse(
            f"{here}: this workflow needs its whole folder: git clone it, and give the path of its"
            " workflow/Snakefile"
        )
    return Path(here.get_path_or_uri(secret_free=True)).parent


ROOT = root_folder()
sys.path.insert(0, str(ROOT / "scripts"))

# Snakemake would not find its own files there.
if sys.getfilesystemencoding() != "utf-8" and not str(ROOT).isascii():
    refuse(
        "the path of this folder is not ASCII, and this locale knows nothing else: set"
        " LC_ALL=C.UTF-8 or PYTHONUTF8=1"
    )

# In its own folder the workflow names its files from there, as in the commands that it publishes.
if os.path.samefile(os.getcwd(), ROOT):
    BASE = Path()
elif ROOT.is_relative_to(Path.cwd()):
    BASE = ROOT.relative_to(Path.cwd())
else:
    BASE = ROOT

# Snakemake takes them for wildcards.
if set(str(BASE)) & set("{}"):
    refuse(
        f"the workflow's folder is {ROOT}: from another folder no path with {{ or }} can be used"
    )

# What rules say about files that are there rests on their names.
if workflow.modifier.path_modifier.replace_prefix("results/") != "results/":
    refuse(
        "a module of this workflow takes no 'prefix' or 'replace_prefix': its folders are those of"
        " the project; tell campaigns apart by their names (campaign: NAME)"
    )

# A module is given its configuration.
if not (
    workflow.modifier.skip_configfile
    or workflow.overwrite_configfiles
    or os.path.exists("config/config.yaml")
):
    refuse(
        f"there is no config/config.yaml in {os.getcwd()}: write one there, or name one"
        " (--configfile FILE)"
    )


def own(path):
    """A file of the workflow's folder, as a rule names it."""
    return str(BASE / path)


SCRIPTS = shlex.quote(own("scripts"))
REGISTRY = "config/models.yaml"


def registry_file(path):
    """The registry of models that a configuration names: the workflow's own where the project has
    none and names none."""
    return Path(own(path) if path == REGISTRY and not os.path.exists(path) else path)


def is_module():
    """Whether another workflow takes this one as a module, with rules of its own beside."""
    main = next(workflow.included)
    if not isinstance(main, LocalSourceFile):
        return False
    ours = (ROOT / "Snakefile", ROOT / "workflow" / "Snakefile")
    path = main.get_path_or_uri(secret_free=True)
    return not any(file.exists() and os.path.samefile(path, file) for file in ours)


MODULE = is_module()


def full_name(rule):
    """A rule's name in Snakemake's plan, where a project may have put a prefix before it; None
    where the project leaves the rule out. Only while the rules are read."""
    return workflow.modifier.avail_rulename(rule)


def start_with(handler):
    """Has a handler run before the first job also where this workflow is a module, whose handlers
    Snakemake leaves out, whatever the project has for a handler of its own."""
    if workflow.modifier.is_main_snakefile():
        return
    before, register = workflow._onstart, workflow.onstart

    def both(theirs):
        def run(log):
            handler()
            theirs(log)

        return run

    def registered(theirs):
        register(both(theirs) if workflow.modifier.is_main_snakefile() else theirs)

    workflow._onstart = both(before)
    workflow.onstart = registered


def warn_undeclared():
    """Says that nothing limits the jobs on a GPU, which Snakemake then takes for no resource. The
    sessions of one run still wait for each other: each takes all cores."""
    if workflow.local_exec and "gpu" not in workflow.global_resources:
        if any(job.resources.get("gpu") for job in workflow.dag.needrun_jobs()):
            logger.warning(
                "no limit of GPUs is declared, so another rule's jobs may run on one beside: give"
                f" --resources gpu=1, or --workflow-profile {own('profiles/default')}"
            )
