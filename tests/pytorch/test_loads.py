"""The session of the study of the meters, for real, on the processor."""

import json
import sys

import pytest

import loads.session
import measure_meters
from loads.plan import plan_windows
from loads.specification import MetersSpecification
from metering.trace import read_trace
from session.specification import parse

SPEC = {
    "session": "meters",
    "device": "cpu",
    "seed": 1,
    "loads": ["steady", "bursty", "decode", "prefill-decode"],
    "window_s": [0.02, 0.1, 0.25],
    "seconds_each": 0.5,
    "most": 2,
    "tools": "none",
    "metering": {"period_s": 0.05, "cpu_rated_power_w": None, "idle_s": 0.3, "wall": None},
    "protocol": {"stable_within": None, "warmup_max_s": 1, "settle_s": 0.1, "cooldown": None},
}


def plan(tools):
    return plan_windows(parse(MetersSpecification, SPEC, "test"), tools)


@pytest.fixture
def measure(monkeypatch, tmp_path):
    monkeypatch.setattr(loads.session, "WARMUP_S", 0.3)

    def run(spec):
        out = tmp_path / "meters"
        arguments = ["--spec", json.dumps(spec), "--out", out, "--partial", tmp_path / "partial"]
        monkeypatch.setattr(sys, "argv", ["measure_meters.py", *map(str, arguments)])
        measure_meters.main()
        return out

    return run


def test_every_planned_window_is_measured_with_its_work(measure):
    out = measure(SPEC)
    facts = json.loads((out / "session.json").read_text())
    windows = [json.loads(line) for line in (out / "windows.jsonl").read_text().splitlines()]
    loads = [window for window in windows if window["kind"] == "load"]
    assert {window["load"] for window in loads} == {w.name for w in plan([])}
    assert facts["study"] == "metering" and facts["sampler"]["samples"] > 0
    assert facts["segments"][0]["tools"] == {}
    for window in loads:
        assert window["lead_ns"] < window["start_ns"] < window["end_ns"]
        assert window["units"] >= 1 and window["tool_j"] is None
        if window["what"] == "prefill-decode":
            assert len(window["starts_ns"]) == window["units"]
    kinds = [window["kind"] for window in windows[:3]]
    assert kinds == ["warmup", "settle", "idle"]
    assert [window["kind"] for window in windows[-2:]] == ["settle", "idle"]
    last = max(sample.t_ns for sample in read_trace(out / "trace.csv"))
    assert last > loads[-1]["end_ns"]


def test_the_plan_is_seeded_and_gives_other_tools_windows_of_their_own():
    plain, again = plan([]), plan([])
    assert plain == again and len(set(plain)) == len(plain)
    # No window is shorter than a unit of its load.
    assert {w.length_s for w in plain if w.load == "bursty"} == {0.1, 0.25}
    both = plan(["zeus"])
    assert {w.tool for w in both} == {"none", "zeus"}
    assert {w for w in both if w.tool == "none"} == set(plain)


def test_a_gpu_that_is_asked_for_and_not_there_is_one_line(measure):
    with pytest.raises(SystemExit, match="sees no GPU"):
        measure({**SPEC, "device": "cuda"})
