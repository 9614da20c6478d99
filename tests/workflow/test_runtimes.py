"""The study of runtimes on three tiny networks: every framework, every export, to the page."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

from analysis.figures import on_page
from configuration.devices import nvidia_devices

FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "mxnet": "MXNet"}
MODELS = ("tiny-resnet", "tiny-mobilenet", "tiny-bert")
CELLS = [
    *FRAMEWORKS,
    *(f"onnxruntime.{framework}" for framework in FRAMEWORKS),
]


def planned(output):
    return set(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE))


def facts(clone, session):
    return json.loads((clone.results / "raw" / session / "session.json").read_text())


def windows(clone, session):
    lines = (clone.results / "raw" / session / "windows.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def table(clone, name):
    """A table's rows, read where pandas is."""
    program = (
        "import sys, pandas as pd;"
        f"print(pd.read_parquet('{clone.results}/tables/{name}.parquet').to_json(orient='records'))"
    )
    python = clone.folder / ".software/analysis/venv/bin/python"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", MODELS)
def test_every_framework_and_every_export_passes_the_gate(compared, model):
    pairs = [row for row in table(compared, "parity") if row["model"] == model]
    checked = {(row["pair"], row["subject"]): row for row in pairs}
    for title in FRAMEWORKS.values():
        for key in (("framework", title), ("onnx", f"ONNX Runtime from {title}")):
            assert checked[key]["passed"], checked[key]
            assert checked[key]["tolerance"] == 1e-5


@pytest.mark.parametrize("model", MODELS)
def test_every_cell_is_measured_at_every_batch_size(compared, model):
    rows = table(compared, "runtimes")
    found = {(r["model"], r["runtime"], r["batch"]) for r in rows if r["windows"]}
    for title in FRAMEWORKS.values():
        for runtime in (title, f"ONNX Runtime from {title}"):
            assert {(model, runtime, 1), (model, runtime, 2)} <= found


def test_what_is_not_there_is_listed_with_its_reason(compared):
    rows = table(compared, "excluded")
    assert any("CUDAExecutionProvider" in row["why"] for row in rows), rows
    assert all(row["why"] for row in rows)


def test_figures_and_page_are_there(compared):
    shown = set()
    for name in on_page("runtimes"):
        about = json.loads((compared.results / f"figures/{name}.json").read_text())
        for suffix, magic in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
            made = (compared.results / f"figures/{name}.{suffix}").read_bytes()
            assert made.startswith(magic) if about["left_out"] is None else not made, name
            shown |= {name} if made else set()
    drawn = ("energy", "engines", "correlation", "onnx", "parity")
    assert {f"runtimes-{name}" for name in drawn} <= shown
    # One provider is none against another: no picture, and why.
    assert "runtimes-providers" not in shown
    page = (compared.results / "runtimes.html").read_text()
    assert "left out, ONNX Runtime was measured on one provider only: CPU" in page
    assert "ONNX Runtime from MXNet" in page
    assert not list((compared.results / "partial").iterdir())


