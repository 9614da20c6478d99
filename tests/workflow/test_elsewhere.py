"""The workflow from a folder of the user's own: as it is, as a module, and from a git host."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from metering.locks import Lock

ROOT = Path(__file__).parents[2]
SESSION = "smollm2-135m-instruct__humaneval-0shot__r1"
READY = (
    ".software",
    "resources/models/smollm2-135m-instruct",
    "resources/workloads/humaneval.jsonl",
)
PAGE = (ROOT / "docs" / "own-project.md").read_text(encoding="utf-8")
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("snakemake ")]
MODULE = """
configfile: "config/config.yaml"


module energy:
    snakefile:
        {snakefile}
    config:
        config


use rule * from energy as energy_*
"""
# Below results/, with the end of a rule's name of ours, and on a GPU.
RULES = """
rule small_model:
    output: "results/plots/words.txt"
    resources: gpu=1
    shell: "touch {output}"
"""
HANDLER = """
onstart:
    print("the project's own handler")
"""
# Nothing that is refused before the first job, or should be, may install or measure anything.
HARMLESS = ("--config", "software=host", "host_python=/bin/false")


class Project:
    """A folder with a configuration beside the workflow's, which is called as documented."""

    def __init__(self, folder, config, workflow=ROOT):
        self.folder = folder / "my-project"
        (self.folder / "config").mkdir(parents=True)
        (self.folder / "workflow").mkdir()
        self.workflow = folder / "inference-energy"
        self.workflow.symlink_to(workflow)
        self.write("config/config.yaml", config)
        self.environment = {
            **os.environ,
            "CUDA_VISIBLE_DEVICES": "",
            "INFERENCE_ENERGY_LOCK": str(folder / "machine.lock"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def write(self, name, text):
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")
        return self

    def module(self, snakefile='"../../inference-energy/workflow/Snakefile"', more=RULES):
        return self.write("workflow/Snakefile", MODULE.format(snakefile=snakefile) + more)

    def run(self, *words, status=0):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )
        assert (done.returncode == 0) == (status == 0), done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def refused(self, line, *words):
        output = self.run(*words, status=1)
        assert [found for found in output.splitlines() if found.startswith(line)], output
        assert not (self.folder / "results" / "small" / "raw").exists()


@pytest.fixture
def project(tmp_path, quick):
    return Project(tmp_path, quick)


def programs(output):
    """The programs that commands name."""
    return set(re.findall(r"\S*scripts/\w+\.py", re.sub(r"(?m)^    input: .*", "", output)))


def test_the_page_has_commands():
    assert len(COMMANDS) == 7, COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_is_planned(project, command):
    project.write("workflow/Snakefile", re.search(r"^```python\n(.*?)^```", PAGE, re.M | re.S)[1])
    project.write("config/config.yaml", "campaign: mine\n")
    project.write("config/other.yaml", "campaign: other\ndevice: cpu\n")
    project.write("elsewhere/config/config.yaml", "campaign: mine\n")
    words = shlex.split(command, comments=True)[1:]
    if "energy_analyse" in words:
        (project.folder / "results").mkdir()
        (project.folder / "results" / "h200-7b").symlink_to(ROOT / "results" / "h200-7b")
        words += ["--config", "campaign=h200-7b"]
    output = project.run("-n", *words)
    assert "total" in output
    here = project.folder / ("elsewhere" if "--directory" in words else ".")
    assert (here / ".snakemake").is_dir()


def test_a_module_reads_its_own_files_and_writes_into_the_project(project):
    output = project.module().run("-n", "-p", "--cores", "1")
    assert len(programs(output)) > 6
    assert {name.rpartition("/")[0] for name in programs(output)} == {f"{project.workflow}/scripts"}
    assert f"input: {project.workflow}/envs/pytorch.yaml" in output
    assert f"{project.workflow}/config/published/phases.csv" in output
    assert f"{project.workflow}/scripts/analysis/figures/phases.py" in output
    for line in re.findall(r"(?m)^    (?:output|log): (.*)$", output):
        assert not [name for name in line.split(", ") if os.path.isabs(name)]
    # A prefix before the names of rules: they stay local, and the plan is told.
    assert "localrules" not in output
    assert "plan: 1 session to measure" in output
    assert "energy_phases_session" in output and "\nphases_session" not in output


def test_a_rule_of_the_project_may_write_below_results(project):
    output = project.module().run("--cores", "1", "results/plots/words.txt")
    assert (project.folder / "results" / "plots" / "words.txt").exists()
    assert "no limit of GPUs is declared" in output
    (project.folder / "results" / "plots" / "words.txt").unlink()
    words = ("--cores", "1", "results/plots/words.txt", "--resources", "gpu=1")
    assert "no limit of GPUs is declared" not in project.run(*words)


def test_the_project_has_models_of_its_own(project):
    project.write("config/models.yaml", "mine: {source: folder, path: none, licence: none}\n")
    project.module().refused(
        "phases.models (config/models.yaml): no model 'smollm2-135m-instruct'", "-n", "--cores", "1"
    )


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_campaign_that_is_being_measured_is_refused_in_a_module(project, first):
    project.module(more=HANDLER)
    if first:
        file = project.folder / "workflow" / "Snakefile"
        file.write_text(HANDLER + file.read_text().replace(HANDLER, ""))
    with Lock(project.folder / "results/small/partial/run.lock", "a run of campaign small"):
        project.refused("campaign 'small' is being measured already", "--cores", "1", *HARMLESS)
    output = project.run("--cores", "1", *HARMLESS, status=1)
    assert "the project's own handler" in output and "plan: " in output


def test_a_device_that_is_not_there_is_refused_in_a_module(project):
    project.module().refused("device: 'cuda' is ", "--cores", "1", *HARMLESS, "device=cuda")


def test_what_cannot_be_is_refused_in_one_line(project, tmp_path):
    project.module('"../../inference-energy/Snakefile"\n    prefix: "energy/"')
    project.refused("a module of this workflow takes no 'prefix'", "-n", "--cores", "1")
    (tmp_path / "{odd}").symlink_to(ROOT)
    project.module('"../../{odd}/workflow/Snakefile"')
    project.refused(f"the workflow's folder is {tmp_path}/{{odd}}: ", "-n", "--cores", "1")
    shutil.rmtree(project.folder / "config")
    project.refused(
        f"there is no config/config.yaml in {project.folder}: ",
        *("-n", "--cores", "1", "-s", str(ROOT / "workflow" / "Snakefile")),
    )


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """The workflow in git, as `owner/inference-energy` of a host, with a tag."""
    folder = tmp_path_factory.mktemp("host") / "owner" / "inference-energy"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=ROOT, text=True).rstrip("\0").split("\0")
    for name in names:
        if os.path.lexists(ROOT / name) and not name.startswith("results/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    identity = ("-c", "user.name=host", "-c", "user.email=host@localhost")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", "v1"]):
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize(
    "source",
    [
        'github("owner/inference-energy", path="workflow/Snakefile", tag="v1")',
        'github("owner/inference-energy", path="Snakefile", branch="v1")',
        'gitfile("{hosted}", path="workflow/Snakefile", tag="v1")',
    ],
)
def test_a_source_in_git_is_checked_out_whole(project, hosted, source):
    # The host that Snakemake clones from, on this machine: git itself takes another address.
    project.environment |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{hosted.parents[1]}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    project.module(source.format(hosted=hosted))
    output = project.run("-n", "-p", "--cores", "1")
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.check_output(head, cwd=hosted, text=True).strip()
    folder = f".snakemake/inference-energy/{commit}"
    assert {name.rpartition("/")[0] for name in programs(output)} == {f"{folder}/scripts"}
    # A clone, so that sessions record the commit.
    assert subprocess.check_output(head, cwd=project.folder / folder, text=True).strip() == commit
    assert os.listdir(project.folder / folder / "..") == [commit]
    made = (project.folder / folder).stat().st_ctime_ns
    assert project.run("-n", "-p", "--cores", "1").count(folder) == output.count(folder)
    assert (project.folder / folder).stat().st_ctime_ns == made


