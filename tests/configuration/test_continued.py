"""Models and tasks that an earlier version fetched are not fetched again where its campaign goes
on: that takes a network, and may take hours."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ENTRY = (
    '{"architecture": {"hidden_size": 32, "intermediate_size": 64, "model_type": "bert",'
    ' "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 100}, "licence": "none",'
    ' "prompt": "completion", "seed": 0, "sequence_length": 16, "source": "init",'
    ' "task": "feature-extraction"}'
)
CONFIG = """
campaign: continued
models_file: mine.yaml
device: cpu
software: host
studies: [runtimes]
runtimes: {models: [mine]}
"""
# By file, what Snakemake recorded of its rule: the command and the parameters.
MADE = {
    "resources/models/mine/model.json": (
        "{params.python} scripts/model.py --name {wildcards.model:q} --entry {params.entry:q}"
        " {params.tokenizer:q} --out {output.ready:q} 2>&1 | tee -i {log:q}",
        ["python3", ENTRY],
    ),
    "resources/workloads/humaneval.jsonl": (
        "{params.python} scripts/workload.py {wildcards.benchmark:q} --options {params.options:q}"
        " --out {output.tasks:q} 2>&1 | tee -i {log:q}",
        ["python3", "{}"],
    ),
}


@pytest.fixture
def project(tmp_path):
    """The workflow in a folder of its own, with a model that an earlier version has fetched."""
    for name in ("Snakefile", "rules", "scripts", "config", "envs", "report"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "config/config.yaml").write_text(CONFIG)
    (tmp_path / "mine.yaml").write_text(f"mine: {ENTRY}\n")
    for file, (command, params) in MADE.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}\n")
        record(tmp_path, file, command, params)
    return tmp_path


def record(project, file, command, params):
    """As Snakemake keeps it of a job that has ended."""
    folder = project / ".snakemake" / "metadata"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        **{"record_format_version": 6, "incomplete": False, "code": command, "input": []},
        "params": sorted(map(repr, params)),
    }
    (folder / base64.b64encode(file.encode()).decode()).write_text(json.dumps(facts))


def plan(project):
    """What a dry run says of the files."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", "-n", *MADE],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_an_earlier_version_fetched_is_not_fetched_again(project):
    assert "Nothing to be done" in plan(project)


@pytest.mark.parametrize("file", MADE)
def test_another_command_would_fetch_it_again(project, file):
    command, params = MADE[file]
    record(project, file, command + " ", params)
    assert "Code has changed" in plan(project)


def test_another_entry_is_fetched(project):
    (project / "mine.yaml").write_text("mine: " + ENTRY.replace('"seed": 0', '"seed": 1') + "\n")
    assert "Params have changed" in plan(project)