@pytest.mark.parametrize("cell", CELLS)
def test_windows_are_filled_in_random_blocks_of_all_batch_sizes(compared, cell):
    name = f"tiny-bert__{cell}__cpu__r1"
    inference = [w for w in windows(compared, name) if w["kind"] == "inference"]
    assert [w["repetition"] for w in inference] == [0, 0, 1, 1]
    for block in (inference[:2], inference[2:]):
        assert {w["batch"] for w in block} == {1, 2}
    for window in inference:
        seconds = (window["end_ns"] - window["start_ns"]) / 1e9
        assert window["inferences"] > 1 and seconds >= 0.2
        assert window["user_s"] + window["system_s"] > 0
        assert window["machine_busy_s"] >= 0
    kinds = [w["kind"] for w in windows(compared, name)]
    assert kinds[:3] == ["warmup", "warmup", "idle"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_session_says_with_what_it_measured(compared, cell):
    session = facts(compared, f"tiny-resnet__{cell}__cpu__r1")
    (segment,) = session["segments"]
    assert session["excluded"] is None and session["study"] == "runtimes"
    assert segment["device"] == "cpu" and segment["threads"] == 1
    assert segment["precision"] == "float32" and segment["layout"]
    assert segment["allocator"]["MALLOC_ARENA_MAX"] == "1"
    assert segment["environment"]["OMP_NUM_THREADS"] == "1"
    assert segment["framework"]["version"] in str(segment["software"]["packages"].values())
    assert {pair["pair"] for pair in session["parity"]} >= {"framework", "device"}
    assert all(max(pair["relative_error"]) < 1e-5 for pair in session["parity"])


def test_conversions_say_what_was_done_to_the_graph(compared):
    for framework in FRAMEWORKS:
        folder = compared.folder / "resources/networks/tiny-resnet" / framework
        export = json.loads((folder / "conversion.json").read_text())["export"]
        assert export["opset"] >= 13 and export["exporter"]
        assert export["initializers_among_inputs"] == 0
        optimised = json.loads((folder / "verified.json").read_text())["optimised"]
        assert "BatchNormalization" not in optimised["operators"]


def test_sessions_come_in_the_planned_order(compared):
    measured = re.findall(r"session=(\S+)\n\s+priority: (\d+)", compared.output)
    priorities = [int(priority) for _, priority in measured]
    assert len(priorities) == 18
    assert priorities == sorted(priorities, reverse=True)
    assert [name for name, _ in measured] != sorted(name for name, _ in measured)


def test_then_there_is_nothing_to_do(compared):
    assert "Nothing to be done" in compared.run("-n", "runtimes")


def test_raw_data_are_write_protected(compared):
    for file in (compared.results / "raw").rglob("*.*"):
        if file.is_file():
            assert not file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), file


def test_lost_networks_are_no_reason_to_measure_again(compared):
    resources = compared.folder / "resources"
    resources.rename(compared.folder / "lost")
    try:
        assert "runtime_session" not in planned(compared.run("-n", "runtimes"))
        assert "convert" not in planned(compared.run("-n", "analyse"))
    finally:
        (compared.folder / "lost").rename(resources)


def run_session(clone, folder, session, files, **changed):
    """The session's program as its rule calls it, with these files about its network."""
    spec = facts(clone, session)["spec"] | changed
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    python = clone.folder / f".software/{spec['system']}/venv/bin/python"
    return subprocess.run(
        [
            *(python, "scripts/measure_runtimes.py", "--spec", json.dumps(spec), *options),
            *("--out", folder / "out", "--partial", folder / "partial"),
        ],
        cwd=clone.folder,
        capture_output=True,
        text=True,
    )


