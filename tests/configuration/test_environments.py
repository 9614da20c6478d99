"""Which environment each kind of session, model and framework needs, and its interpreter."""

import json
import shlex
from pathlib import Path

import pytest

from configuration import Session
from configuration.load import Experiment
from configuration.pins import SET, UNSET, pins_digest
from configuration.runtimes import RuntimeSession
from configuration.software import (
    Software,
    framework_environment,
    model_environment,
    session_environment,
)
from configuration.studies import Surroundings
from runtimes.base import backend_names, load_backend

ENCODER = {"source": "init", "architecture": {"model_type": "bert"}, "task": "feature-extraction"}
EXPERIMENT = Experiment(
    config={},
    models={
        "bert": ENCODER,
        "graph": {"source": "onnx"},
        "mine": {"source": "torch", "factory": "net"},
    },
    sessions={},
    around=Surroundings(
        backends={name: load_backend(name) for name in backend_names()},
        environments={
            *("analysis", "pytorch", "mxnet", "mxnet-cuda", "tensorflow"),
            *("onnxruntime", "onnxruntime-cuda", "onnxruntime-openvino"),
        },
        gpus=0,
    ),
)


@pytest.mark.parametrize(
    ("model", "system", "origin", "provider", "environment"),
    [
        ("bert", "pytorch", None, "cpu", "pytorch"),
        ("bert", "mxnet", None, "cpu", "mxnet"),
        ("bert", "mxnet", None, "cuda", "mxnet-cuda"),
        ("bert", "tensorflow", None, "cuda", "tensorflow"),
        ("bert", "onnxruntime", "mxnet", "cpu", "onnxruntime"),
        ("bert", "onnxruntime", "pytorch", "cuda", "onnxruntime-cuda"),
        ("bert", "onnxruntime", "pytorch", "tensorrt", "onnxruntime-cuda"),
        ("bert", "onnxruntime", "pytorch", "openvino", "onnxruntime-openvino"),
        ("graph", "onnxruntime", "file", "cpu", "onnxruntime"),
        # What cannot build the network needs nothing to say so.
        ("mine", "mxnet", None, "cpu", "pytorch"),
        ("mine", "onnxruntime", "tensorflow", "cuda", "pytorch"),
    ],
)
def test_of_a_session_of_runtimes(model, system, origin, provider, environment):
    session = RuntimeSession(model, system, origin, provider, 1)
    assert session_environment(session, EXPERIMENT) == environment


def test_of_a_session_of_phases_a_model_and_a_framework():
    assert session_environment(Session("bert", "sweep", 1), EXPERIMENT) == "pytorch"
    assert model_environment("bert", EXPERIMENT) == "pytorch"
    assert model_environment("graph", EXPERIMENT) == "onnxruntime"
    # It converts on the processor, whatever is measured.
    assert framework_environment("bert", "mxnet", EXPERIMENT) == "mxnet"
    assert framework_environment("mine", "mxnet", EXPERIMENT) == "pytorch"
    assert framework_environment("graph", "file", EXPERIMENT) == "onnxruntime"


def software(conda=False, **config):
    return Software({"software": "venv", "host_python": "python3", **config}, conda=conda)


def test_a_virtual_environment_is_asked_for_and_runs_clean():
    assert software().ready_files({"pytorch", "analysis"}) == [
        ".software/analysis/ready.json",
        ".software/pytorch/ready.json",
    ]
    words = shlex.split(software().interpreter("mxnet"))
    assert (words[0], words[-1]) == ("env", ".software/mxnet/venv/bin/python")
    assert {"PYTHONPATH", "PYTHONHOME"} <= set(UNSET) <= set(words)
    assert {f"{name}={value}" for name, value in SET.items()} <= set(words)


def test_conda_has_an_interpreter_of_its_own():
    assert software(conda=True).ready_files(["pytorch"]) == []
    assert software(conda=True).interpreter("pytorch").split()[-1] == "python"
    # It wins over the host's.
    assert software(conda=True, software="host").interpreter("pytorch").split()[-1] == "python"


def test_the_hosts_interpreter_is_one_word(monkeypatch):
    monkeypatch.setenv("HERE", "/a folder")
    host = software(software="host", host_python="$HERE/python")
    assert host.ready_files(["pytorch"]) == []
    assert shlex.split(host.interpreter("pytorch")) == ["/a folder/python"]


def test_an_environment_is_made_of_the_pins_that_it_has(tmp_path):
    spec = tmp_path / "tiny.yaml"
    spec.write_text("dependencies: [python =3.11, pip, {pip: [six==1.0]}]\n")
    made = Software({"software": "venv"}, conda=False, folder=tmp_path)
    assert not made.is_made(spec)
    python = tmp_path / "tiny" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(Path("/bin/sh"))
    (tmp_path / "tiny" / "ready.json").write_text(json.dumps({"pins_sha256": pins_digest(spec)}))
    assert made.is_made(spec)
    spec.write_text("dependencies: [python =3.11, pip, {pip: [six==2.0]}]\n")
    assert not made.is_made(spec)
