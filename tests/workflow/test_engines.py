"""OpenVINO, JAX and ONNX Runtime's OpenVINO provider: tiny networks through the workflow, and a
graph of another shape through each engine."""

import json
import re
import subprocess

import pytest

MODELS = ("tiny-resnet", "tiny-mobilenet", "tiny-bert")
CELLS = {
    "jax__cpu": ("JAX", "jax"),
    "openvino.pytorch__cpu": ("OpenVINO", "openvino"),
    "onnxruntime.pytorch__cpu": ("ONNX Runtime", "onnxruntime"),
    "onnxruntime.pytorch__openvino": ("ONNX Runtime", "onnxruntime"),
}


def session(clone, model, cell):
    return json.loads((clone.results / f"raw/{model}__{cell}__r1/session.json").read_text())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("model", MODELS)
def test_each_is_measured_and_its_own_outputs_are_those_of_pytorch(engines, model, cell):
    facts = session(engines, model, cell)
    assert facts["excluded"] is None, facts["excluded"]
    pairs = {pair["pair"]: pair for pair in facts["parity"]}
    assert set(pairs) == {"framework", "device"} | ({"onnx"} if "." in cell else set())
    for pair in pairs.values():
        assert pair["passed"] and max(pair["relative_error"]) < 1e-5, pair
    assert pairs["device"]["where"] == cell.partition("__")[2]
    (segment,) = facts["segments"]
    assert segment["device"] == "cpu" and segment["precision"] == "float32"
    assert segment["threads"] == 1 and segment["layout"]
    title = CELLS[cell][0]
    assert segment["framework"]["name"] == title
    assert facts["spec"]["title"] == (title if title == "JAX" else f"{title} from PyTorch")


def test_openvino_says_back_what_it_was_told(engines):
    (segment,) = session(engines, "tiny-resnet", "openvino.pytorch__cpu")["segments"]
    told = segment["properties"]
    assert told["INFERENCE_PRECISION_HINT"] == "f32" and told["EXECUTION_MODE_HINT"] == "ACCURACY"
    assert told["NUM_STREAMS"] == told["INFERENCE_NUM_THREADS"] == 1
    assert told["ENABLE_CPU_PINNING"] is False
    # No node of a convolution network computes in less.
    assert not {"bf16", "f16"} & set(segment["node_precisions"])
    assert segment["node_precisions"]["f32"] > 0


def test_the_provider_computed_the_network_and_says_which_package_it_is(engines):
    (segment,) = session(engines, "tiny-resnet", "onnxruntime.pytorch__openvino")["segments"]
    assert set(segment["placement"]) == {"OpenVINOExecutionProvider"}
    assert segment["plugin"]["package"] == "onnxruntime-ep-openvino"
    options = segment["provider_options"]["OpenVINOExecutionProvider"]["load_config"]
    assert json.loads(options)["CPU"]["INFERENCE_PRECISION_HINT"] == "f32"
    (plain,) = session(engines, "tiny-resnet", "onnxruntime.pytorch__cpu")["segments"]
    assert set(plain["placement"]) == {"CPUExecutionProvider"} and plain["plugin"] is None


def test_every_engine_is_named_on_the_page(engines):
    page = (engines.results / "runtimes.html").read_text()
    for name in ("JAX", "OpenVINO from PyTorch", "ONNX Runtime from PyTorch"):
        assert name in page


def test_jax_has_no_export_and_that_is_told_before_any_job(engines, tmp_path):
    (tmp_path / "more.yaml").write_text("runtimes: {onnx_from: [pytorch, jax]}\n")
    command = [*engines.command("-n", "runtimes"), str(tmp_path / "more.yaml")]
    done = subprocess.run(command, cwd=engines.folder, capture_output=True, text=True)
    assert done.returncode != 0
    assert "runtimes.onnx_from: 'jax' has no export to ONNX" in done.stdout + done.stderr


def python(clone, environment, program, *arguments, env=None):
    return subprocess.run(
        [clone.folder / f".software/{environment}/venv/bin/python", "-c", program, *arguments],
        cwd=clone.folder,
        env=env,
        capture_output=True,
        text=True,
    )