def test_a_broken_weight_fails_the_gate_and_is_never_measured(compared, tmp_path):
    broken = tmp_path / "network"
    shutil.copytree(compared.folder / "resources/networks/tiny-resnet", broken)
    spoil = (
        "import sys, numpy as np; path = sys.argv[1]; w = dict(np.load(path));"
        "w['classifier.1.weight'][0, 0] += 1e-2; np.savez(path, **w)"
    )
    python = compared.folder / ".software/pytorch/venv/bin/python"
    subprocess.run([python, "-c", spoil, broken / "weights.npz"], check=True)
    made = {
        "onnx": broken / "model.onnx",
        "outputs": broken / "outputs.npz",
        "out": broken / "conversion.json",
    }
    options = [word for name, path in made.items() for word in (f"--{name}", path)]
    done = subprocess.run(
        [
            *(python, "scripts/convert.py", "--backend", "pytorch"),
            *("--network", broken / "network.json", *options),
        ],
        cwd=compared.folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    files = {"network": broken / "network.json", "conversion": broken / "conversion.json"}
    done = run_session(compared, tmp_path, "tiny-resnet__pytorch__cpu__r1", files)
    assert done.returncode == 0, done.stderr
    assert "excluded, parity: PyTorch against PyTorch: relative error" in done.stderr
    session = json.loads((tmp_path / "out/session.json").read_text())
    assert session["excluded"]["stage"] == "parity"
    assert max(session["parity"][0]["relative_error"]) > 1e-5
    assert session["segments"] == []
    assert (tmp_path / "out/windows.jsonl").read_text() == ""
    assert os.access(tmp_path / "out/session.json", os.W_OK)


def test_an_excluded_session_can_be_tried_again(compared):
    folder = compared.results / "raw/tiny-bert__mxnet__cpu__r1"
    kept = (folder / "session.json").read_text()
    changed = json.loads(kept) | {"excluded": {"stage": "parity", "why": "as a trial"}}
    folder.joinpath("session.json").chmod(0o644)
    folder.joinpath("session.json").write_text(json.dumps(changed))
    conversion = compared.folder / "resources/networks/tiny-bert/mxnet/conversion.json"
    try:
        # Snakemake goes by the content of a small file, so that a touch is no news.
        conversion.write_text(conversion.read_text() + "\n")
        assert "runtime_session" not in planned(compared.run("-n", "analyse"))
        assert "runtime_session" in planned(compared.run("-n", "runtimes"))
    finally:
        folder.joinpath("session.json").write_text(kept)
        folder.joinpath("session.json").chmod(0o444)


def test_a_provider_that_is_asked_for_by_name_and_not_there_is_an_error(compared, tmp_path):
    name = "tiny-bert__onnxruntime.pytorch__cpu__r1"
    folder = compared.folder / "resources/networks/tiny-bert"
    files = {
        "network": folder / "network.json",
        "conversion": folder / "pytorch/conversion.json",
        "verified": folder / "pytorch/verified.json",
        "onnx": folder / "pytorch/model.onnx",
    }
    named = run_session(compared, tmp_path, name, files, provider="tensorrt", providers="named")
    assert named.returncode != 0
    assert "has no TensorrtExecutionProvider" in named.stderr
    assert "Traceback" not in named.stderr
    assert not (tmp_path / "out").exists()
    auto = run_session(compared, tmp_path, name, files, provider="tensorrt", providers="auto")
    assert auto.returncode == 0, auto.stderr
    assert (
        json.loads((tmp_path / "out/session.json").read_text())["excluded"]["stage"] == "provider"
    )


def test_a_runtime_is_one_file_one_environment_and_one_line(compared, tmp_path):
    """ONNX Runtime under another name stands for the next engine."""
    root = compared.folder
    new = [root / "scripts/runtimes/backends/replica_2.py", root / "envs/replica_2.yaml"]
    source = (root / "scripts/runtimes/backends/onnxruntime.py").read_text()
    new[0].write_text(source.replace('TITLE = "ONNX Runtime"', 'TITLE = "Replica"'))
    shutil.copy2(root / "envs/onnxruntime.yaml", new[1])
    config = tmp_path / "replica.yaml"
    text = compared.config.read_text().replace("campaign: tiny", "campaign: replica")
    config.write_text(
        text.replace(
            "[tiny-resnet, tiny-mobilenet, tiny-bert]",
            "[tiny-bert]\n  onnx_from: [mxnet]\n  systems: [mxnet, replica_2]",
        )
    )
    before, compared.config = compared.config, config
    try:
        output = compared.run("-n", "results/replica/runtimes.html")
        assert "results/replica/raw/tiny-bert__replica_2.mxnet__cpu__r1/session.json" in output
        assert ".software/replica_2/ready.json" in output
        # The same software under the new name, so that the test need not install it again.
        python = str(root / ".software/onnxruntime/venv/bin/python")
        env = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
        done = subprocess.run(
            [
                *(python, "-c"),
                "import sys; sys.path.insert(0, 'scripts');"
                "from pathlib import Path; from runtimes.base import Settings, load_backend;"
                "m = load_backend('replica_2');"
                "x = m.load(Path('resources/networks/tiny-bert/mxnet/model.onnx'), Settings());"
                "print(x.facts['framework']['name'], x.run(x.stage(x.example())).shape)",
            ],
            cwd=root,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.stdout.split()[0] == "Replica", done.stderr
    finally:
        compared.config = before
        for file in new:
            file.unlink()


def study(clone, *options):
    command = clone.command(*options)
    command[-1] = "config/studies/runtimes.yaml"
    return subprocess.run(
        command, cwd=clone.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_the_design_of_the_study_plans(compared):
    done = study(compared, "-n", "runtimes")
    assert done.returncode == 0, done.stdout
    # Three models, three frameworks on CUDA, three exports on CUDA and on TensorRT, five rounds.
    assert re.search(r"^runtime_session\s+135$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.skipif(nvidia_devices() > 0, reason="this machine has a GPU")
def test_the_design_of_the_study_is_refused_where_there_is_no_gpu_before_any_job(compared):
    done = study(compared, "runtimes")
    line = "runtimes.providers: cuda and tensorrt asked for, but this machine shows no NVIDIA GPU"
    assert done.returncode != 0
    assert line in done.stdout
    assert "rule network" not in done.stdout.split("Job stats")[-1].split("total")[-1]
    assert not (compared.folder / "results/study-runtimes/raw").exists()
