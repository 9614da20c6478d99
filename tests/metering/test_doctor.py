"""What the doctor says: examined meters, and the one screen."""

import json
import os
import random
import sys
import threading
import time

import pytest

import doctor
from analysis.energy import curves
from metering.characteristics import characterise, shortest_window_s
from metering.meter import Reading

A = {"uuid": "GPU-aaaa", "name": "NVIDIA A10"}


def readings(quantity, values, unit, every_s=0.002):
    return [
        Reading(round(n * every_s * 1e9), "gpu:0", quantity, value, unit, "nvml")
        for n, value in enumerate(values)
    ]


def watched(period_s, read_s, late_s, unit, stall_s=0.0, seconds=4.0):
    """Readings about `read_s` apart of a counter under 50 W that moves every `period_s`, each move
    shown up to `late_s` late; now and then nobody reads for `stall_s`."""
    chance = random.Random(7)
    late = [late_s * chance.random() for _ in range(round(seconds / period_s) + 2)]
    scale, found, t = {"mJ": 1e3, "uJ": 1e6}[unit], [], 0.0
    while t < seconds:
        move = int(t / period_s)
        move -= t - move * period_s < late[move]
        value = round(max(move, 0) * period_s * 50 * scale)
        found.append(Reading(round(t * 1e9), "d", "energy", value, unit, "x"))
        t += read_s * chance.uniform(1, 1.3) + stall_s * (chance.random() < 0.001)
    return found


@pytest.mark.parametrize(
    ("period_s", "read_s", "late_s", "unit", "stall_s"),
    [
        (0.1, 0.0035, 0.0, "mJ", 0.0),
        (0.1, 0.0035, 0.003, "mJ", 0.0),
        (0.1, 0.0035, 0.025, "mJ", 0.0),
        (0.1, 0.0035, 0.003, "mJ", 0.15),
        (0.001, 0.00022, 0.0, "uJ", 0.0),
        (0.001, 0.00026, 0.0002, "uJ", 0.0104),
    ],
)
def test_a_counter_s_period_and_lateness_are_found(period_s, read_s, late_s, unit, stall_s):
    own = watched(period_s, read_s, late_s, unit, stall_s)
    found = characterise("d", "energy", own, None, read_s, read_s)
    assert found.update_s == pytest.approx(period_s, rel=0.003)
    # The time until it was read comes on top.
    assert 0.8 * late_s <= found.late_s <= late_s + 1.3 * read_s
    assert found.power_w == pytest.approx(50, rel=0.01)
    assert found.noise_w == pytest.approx(0, abs=0.5)
    assert found.step == pytest.approx(50 * period_s, rel=0.01) and found.samples == len(own)


def test_what_moves_on_no_grid_has_a_usual_time_and_no_lateness():
    chance = random.Random(7)
    own, t = [], 0.0
    while t < 4:
        own.append(Reading(round(t * 1e9), "d", "power", len(own) % 7, "mW", "x"))
        t += chance.uniform(0.009, 0.04)
    found = characterise("d", "power", own, None, 1e-3, 1e-3)
    assert found.late_s is None and 0.009 < found.update_s < 0.04


def test_the_power_s_own_swing_is_its_noise():
    millijoules, own = 0.0, []
    for n in range(8000):
        if n % 100 == 0:
            millijoules += 100 * (40 if n < 4000 else 60)
        own.append(Reading(n * 1_000_000, "d", "energy", round(millijoules), "mJ", "x"))
    found = characterise("d", "energy", own, None, 1e-3, 1e-3)
    assert found.noise_w == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize(
    ("readings", "domain"),
    [
        (watched(0.1, 0.0035, 0.0, "mJ"), {"domain": "gpu:0", "unit": "mJ"}),
        (watched(0.001, 0.05, 0.0, "uJ"), {"domain": "cpu:package-0", "unit": "uJ"}),
    ],
    ids=["counter on a grid", "RAPL as it is sampled"],
)
def test_windows_are_resolved_as_the_analysis_resolves_them(readings, domain):
    domain |= {"quantity": "energy", "max_range": None, "details": {}, "estimate": False}
    domain |= {"meter": "x", "source": "x", "label": "x"}
    curve = curves.curve([r.t_ns for r in readings], [r.value for r in readings], domain)
    update_s = {"mJ": 0.1, "uJ": 0.001}[domain["unit"]]
    record = domain | {"quantities": [{"quantity": "energy", "update_s": update_s}]}
    assert doctor._interval_s(record, 0.055) == pytest.approx(curve.period_s, rel=0.1)
    assert doctor.NVML_DELAY_U_S == curves.NVML_DELAY_U_S


def test_a_counter_that_wraps_while_it_is_read_goes_on():
    values = [(999_000 + 100 * n) % 1_000_000 for n in range(2000)]
    found = characterise("cpu", "energy", readings("energy", values, "uJ"), 1_000_000, 1e-5, 1e-5)
    assert found.power_w == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("values", [[], [7], [7] * 2000])
