"""The files that a session of each kind reads, and the user's own."""

import pytest

from configuration import ConfigurationError, Session
from configuration.files import (
    is_scored,
    model_file,
    network_files,
    own_files,
    scoring_file,
    tasks_file,
    tokenizer_file,
    verdict_files,
)
from configuration.runtimes import RuntimeSession

HERE = "resources/networks/m"


def test_of_a_session_of_phases():
    session = Session("m", "humaneval-2shot", 1)
    assert model_file(session.model) == "resources/models/m/model.json"
    assert tasks_file(session) == scoring_file(session) == "resources/workloads/humaneval.jsonl"
    compared = Session("m", "longbench-cu", 1)
    assert tasks_file(compared) == "resources/workloads/longbench.jsonl"
    assert scoring_file(compared) is None
    sweep = Session("m", "sweep", 1)
    assert tasks_file(sweep) == "resources/workloads/longcode.jsonl"
    assert scoring_file(sweep) is None
    assert (is_scored(session), is_scored(sweep)) == (True, False)


def test_of_a_framework_and_of_an_engine():
    framework = RuntimeSession("m", "pytorch", None, "cpu", 1)
    assert network_files(framework) == {
        "network": f"{HERE}/network.json",
        "conversion": f"{HERE}/pytorch/conversion.json",
    }
    engine = RuntimeSession("m", "onnxruntime", "jax", "cuda", 2)
    assert network_files(engine) == {
        "network": f"{HERE}/network.json",
        "conversion": f"{HERE}/jax/conversion.json",
        "verified": f"{HERE}/jax/verified.json",
        "onnx": f"{HERE}/jax/model.onnx",
    }
    assert not is_scored(engine)
    assert verdict_files([framework, engine, engine]) == [
        f"{HERE}/jax/conversion.json",
        f"{HERE}/jax/verified.json",
        f"{HERE}/pytorch/conversion.json",
    ]
    assert verdict_files([]) == []


def test_seeded_weights_borrow_a_tokenizer():
    assert tokenizer_file({"tokenizer": "lender"}) == "resources/models/lender/model.json"
    assert tokenizer_file({}) is None


def test_own_files_are_those_of_the_source(tmp_path):
    code, weights = tmp_path / "net.py", tmp_path / "net.pt"
    code.touch(), weights.touch()
    torch = {"source": "torch", "path": str(code), "weights": str(weights)}
    assert own_files("m", torch, "my.yaml") == [str(code), str(weights)]
    assert own_files("m", {"source": "torch", "path": None}, "my.yaml") == []
    # A change within a folder does not count, and a model of the hub has none.
    assert own_files("m", {"source": "folder", "path": str(tmp_path)}, "my.yaml") == []
    assert own_files("m", {"source": "hub", "path": "nowhere"}, "my.yaml") == []


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"source": "onnx", "path": "no/net.onnx"}, "path: there is no file 'no/net.onnx'"),
        ({"source": "folder", "path": "no/net"}, "path: there is no folder 'no/net'"),
        (
            {"source": "torch", "path": __file__, "weights": "no.pt"},
            "weights: there is no file 'no.pt'",
        ),
        (
            {"source": "onnx", "path": "$NOWHERE_AT_ALL/net.onnx"},
            "path: '$NOWHERE_AT_ALL/net.onnx' names the variable NOWHERE_AT_ALL, which is unset",
        ),
    ],
)
def test_an_own_file_that_is_not_there_is_refused(entry, line):
    with pytest.raises(ConfigurationError) as caught:
        own_files("m", entry, "my.yaml")
    assert str(caught.value) == f"my.yaml: m.{line}"
