"""The measured loop of a session, over a runtime that only notes what is asked of it."""

import argparse
import json
import types

import numpy as np
import pytest

import infer
from runtimes import RuntimeUnavailableError
from runtimes.base import Settings
from runtimes.network import PARITY_BATCHES


class Noting:
    """An asynchronous runtime; `log` is what was called, in order."""

    def __init__(self, fails_at=None):
        self.facts = {}
        self.log = []
        self._fails_at = fails_at

    def stage(self, inputs):
        return len(inputs["x"])

    def run(self, staged):
        if staged == self._fails_at:
            raise MemoryError("out of memory")
        self.log.append("run")
        return np.zeros((staged, 1), np.float32)

    def wait(self):
        self.log.append("wait")

    def fetch(self, output):
        return output


@pytest.fixture
def bench(tmp_path):
    facts = {
        "name": "n",
        "family": "resnet",
        "config": {},
        "inputs": {"x": {"shape": [2], "dtype": "float32"}},
        "output": "y",
        "parameters": 1,
        "sha256": "0",
    }
    (tmp_path / "network.json").write_text(json.dumps(facts))
    arrays = {}
    for batch in PARITY_BATCHES:
        arrays |= {f"{batch}:x": np.ones((batch, 2)), f"{batch}:output": np.ones((batch, 1))}
    np.savez(tmp_path / "reference.npz", **arrays)
    spec = {
        "title": "Noting",
        "provider": "cpu",
        "batch_sizes": [1, 64],
        "seed": 0,
        "window_s": 0.02,
        "warmup_s": 0,
        "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0, "cooldown": None},
        "metering": {"idle_s": 0},
        "device_tolerance": 1e-3,
    }
    files = argparse.Namespace(network=tmp_path / "network.json", onnx=None)
    progress = types.SimpleNamespace(say=lambda text: None)

    def make(executable):
        module = types.SimpleNamespace(SOURCE="network", load=lambda *_: executable)
        return infer.Bench(spec, files, module, Settings(), progress)

    return make


def test_the_device_is_idle_at_both_edges_of_a_window(bench):
    noting = Noting()
    made = bench(noting)
    made.meet_shapes()
    made.prepare()
    noting.log.clear()
    made.inferences[1] = 5
    made._timed(1, 5)
    assert noting.log == ["wait", *["run"] * 5, "wait"]


def test_a_window_is_filled_however_fast_the_runtime_becomes(bench):
    made = bench(Noting())
    made.meet_shapes()
    made.prepare()
    made.inferences[64] = 1
    window = made.window(64, 3)
    assert window["end_ns"] - window["start_ns"] >= 0.02e9
    assert window["inferences"] == made.inferences[64] > 1
    assert (window["inference"], window["kind"]) == ("b64:3", "inference")


def test_what_fails_at_a_measured_batch_size_is_one_line_before_anything_is_measured(bench):
    made = bench(Noting(fails_at=64))
    with pytest.raises(RuntimeUnavailableError, match="batch 64 failed: MemoryError: out of"):
        made.meet_shapes()


def test_outputs_that_differ_on_the_device_fail_the_gate(bench):
    verdict = bench(Noting()).parity()
    assert not verdict["passed"] and verdict["relative_error"] == [1.0, 1.0]


def test_every_batch_size_comes_once_in_each_repetition_in_an_order_from_the_seed():
    spec = {"seed": 1, "session": "s", "batch_sizes": [1, 8, 64], "repetitions": 6}
    order = infer.plan(spec)
    for repetition in range(6):
        block = order[3 * repetition : 3 * repetition + 3]
        assert sorted(block) == [(1, repetition), (8, repetition), (64, repetition)]
    assert len({tuple(b for b, _ in order[i : i + 3]) for i in range(0, 18, 3)}) > 1
    assert order == infer.plan(spec) != infer.plan(spec | {"seed": 2})