def test_the_same_commands_by_either_snakefile():
    # Else whoever changes from one to the other would make everything again.
    def planned(*words):
        command = [sys.executable, "-m", "snakemake", "-n", "-p", "--forceall", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        return sorted(line for line in lines if line.startswith(("Shell command: ", "    input: ")))

    commands = planned()
    assert len(commands) > 50 and commands == planned("-s", "workflow/Snakefile")
    assert {name.rpartition("/")[0] for name in programs("\n".join(commands))} == {"scripts"}


def test_the_catalog_lists_it():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"]["conda"] is True and usage["report"] is True
    assert (ROOT / "config" / "README.md").is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme


def test_a_session_is_measured_in_a_project(ready, project):
    for shared in READY:
        (project.folder / shared).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / shared).symlink_to(ROOT / shared)
    table = "results/small/tables/summary.parquet"
    project.module().run("--cores", "1", table)
    facts = json.loads(
        (project.folder / "results/small/raw" / SESSION / "session.json").read_text()
    )
    (segment,) = facts["segments"]
    head = ["git", "rev-parse", "HEAD"]
    assert segment["code"]["commit"] == subprocess.check_output(head, cwd=ROOT, text=True).strip()
    assert (project.folder / table).is_file()
    assert "Nothing to be done" in project.run("--cores", "1", table)
