"""Wrong configurations given to the real workflow: refused before the first job."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

# Snakemake starts for each.
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def dry_run():
    """Runs `snakemake -n` in a campaign of its own; gives the exit status and the output."""
    campaign = f"test-{uuid.uuid4().hex[:12]}"
    results = ROOT / "results" / campaign

    def run(*settings, options=("-n",), **environ):
        command = [sys.executable, "-m", "snakemake", *options]
        done = subprocess.run(
            [*command, "--config", f"campaign={campaign}", *settings],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout

    run.campaign = campaign
    yield run
    assert not results.exists()


def refused(status, output, line):
    assert status != 0
    assert "Traceback" not in output
    assert line in output.splitlines(), output


KEYS = (
    "allowed here: analysis, campaign, device, host_python, metering, meters, models_file,"
    " models_folder, phases, protocol, runtimes, seed,"
)


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        (
            "devise=cpu",
            "configuration: unknown key 'devise'; did you mean 'device'?"
            f" ({KEYS} software, studies)",
        ),
        (
            "rounds=2",
            "configuration: unknown key 'rounds'; 'rounds' belongs inside 'runtimes' or inside"
            f" 'phases' ({KEYS} software, studies)",
        ),
        ("seed=-1", "configuration: seed: -1 must be at least 0"),
        ("seed=x", "configuration: seed: 'x' is not a whole number"),
        (
            "device=gpu",
            "configuration: device: 'gpu' is not allowed"
            " (allowed: auto, cpu, cuda, or cuda:N with the GPU's number)",
        ),
        (
            "software=docker",
            "configuration: software: 'docker' is not allowed (allowed: venv, host)",
        ),
        (
            "phases={workloads: [humaneval]}",
            "configuration: phases.workloads.0: 'humaneval' is not allowed;"
            " did you mean 'humaneval-cot'? (allowed: humaneval-0shot, humaneval-2shot,"
            " humaneval-cot, longbench-cu, longbench-cu-long, longcode, longcode-long, sweep)",
        ),
        ("phases={rounds: -3}", "configuration: phases.rounds: -3 must be at least 1"),
        ("phases={models: []}", "configuration: phases.models: must not be empty"),
        ("models_file=no/such.yaml", "models_file: there is no file 'no/such.yaml'"),
        (
            "phases={longbench: {folder: no/such}}",
            "phases.longbench.folder: there is no folder 'no/such'",
        ),
        (
            "phases={replay: {campaign: nowhere, model: smollm2-135m-instruct}}",
            "phases.replay: there is no finished session"
            " results/nowhere/raw/smollm2-135m-instruct__humaneval-0shot__r1; measure that campaign"
            " first",
        ),
        ("models_folder=no/such", "models_folder: there is no folder 'no/such'"),
    ],
)
def test_a_setting_on_the_command_line(dry_run, setting, line):
    refused(*dry_run(setting), line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "phases:\n",
            "configuration: phases: nothing stands there; give it a value, or leave the key out",
        ),
        (
            "phases: {tasks: [HumanEval/0, HumanEval/0]}",
            "configuration: phases.tasks: 'HumanEval/0' stands there twice; name each once",
        ),
        (
            "phases: {suppression: {unit: word}}",
            "configuration: phases.suppression.unit: 'word' is not allowed"
            " (allowed: token, line, function)",
        ),
        ("", "Config file must be given as JSON or YAML with keys at top level."),
    ],
)
def test_a_file_of_ones_own(dry_run, tmp_path, text, line):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    refused(*dry_run(options=["-n", "--configfile", str(file)]), line)


def test_names_are_looked_up_in_the_registry(dry_run, tmp_path):
    registry = tmp_path / "models.yaml"
    entry = "{source: folder, licence: MIT, path: /nowhere}"
    registry.write_text(f"small: {entry}\nlarge: {entry}\n")
    phases = ("studies=[phases]", "phases={models: [smal]}")
    status, output = dry_run(f"models_file={registry}", *phases)
    refused(
        status,
        output,
        f"phases.models ({registry}): no model 'smal'; did you mean 'small'?"
        " (there are: small, large)",
    )


def test_a_task_that_does_not_exist(dry_run):
    status, output = dry_run("phases={tasks: [HumanEval/164]}")
    assert status != 0
    assert "phases.tasks (humaneval-0shot): no task 'HumanEval/164'; did you mean" in output


@pytest.mark.parametrize("name", ["foo", "a__b__r1"])
def test_a_file_of_a_session_that_is_none(dry_run, name):
    wanted = f"results/{dry_run.campaign}/scores/{name}.json"
    line = f"campaign '{dry_run.campaign}': no session '{name}' is planned, and none was measured"
    refused(*dry_run(options=("-n", wanted)), line)


def test_a_seeded_twin_is_planned_and_a_copy_of_the_hub_is_taken(dry_run, tmp_path):
    (tmp_path / "Qwen" / "Qwen3-4B").mkdir(parents=True)
    phases = "phases={models: [qwen3-4b, qwen2.5-coder-7b-init], conditions: [baseline]}"
    status, output = dry_run(
        "device=cpu", f"models_folder={tmp_path}", "studies=[phases]", phases, options=["-n", "-p"]
    )
    assert status == 0, output
    assert f'"path": "{tmp_path}/Qwen/Qwen3-4B"' in output
    assert "resources/models/qwen2.5-coder-7b-init/model.json" in output


def test_a_registry_that_is_no_yaml(dry_run, tmp_path):
    registry = tmp_path / "models.yaml"
    registry.write_text("small: [\n")
    status, output = dry_run(f"models_file={registry}")
    assert status != 0 and "Traceback" not in output
    assert str(registry) in output


def test_a_plan_for_a_gpu_is_made_without_one_and_a_run_is_refused(dry_run):
    # Where there is none, that is what the line says.
    settings = ("device=cuda", "studies=[phases]")
    status, output = dry_run(*settings, CUDA_VISIBLE_DEVICES="")
    assert status == 0, output
    assert "phases_session" in output
    status, output = dry_run(*settings, options=("--nolock",), CUDA_VISIBLE_DEVICES="")
    assert status != 0 and "Traceback" not in output
    lines = [line for line in output.splitlines() if line.startswith("device: ")]
    assert len(lines) == 1 and "'cuda' is asked for, but this machine shows " in lines[0]
    assert "(allowed here: auto, cpu)" in lines[0]
    assert "localrule" not in output


def test_the_shipped_configuration_is_planned(dry_run):
    status, output = dry_run("device=cpu")
    assert status == 0, output
    assert "__humaneval-0shot__r1/session.json" in output
