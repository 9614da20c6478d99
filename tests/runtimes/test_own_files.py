"""ONNX files from elsewhere, through the programs that measure them."""

import json
import shutil
import subprocess

import pytest

# Small graphs of many kinds, made where onnx is.
MAKE = """
import sys
from pathlib import Path
import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as n

folder = Path(sys.argv[1])
random = np.random.default_rng(0)


def weight(name, *shape, dtype="float32"):
    return n.from_array(random.standard_normal(shape).astype(dtype), name)


def save(name, nodes, inputs, outputs, weights, **more):
    told = {"float": T.FLOAT, "half": T.FLOAT16, "int": T.INT64, "bool": T.BOOL, "text": T.STRING}
    value = lambda v: h.make_tensor_value_info(v[0], told[v[1]], v[2])
    graph = h.make_graph(nodes, name, [*map(value, inputs), *more.get("listed", [])],
        [*map(value, outputs)], weights)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], producer_name="elsewhere")
    model.ir_version = 8
    onnx.save(model, folder / f"{name}.onnx", save_as_external_data=more.get("external", False),
        location=f"{name}.bin", size_threshold=0)


node, gemm = h.make_node, [h.make_node("Gemm", ["x", "w"], ["y"])]
w = weight("w", 4, 3)
save("plain", gemm, [("x", "float", ["N", 4])], [("y", "float", ["N", 3])], [w])
save("beside", gemm, [("x", "float", ["N", 4])], [("y", "float", ["N", 3])], [w], external=True)
save("fixed", gemm, [("x", "float", [2, 4])], [("y", "float", [2, 3])], [w])
listed = h.make_tensor_value_info("w", T.FLOAT, [4, 3])
save("listed", gemm, [("x", "float", ["N", 4])], [("y", "float", ["N", 3])], [w], listed=[listed])
save("half", [node("Gemm", ["x", "w"], ["y"])], [("x", "half", ["N", 4])],
    [("y", "half", ["N", 3])], [weight("w", 4, 3, dtype="float16")])
# Tokens of a table, a mask, a number without a batch; a free length; three outputs.
save("text", [
    node("Gather", ["table", "ids"], ["rows"]),
    node("Cast", ["mask"], ["counted"], to=T.FLOAT),
    node("Unsqueeze", ["counted", "last"], ["column"]),
    node("Mul", ["rows", "column"], ["kept"]),
    node("Mul", ["kept", "scale"], ["scaled"]),
    node("ReduceMean", ["scaled"], ["mean"], axes=[1], keepdims=0),
    node("ArgMax", ["mean"], ["label"], axis=1, keepdims=0),
], [("ids", "int", ["N", "L"]), ("mask", "bool", ["N", "L"]), ("scale", "float", [1])],
    [("label", "int", ["N"]), ("mean", "float", ["N", 6]), ("scaled", "float", ["N", "L", 6])],
    [weight("table", 9, 6), n.from_array(np.array([-1]), "last")])
save("index", [node("Cast", ["i"], ["f"], to=T.FLOAT), node("Sqrt", ["f"], ["y"])],
    [("i", "int", ["N", 4])], [("y", "float", ["N", 4])], [])
save("words", [node("Identity", ["x"], ["y"])], [("x", "text", ["N"])], [("y", "text", ["N"])], [])
save("strange", [h.make_node("Frobnicate", ["x"], ["y"], domain="")],
    [("x", "float", ["N", 4])], [("y", "float", ["N", 4])], [])
(folder / "nonsense.onnx").write_bytes(b"no graph")
"""