def test_what_does_not_move_has_no_period_and_no_power_instead_of_zero(values):
    found = characterise("gpu:0", "energy", readings("energy", values, "mJ"), None, 1e-3, 1e-3)
    assert found.update_s is found.power_w is found.noise_w is found.step is None


def test_a_window_must_be_longer_for_a_slower_meter_and_a_closer_figure():
    assert shortest_window_s(0.1, 0.0, 0.01) == pytest.approx(4.08, abs=0.01)
    assert (
        shortest_window_s(0.1, 0.0, 0.05)
        < shortest_window_s(0.1, 0.0, 0.01)
        > shortest_window_s(0.02, 0.0, 0.01)
    )


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
        assert len(lines) <= 26 and max(map(len, lines)) <= 100
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
    # Its ticks are declared: they only move while something is busy.
    (moved,) = found["meters"][0]["quantities"]
    assert (moved["update_s"], moved["late_s"]) == (1 / os.sysconf("SC_CLK_TCK"), None)


def test_counters_that_only_root_may_read_are_a_permission_to_give(
    ask, powercap, unprivileged, tmp_path, monkeypatch
):
    (powercap.zone("0", "package-0", 1234) / "energy_uj").chmod(0o400)
    # Another user may not even start the interpreter of the tests.
    monkeypatch.setattr(doctor, "_run_sampler", lambda *_: ({"why": "not looked at"}, {}))
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o755)
    text, _ = unprivileged(lambda: ask("--powercap-root", powercap.root, "--want", "cpu"))
    assert "missing   rapl: the counter of cpu:package-0" in text
    assert "do: sudo chmod a+r" in text


def test_a_processor_rests_while_it_is_sampled_and_not_while_it_is_read_densely(
    ask, powercap, monkeypatch
):
    zone = powercap.zone("0", "package-0", 0)
    powers_w, ended = {"now": 50}, threading.Event()

    def work():
        energy_uj, before_s = 0.0, time.monotonic()
        while not ended.wait(0.001):
            now_s = time.monotonic()
            energy_uj += powers_w["now"] * (now_s - before_s) * 1e6
            before_s = now_s
            powercap.set(zone, round(energy_uj))

    real = doctor.read_densely

    def read(meter, seconds):
        powers_w["now"] = 80
        return real(meter, seconds)

    monkeypatch.setattr(doctor, "read_densely", read)
    worker = threading.Thread(target=work)
    worker.start()
    try:
        _, found = ask("--powercap-root", powercap.root, "--want", "cpu", "--seconds", "1.5")
    finally:
        ended.set()
        worker.join()
    (package,) = found["meters"]
    assert package["quantities"][0]["power_w"] == pytest.approx(50, rel=0.1)


@pytest.mark.slow
def test_many_devices_still_are_one_screen(ask, nvml, powercap):
    alike = {**A, "period_ms": 20, "processes": [999_998, 999_999]}
    nvml(*({**alike, "uuid": f"GPU-{n}"} for n in range(8)))
    for n in range(2):
        powercap.zone(f"{n}", f"package-{n}", 5)
        powercap.zone(f"{n}:0", "dram", 5)
    text, found = ask("--powercap-root", powercap.root, "--seconds", "0.3")
    assert len(found["meters"]) == 12
    assert "gpu:0 to gpu:7, NVIDIA A10, driver" in text
    assert "windows   gpu:0 to gpu:7: resolved from" in text
    assert "mind      gpu:0 to gpu:7: 1 other process(es)" in text
    assert "more, in doctor.json" in text


def test_a_sampler_that_does_not_run_is_a_finding(ask, powercap, monkeypatch):
    class Dead:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            raise doctor.MeterError("the sampler did not start")

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(doctor, "Sampler", Dead)
    text, found = ask("--powercap-root", powercap.root, "--want", "cpu")
    assert "sampler   does not run: the sampler did not start" in text
    assert found["sampler"] == {"why": "the sampler did not start"}


def test_a_gpu_that_is_lost_while_it_is_read_is_a_finding(ask, nvml, powercap, monkeypatch):
    nvml(A)
    real = doctor.read_densely

    def lose(meter, seconds):
        if meter.domain.domain == "gpu:0":
            nvml({**A, "error": 15})
        return real(meter, seconds)

    monkeypatch.setattr(doctor, "read_densely", lose)
    text, found = ask("--powercap-root", powercap.root)
    assert "lost while it was read: NVMLError_GpuIsLost" in text
    assert [r["lost"] is None for r in found["meters"]] == [True, False]


def test_an_unknown_kind_of_meter_is_one_line(ask):
    with pytest.raises(SystemExit, match="error: unknown kind of meter 'psu'"):
        ask("--want", "psu")


@pytest.mark.parametrize("option", ["--seconds", "--period-s", "--resolve-periods"])
@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(ask, capsys, option, value):
    with pytest.raises(SystemExit):
        ask(option, value)
    assert "give a number above zero" in capsys.readouterr().err


def test_an_answer_that_cannot_be_kept_is_printed_and_said_in_one_line(ask, capsys, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"error: cannot keep the answer in .*file: "):
        ask("--want", "cpu", "--out", str(tmp_path / "file" / "doctor"))
    assert capsys.readouterr().out.startswith("machine ")
