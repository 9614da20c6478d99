"""The measured loop of a session, over a runtime that only notes what is asked of it."""

import json
import time
import types

import numpy as np
import pytest

from runtimes import RuntimeUnavailableError
from runtimes.agenda import Block, order_blocks
from runtimes.base import Settings
from runtimes.bench import Bench
from runtimes.network import PARITY_BATCHES
from runtimes.session import Files, Runtimes
from runtimes.specification import RuntimesSpecification
from session.loop import Session
from session.specification import parse


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


def specified(document):
    return parse(RuntimesSpecification, document, "test")


def plan(document, **changes):
    found = order_blocks(specified(document | changes))
    return [(block.batch, block.repetition) for block in found]


@pytest.fixture
def bench(document, tmp_path):
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

    def make(executable):
        module = types.SimpleNamespace(SOURCE="network", load=lambda *_: executable)
        network = tmp_path / "network.json"
        return Bench(specified(document), network, None, module, Settings(), print)

    return make


def test_the_device_is_idle_at_both_edges_of_a_window(bench):
    noting = Noting()
    made = bench(noting)
    made.meet_shapes()
    made.prepare(print)
    noting.log.clear()
    made.inferences[1] = 5
    made._timed(1, 5)
    assert noting.log == ["wait", *["run"] * 5, "wait"]


def test_a_window_is_filled_however_fast_the_runtime_becomes(bench):
    made = bench(Noting())
    made.meet_shapes()
    made.prepare(print)
    made.inferences[64] = 1
    (window,) = made.measure(Block(64, 3))
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


def test_every_batch_size_comes_once_in_each_repetition_in_an_order_from_the_seed(document):
    document |= {"seed": 1, "session": "s", "batch_sizes": [1, 8, 64], "repetitions": 6}
    order = plan(document)
    for repetition in range(6):
        block = order[3 * repetition : 3 * repetition + 3]
        assert sorted(block) == [(1, repetition), (8, repetition), (64, repetition)]
    assert len({tuple(b for b, _ in order[i : i + 3]) for i in range(0, 18, 3)}) > 1
    assert order == plan(document) != plan(document, seed=2)


def test_the_order_of_a_fixed_number_is_what_it_has_always_been(document):
    document |= {"seed": 1, "session": "s", "batch_sizes": [1, 8, 64], "repetitions": 3}
    assert plan(document) == [
        *[(8, 0), (1, 0), (64, 0)],
        *[(1, 1), (8, 1), (64, 1)],
        *[(64, 2), (8, 2), (1, 2)],
    ]
    width = WIDTH | {"within": 0.02, "at_most": 3}
    assert plan(document, repetitions=width) == plan(document)


class Busy(Noting):
    """A runtime that works for two milliseconds an inference and is right."""

    def run(self, staged):
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        return np.ones((staged, 1), np.float32)


WIDTH = {"at_least": 2, "at_most": 4, "confidence": 0.95, "resolve_periods": 2}


@pytest.fixture
def session(document, tmp_path, bench):
    """Measures a whole session of a runtime that is busy; gives the folder of its raw data."""
    (tmp_path / "conversion.json").write_text(
        json.dumps(
            {
                "model": "n",
                "title": "Noting",
                "parity": {"batch_sizes": [1], "relative_error": [0.0]},
            }
        )
    )

    def make(**changes):
        given = document | {
            "batch_sizes": [1, 8],
            "window_s": 0.4,
            "metering": document["metering"] | {"idle_s": 0.3},
            **changes,
        }
        files = Files(tmp_path / "network.json", tmp_path / "conversion.json", None, None)
        module = types.SimpleNamespace(
            SOURCE="network",
            PROVIDERS=(),
            TITLE="Noting",
            unavailable=lambda settings: None,
            load=lambda *_: Busy(),
        )
        spec = specified(given)
        study = Runtimes(spec, files, module, Settings(), {})
        Session(study, spec, given, tmp_path / "partial", tmp_path / "raw").run()
        return tmp_path / "raw"

    return make


