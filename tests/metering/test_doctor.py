"""What the doctor says: examined meters, and the one screen."""

import json
import sys

import pytest

import doctor
from metering.examine import examined, resolved_s
from metering.meter import Reading

A = {"uuid": "GPU-aaaa", "name": "NVIDIA A10"}


def readings(quantity, values, unit, every_s=0.002):
    return [
        Reading(round(n * every_s * 1e9), "gpu:0", quantity, value, unit, "nvml")
        for n, value in enumerate(values)
    ]


def test_a_counter_s_period_step_power_and_lateness_are_found():
    # 150 W, moving every 100 ms, one move in five shown 10 ms late.
    def shown(t):
        moves = int(t / 0.1)
        late = 0.01 if moves % 5 == 0 else 0.0
        return 15_000 * (moves if t - moves * 0.1 >= late else moves - 1)

    found = examined(
        "gpu:0",
        "energy",
        readings("energy", [shown(n * 0.002) for n in range(2500)], "mJ"),
        None,
        0.0035,
        0.0035,
    )
    assert found.update_s == pytest.approx(0.1, abs=0.003)
    assert found.late_s == pytest.approx(0.01, abs=0.004)
    assert found.step == pytest.approx(15) and found.power_w == pytest.approx(150, rel=0.02)
    assert found.noise_w < 5 and found.samples == 2500


def test_a_counter_that_wraps_while_it_is_read_goes_on():
    values = [(999_000 + 100 * n) % 1_000_000 for n in range(2000)]
    found = examined("cpu", "energy", readings("energy", values, "uJ"), 1_000_000, 1e-5, 1e-5)
    assert found.power_w == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("values", [[], [7], [7] * 2000])
def test_what_does_not_move_has_no_period_and_no_power_instead_of_zero(values):
    found = examined("gpu:0", "energy", readings("energy", values, "mJ"), None, 1e-3, 1e-3)
    assert found.update_s is found.power_w is found.noise_w is found.step is None


def test_a_window_must_be_longer_for_a_slower_meter_and_a_closer_figure():
    assert resolved_s(0.1, 0.0, 0.01) == pytest.approx(4.08, abs=0.01)
    assert resolved_s(0.1, 0.0, 0.05) < resolved_s(0.1, 0.0, 0.01) > resolved_s(0.02, 0.0, 0.01)


@pytest.fixture
def ask(monkeypatch, capsys, tmp_path):
    """The doctor's answer as text and as JSON."""

    def run(*arguments):
        options = ["--seconds", "0.6", "--out", tmp_path / "doctor", *arguments]
        monkeypatch.setattr(sys, "argv", ["doctor.py", *map(str, options)])
        doctor.main()
        text = capsys.readouterr().out
        assert text == (tmp_path / "doctor.txt").read_text()
        lines = text.splitlines()
        assert len(lines) <= 28 and max(map(len, lines)) <= 100
        return text, json.loads((tmp_path / "doctor.json").read_text())

    return run


def test_a_machine_with_meters(ask, nvml, powercap):
    nvml({**A, "period_ms": 20, "sample_ms": 20, "processes": [999_999, 999_998]})
    powercap.zone("0", "package-0", 1234)
    text, found = ask("--powercap-root", powercap.root)
    by_domain = {record["domain"]: record for record in found["meters"]}
    gpu = by_domain["gpu:0"]
    assert gpu["quantities"][0]["update_s"] == pytest.approx(0.02, rel=0.3)
    assert gpu["shortest_s"] > 0 and "known to 5% from" in text and "to 1% from" in text
    assert "other process(es) on the GPU" in text
    # A counter that stands still has no windows, and says so.
    assert "none, the counter did not move" in text
    assert "wraps around every" in text and 0 < found["sampler"]["core_share"] < 1


def test_a_machine_without_meters_says_what_is_missing_and_what_to_do(ask, powercap, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    text, found = ask("--powercap-root", powercap.root)
    assert {lack["meter"] for lack in found["missing"]} == {"rapl", "nvml"}
    assert "do: on a bare-metal Intel or AMD machine" in text
    assert "an estimate follows how long the CPUs were busy" in text


def test_counters_that_only_root_may_read_are_a_permission_to_give(ask, powercap, monkeypatch):
    folder = powercap.zone("0", "package-0", 1234)
    (folder / "energy_uj").unlink()
    (folder / "energy_uj").mkdir()
    text, _ = ask("--powercap-root", powercap.root, "--want", "cpu")
    assert "missing   rapl: the counter of cpu:package-0" in text


def test_a_gpu_that_is_lost_while_it_is_read_is_a_finding(ask, nvml, powercap, monkeypatch):
    nvml(A)
    real = doctor.read_densely

    def lose(meter, seconds):
        if meter.domain.domain == "gpu:0":
            nvml({**A, "error": 15})
        return real(meter, seconds)

    monkeypatch.setattr(doctor, "read_densely", lose)
    monkeypatch.setattr(doctor, "_sampler", lambda args, want: None)
    text, found = ask("--powercap-root", powercap.root)
    assert "lost while it was read: NVMLError_GpuIsLost" in text
    assert [r["lost"] is None for r in found["meters"]] == [True, False]


def test_an_unknown_kind_of_meter_is_one_line(ask):
    with pytest.raises(SystemExit, match="error: unknown kind of meter 'psu'"):
        ask("--want", "psu")
