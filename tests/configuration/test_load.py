"""A configuration is read, checked and planned as one; what it names must be there."""

import pytest

from configuration import ConfigurationError
from configuration.load import check_written, load_experiment

from .conftest import ROOT, load, written


def refusal(tmp_path, **keys):
    with pytest.raises(ConfigurationError) as caught:
        load_experiment(written(**keys), ROOT, tmp_path, gpus=0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_twins_and_sessions_are_there():
    experiment = load()
    assert experiment.config["seed"] == 20260205
    assert {"qwen2.5-coder-7b", "qwen2.5-coder-7b-init"} <= experiment.models.keys()
    assert {
        "pytorch",
        "onnxruntime",
    } <= experiment.around.backends.keys() & experiment.around.environments
    assert [len(experiment.sessions[study]) for study in ("runtimes", "phases")] == [4, 4]
    # As a user names it on the command line.
    assert load(seed="7").config["seed"] == 7


def test_a_study_that_is_not_asked_for_is_not_planned_and_not_refused():
    experiment = load(studies=["phases"], runtimes={"systems": ["nothing"]})
    assert experiment.sessions["runtimes"] == []


def test_copies_of_the_hub_are_taken(tmp_path):
    copy = tmp_path / load().models["qwen2.5-coder-7b"]["repo"]
    copy.mkdir(parents=True)
    models = load(models_folder=str(tmp_path)).models
    folders = {name: e["path"] for name, e in models.items() if e["source"] == "folder"}
    assert folders == {"qwen2.5-coder-7b": str(copy)}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"campaign": "doctor"}, "campaign: {results}/doctor is no campaign's; choose another"),
        ({"campaign": "a-file"}, "campaign: {results}/a-file is no campaign's; choose another"),
        ({"runtimes": {"systems": ["pytorhc"]}}, "runtimes.systems (scripts/runtimes/backends/)"),
        ({"models_folder": "no/such"}, "models_folder: there is no folder 'no/such'"),
        ({"models_file": "no/such.yaml"}, "models_file: there is no file 'no/such.yaml'"),
        (
            {"software": "host", "host_python": "no-such-python"},
            "host_python: there is no program 'no-such-python'",
        ),
        (
            {"phases": {"longbench": {"folder": "no/such"}}},
            "phases.longbench.folder: there is no folder 'no/such'",
        ),
        ({"devise": "cpu"}, "configuration: unknown key 'devise'; did you mean 'device'?"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, keys, line):
    (tmp_path / "a-file").touch()
    assert refusal(tmp_path, **keys).startswith(line.format(results=tmp_path))


def test_a_program_of_the_host_matters_only_where_it_runs():
    assert load(host_python="no-such-python").config["software"] == "venv"


def test_what_is_set_twice_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\nseed: 2\n")
    with pytest.raises(ConfigurationError, match="the key 'seed' stands there twice"):
        check_written([file], [])
    file.write_text("seed: 1\n")
    check_written([file], ["-n", "--config", "seed=1", "device=cpu"])
    with pytest.raises(ConfigurationError, match="the key 'seed' stands there twice"):
        check_written([file], ["--config", "seed=1", "seed=2"])


def test_the_registry_may_stand_elsewhere(tmp_path):
    keys = written(models_file="config/models.yaml")
    found = load_experiment(keys, ROOT, tmp_path, gpus=0, registry=lambda path: ROOT / path)
    assert found.models.keys() == load().models.keys()