def windows_of(raw):
    return [json.loads(line) for line in (raw / "windows.jsonl").read_text().splitlines()]


def test_steady_cells_end_early_and_their_raw_data_say_why(session):
    # Whatever the machine does, two windows are within ten times their mean.
    raw = session(repetitions=WIDTH | {"within": 10.0})
    facts = json.loads((raw / "session.json").read_text())
    names = [w["inference"] for w in windows_of(raw) if w["kind"] == "inference"]
    assert sorted(names) == ["b1:0", "b1:1", "b8:0", "b8:1"]
    for cell in ("b1", "b8"):
        assert facts["stopped"][cell]["why"] == "narrow enough"
        assert facts["stopped"][cell]["windows"] == facts["stopped"][cell]["with_energy"] == 2
    (segment,) = facts["segments"]
    first_ns = min(w["start_ns"] for w in windows_of(raw) if w["kind"] == "inference")
    assert segment["first_window_s"] * 1e9 == first_ns - segment["process_start_ns"] > 0


def test_noisy_cells_end_at_the_cap_and_a_killed_session_goes_on(session, monkeypatch, capsys):
    measured, measure = [], Bench.measure

    def killed(self, item):
        if len(measured) == 5:
            raise KeyboardInterrupt
        measured.append(item)
        return measure(self, item)

    asked = WIDTH | {"within": 1e-9}
    monkeypatch.setattr(Bench, "measure", killed)
    with pytest.raises(KeyboardInterrupt):
        session(repetitions=asked)
    # The last one may end after the last sample: it is measured again.
    monkeypatch.setattr(Bench, "measure", measure)
    raw = session(repetitions=asked)
    facts = json.loads((raw / "session.json").read_text())
    names = [w["inference"] for w in windows_of(raw) if w["kind"] == "inference"]
    assert sorted(names) == sorted(f"b{b}:{n}" for b in (1, 8) for n in range(4))
    assert [int(name[-1]) for name in names] == sorted(int(name[-1]) for name in names)
    assert all(v["why"].startswith("at most so many") for v in facts["stopped"].values())
    assert len(facts["segments"]) == 2 and all(s["first_window_s"] for s in facts["segments"])
    assert capsys.readouterr().err.count("of its mean and not 0.0%: at most so many") == 2


def test_windows_too_short_for_their_meter_go_to_the_cap_and_it_says_so(session, capsys):
    asked = WIDTH | {"within": 10.0, "resolve_periods": 1000}
    facts = json.loads((session(repetitions=asked) / "session.json").read_text())
    assert {v["windows"] for v in facts["stopped"].values()} == {4}
    assert {v["with_energy"] for v in facts["stopped"].values()} == {0}
    assert "b1: 4 windows and no interval: at most so many; 4 without an energy" in (
        capsys.readouterr().err
    )


def test_a_session_is_prepared_as_asked_and_says_what_it_cannot(session, capsys):
    protocol = {
        "stable_within": 1e-9,
        "warmup_max_s": 1.6,
        "settle_s": 0.05,
        "cooldown": {"within_c": 3, "max_s": 1},
    }
    raw = session(repetitions=1, protocol=protocol)
    kinds = [w["kind"] for w in windows_of(raw)]
    rest = ["settle", "idle"]
    assert kinds == ["warmup", "warmup", *rest, "inference", "inference", *rest]
    for warm in windows_of(raw)[:2]:
        assert warm["stable"] is False and warm["rates_per_s"]
        # Two milliseconds an inference.
        assert all(0 < rate < 501 for rate in warm["rates_per_s"])
    said = capsys.readouterr().err
    assert said.count("did not settle within 0.0%") == 2
    assert said.count("no cool-down between blocks") == 1
    assert json.loads((raw / "session.json").read_text())["stopped"] == {}