@pytest.fixture(scope="module")
def graphs(onnxruntime_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    subprocess.run([onnxruntime_python, "-c", MAKE, folder], check=True, capture_output=True)
    return folder


def entry(graphs, name, **more):
    return {"source": "onnx", "path": str(graphs / f"{name}.onnx"), **more}


def test_a_file_is_measured_in_an_engine_and_absent_in_a_framework(chain, graphs):
    inputs = {"ids": {"shape": [5]}, "mask": {"shape": [5]}}
    chain.prepared(**entry(graphs, "text", inputs=inputs))
    network = chain.network
    assert network["inputs"] == {
        "ids": {"shape": [5], "dtype": "int64", "below": 9},
        "mask": {"shape": [5], "dtype": "bool"},
        "scale": {"shape": [1], "dtype": "float32", "batch": False},
    }
    assert network["output"] == "mean", "the first of floating point"
    assert network["against"] == "ONNX Runtime, not optimised"
    conversion, verified = chain.converted("file")
    assert max(verified["parity"]["relative_error"]) < 1e-6
    assert (conversion["export"]["exporter"], conversion["export"]["opset"]) == ("elsewhere", 17)
    chain.converted("pytorch")
    sessions = chain.sessions()
    assert sorted(sessions) == ["own__onnxruntime.file__cpu__r1", "own__pytorch__cpu__r1"]
    facts = chain.measured(sessions["own__onnxruntime.file__cpu__r1"])
    assert facts["excluded"] is None, facts
    assert [(p["pair"], p["against"], p["passed"]) for p in facts["parity"]] == [
        ("onnx", "ONNX Runtime, not optimised", True),
        ("device", "ONNX Runtime, not optimised", True),
    ]
    facts = chain.measured(sessions["own__pytorch__cpu__r1"])
    assert facts["excluded"]["stage"] == "absent" and "ONNX file" in facts["excluded"]["why"]


def test_weights_beside_a_file_go_with_it_and_a_fixed_batch_is_measured_alone(chain, graphs):
    chain.prepared(**entry(graphs, "beside"))
    ready = json.loads((chain.folder / "models/own/model.json").read_text())
    assert set(ready["sha256"]) == {"beside.onnx", "beside.bin"}
    _, verified = chain.converted("file")
    assert max(verified["parity"]["relative_error"]) < 1e-6

    chain.prepared(**entry(graphs, "fixed"))
    assert chain.network["batch"] == 2 and "its batch is fixed at 2" in chain.said
    chain.converted("file")
    session = chain.sessions(systems=["onnxruntime"])["own__onnxruntime.file__cpu__r1"]
    facts = chain.measured(session)
    assert facts["excluded"] is None and facts["left_out"] == {"1": "its batch is fixed at 2"}
    raw = (chain.folder / "raw" / session.name / "windows.jsonl").read_text().splitlines()
    batches = {w["batch"] for w in map(json.loads, raw) if w["kind"] == "inference"}
    assert batches == {2}
    shutil.rmtree(chain.folder / "raw")
    session = chain.sessions(batch_sizes=[1, 8])[session.name]
    facts = chain.measured(session)
    assert facts["excluded"] == {"stage": "batch", "why": "batch 1, 8: its batch is fixed at 2"}


@pytest.mark.parametrize(
    ("name", "note"),
    [("listed", "1 of its weights stand among its inputs"), ("half", "mostly float16")],
)
def test_what_a_reader_must_know_of_a_file_is_noted(chain, graphs, name, note):
    chain.prepared(**entry(graphs, name))
    assert note in chain.said and note in chain.network["notes"][0]
    conversion, verified = chain.converted("file")
    assert note in conversion["export"]["notes"]
    assert max(verified["parity"]["relative_error"]) < 1e-2


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("nothing", {}, ["there is no file", "nothing.onnx"]),
        ("nonsense", {}, ["nonsense.onnx is no ONNX file"]),
        ("plain", {"sha256": "0" * 64}, ["has sha256", "expected 000"]),
        ("text", {}, ["inputs.ids: its shape behind the batch is [?]", "shape: [...]"]),
        ("plain", {"inputs": {"x": {"shape": [5]}}}, ["behind the batch is [4], not [5]"]),
        ("plain", {"inputs": {"y": {"shape": [4]}}}, ["no 'y' (the file reads: x)"]),
        ("plain", {"inputs": {"x": {"dtype": "int64"}}}, ["reads float32, not int64"]),
        ("plain", {"output": "z"}, ["'z' is no tensor", "there are: y"]),
        ("index", {}, ["inputs.i: it holds int64; say which", "below"]),
        ("index", {"inputs": {"i": {"value": 0}}}, ["zero everywhere"]),
        ("words", {}, ["inputs.x: it reads", "cannot be drawn"]),
        ("strange", {}, ["Frobnicate"]),
    ],
)
def test_a_file_that_cannot_be_read_or_run_is_one_line(chain, graphs, name, more, words):
    done = chain.prepared(check=False, **entry(graphs, name, **more))
    line = done.stderr.splitlines()[-1]
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert line.startswith("error: ") and [w for w in words if w not in line] == [], line
    assert not (chain.folder / "networks").exists()
