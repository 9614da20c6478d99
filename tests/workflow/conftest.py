"""Throw-away copies of the project, so that runs of the workflow touch nothing of the user's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOFTWARE = [".software/pytorch/ready.json", ".software/analysis/ready.json"]
RESOURCES = [
    "resources/models/smollm2-135m-instruct/model.json",
    "resources/workloads/humaneval-0shot.jsonl",
]
# Two tasks, one that the model solves in six tokens and one that it does not solve.
CONFIG = """
campaign: small
device: cpu
metering: {idle_s: 0.5}
phases:
  tasks: [HumanEval/23, HumanEval/0]
  max_new_tokens: 40
  threads: 1
  warmup_s: 0
analysis: {resamples: 200}
"""
SESSION = "smollm2-135m-instruct__humaneval-0shot__r1"


class Clone:
    """A copy of the project's files; software and weights are shared with the original."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file() and not name.startswith("results/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for shared in (".software", "resources"):
            (folder / shared).symlink_to(ROOT / shared)
        self.config = folder / "small.yaml"
        self.config.write_text(CONFIG)
        self.raw = folder / "results/small/raw" / SESSION

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--cores", "1", *arguments),
            *("--configfile", "config/config.yaml", str(self.config)),
        ]

    def run(self, *arguments: str, check: bool = True, env: dict | None = None) -> str:
        """Runs snakemake and gives its output."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen:
        """Starts snakemake at the head of a process group of its own, as a terminal does."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def ready():
    """Software and weights of the original, made once as a user makes them."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *SOFTWARE, *RESOURCES]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture
def clone(ready, tmp_path):
    return Clone(tmp_path)


@pytest.fixture(scope="module")
def measured(ready, tmp_path_factory):
    """A clone in which the small campaign has run."""
    clone = Clone(tmp_path_factory.mktemp("measured"))
    clone.output = clone.run()
    return clone