# One thread more is one core more: what threads a process has and which of them computed.
WORKING = """
import json, os, sys, time
sys.path.insert(0, "scripts")
from pathlib import Path
from runtimes.base import Settings, environment, load_backend, must_restart
from runtimes.network import Network
name, threads, provider = sys.argv[1], int(sys.argv[2]), sys.argv[3]
module, settings = load_backend(name), Settings(provider=provider, threads=threads)
os.environ.update(environment(module, settings, "default"))
network = Network.read(Path("resources/networks/tiny-resnet/network.json"))
source = network if module.SOURCE == "network" else network.folder / "pytorch/model.onnx"
made = module.load(source, settings)
staged = made.stage(network.random_inputs(8, seed=0))
def spent():
    return {t: sum(map(int, Path(f"/proc/self/task/{t}/stat").read_text().rpartition(")")[2]
        .split()[11:13])) for t in os.listdir("/proc/self/task")}
made.run(staged), made.wait()
before, total = spent(), 0
while total < 100:  # ticks of ten milliseconds
    made.run(staged), made.wait()
    after = spent()
    each = sorted((after[t] - before.get(t, 0) for t in after), reverse=True)
    total = sum(each)
print(json.dumps(each))
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("name", "environment", "provider"),
    [
        ("jax", "jax", "cpu"),
        ("openvino", "openvino", "cpu"),
        ("onnxruntime", "onnxruntime-openvino", "openvino"),
    ],
)
def test_as_many_threads_compute_as_were_asked_for(engines, name, environment, provider, threads):
    done = python(engines, environment, WORKING, name, str(threads), provider)
    assert done.returncode == 0, done.stderr
    each = json.loads(done.stdout.splitlines()[-1])
    # A tick or two may go to a thread that only handed the work on.
    assert sum(each[:threads]) >= 0.95 * sum(each), each
    assert each[threads - 1] >= 0.1 * sum(each) / threads, each


GRAPH = """
import sys
import numpy as np, onnx
from onnx import TensorProto as T, helper as h, numpy_helper as n
image = h.make_tensor_value_info("image", T.FLOAT, ["batch", 6, 5, 3])
scale = h.make_tensor_value_info("scale", T.FLOAT, [1])
index = h.make_tensor_value_info("index", T.INT32, ["batch", 2])
outs = [h.make_tensor_value_info(name, T.FLOAT, None) for name in ("first", "second")]
table = n.from_array(np.arange(20, dtype=np.float32).reshape(10, 2), "table")
axes = n.from_array(np.array([1, 2], np.int64), "axes")
nodes = [
    h.make_node("Mul", ["image", "scale"], ["scaled"]),
    h.make_node("ReduceMean", ["scaled", "axes"], ["first"], keepdims=0),
    h.make_node("Gather", ["table", "index"], ["second"]),
]
graph = h.make_graph(nodes, "g", [image, scale, index], outs, [table, axes])
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=9), sys.argv[1])
"""
RUN = """
import json, sys
sys.path.insert(0, "scripts")
from pathlib import Path
import numpy as np
from runtimes.base import Settings, compute, load_backend
made = load_backend(sys.argv[1]).load(Path(sys.argv[2]), Settings(provider=sys.argv[3]))
for batch in (1, 3, 1):
    random = np.random.default_rng(batch)
    inputs = {
        "image": random.standard_normal((batch, 3, 6, 5)).astype("float32"),
        "scale": np.full(1, 2.5, "float32"),
        "index": random.integers(0, 10, (batch, 2)).astype("int32"),
    }
    staged = made.stage(inputs)
    once = compute(made, inputs)
    twice = made.fetch(made.run(staged)), made.fetch(made.run(staged))
    assert np.array_equal(*twice) and np.array_equal(once, twice[0])
    expected = 2.5 * inputs["image"].mean((2, 3))
    assert once.dtype == np.float32 and np.abs(once - expected).max() < 1e-6, (once, expected)
print("equal")
"""


@pytest.mark.parametrize(
    ("name", "environment", "provider"),
    [
        ("onnxruntime", "onnxruntime", "cpu"),
        ("openvino", "openvino", "cpu"),
        ("onnxruntime", "onnxruntime-openvino", "openvino"),
    ],
)
def test_a_graph_from_elsewhere_runs_alike(engines, tmp_path, name, environment, provider):
    """Channels last, an input without a batch, 32-bit indices, two outputs: the first compared."""
    path = str(tmp_path / "model.onnx")
    assert python(engines, "onnxruntime", GRAPH, path).returncode == 0
    done = python(engines, environment, RUN, name, path, provider)
    assert done.stdout.strip() == "equal", done.stderr


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_file_that_is_no_graph_is_one_line(engines, tmp_path, name):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    program = RUN.replace("for batch", "sys.exit('it was read')\nfor batch")
    done = python(engines, name, program, name, str(tmp_path / "model.onnx"), "cpu")
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("runtimes.RuntimeUnavailableError: ") and "model.onnx" in line, line


BROKEN_PLUGIN = """
def get_ep_names(): return ["WebGpuExecutionProvider"]
def get_library_path(): return "/nowhere/libplugin.so"
"""
ASK = """
import sys
sys.path.insert(0, "scripts")
from runtimes.base import Settings, load_backend
print(load_backend("onnxruntime").unavailable(Settings(provider=sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("environment", "provider", "why"),
    [
        ("onnxruntime", "cpu", "None"),
        ("onnxruntime", "openvino", r"this build .* has no OpenVINOExecutionProvider \(it has .*"),
        ("onnxruntime", "qnn", "this build .* has no QNNExecutionProvider .*"),
        ("onnxruntime", "webgpu", "onnxruntime-ep-webgpu is installed and cannot be loaded: .*"),
        ("onnxruntime-openvino", "openvino", "None"),
        ("onnxruntime-openvino", "cpu", "None"),
        ("onnxruntime-openvino", "xnnpack", "this build .* has no XnnpackExecutionProvider .*"),
    ],
)
def test_what_is_not_there_has_its_reason(engines, tmp_path, environment, provider, why):
    (tmp_path / "onnxruntime_ep_webgpu.py").write_text(BROKEN_PLUGIN)
    done = python(engines, environment, ASK, provider, env={"PYTHONPATH": str(tmp_path)})
    assert re.fullmatch(why, done.stdout.strip()), done.stdout + done.stderr
