"""Processors through hwmon, over a /sys of our own."""

from fnmatch import fnmatch

import pytest

from metering import hwmon
from metering.discovery import discover


@pytest.fixture
def chip(tmp_path):
    """Makes a chip of files; those of `device` stand one level below."""

    def make(number, name, below="", **files):
        folder = tmp_path / "hwmon" / f"hwmon{number}"
        (folder / below).mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(name + "\n")
        for file, text in files.items():
            (folder / below / file).write_text(f"{text}\n")
        return folder

    make.root = tmp_path / "hwmon"
    make.root.mkdir()
    return make


def epyc(chip):
    cores = {f"energy{n}_input": 7 for n in range(1, 5)}
    labels = {f"energy{n}_label": f"Ecore{n - 1:03}" for n in range(1, 5)}
    sockets = {"energy5_input": 9_000_001, "energy5_label": "Esocket0"}
    return chip(3, "amd_energy", **cores, **labels, **sockets, energy6_input=5, energy6_label="x")


def grace(chip, names=("Module", "Grace", "CPU", "SysIO"), socket=0):
    for number, name in enumerate(names):
        label = f"{name} Power Socket {socket}"
        watts = {"power1_average": 10_000_000 * (9 - number), "power1_average_interval": 50}
        at = 10 * socket + number
        chip(at, "power_meter", "device", **watts, power1_oem_info=label)


def by_domain(root):
    found, missing = hwmon.find(root)
    return {meter.domain.domain: meter for meter in found}, missing


def test_sockets_are_read_raw_and_the_cores_within_them_are_not(chip):
    epyc(chip)
    found, missing = by_domain(chip.root)
    assert list(found) == ["cpu:socket-0"] and missing == []
    domain = found["cpu:socket-0"].domain
    assert (domain.kind, domain.quantity, domain.unit, domain.scale) == (
        "processor",
        "energy",
        "uJ",
        1e-6,
    )
    (reading,) = found["cpu:socket-0"].read()
    assert reading[1:] == ("cpu:socket-0", "energy", 9_000_001, "uJ", "hwmon")


def test_the_rails_of_grace_declare_what_they_contain(chip):
    grace(chip)
    grace(chip, socket=1)
    found, _ = by_domain(chip.root)
    assert set(found) == {
        f"{name}{n}" for name in ("module:", "cpu:grace-", "cpu:cores-", "cpu:sysio-") for n in "01"
    }
    within = {
        name: {o for o in found for p in meter.domain.contains if fnmatch(o, p)}
        for name, meter in found.items()
    }
    assert within["cpu:grace-1"] == {"cpu:cores-1", "cpu:sysio-1"} and not within["cpu:cores-0"]
    assert within["module:0"] == {name for name in found if name.startswith("cpu:")}
    assert found["module:0"].domain.kind == "system"
    (reading,) = found["cpu:grace-0"].read()
    assert reading[1:] == ("cpu:grace-0", "power", 80_000_000, "uW", "hwmon:average")
    assert found["cpu:grace-0"].domain.period_s == 0.05
    assert found["cpu:grace-0"].domain.details["power"] == "average"


def test_the_power_now_is_preferred_to_a_mean(chip):
    both = {"power1_average": 5, "power1_input": 6, "power1_label": "CPU Power Socket 0"}
    chip(0, "power_meter", **both)
    found, _ = by_domain(chip.root)
    assert [r[3:] for r in found["cpu:cores-0"].read()] == [(6, "uW", "hwmon:instant")]


def test_sensors_of_anything_else_are_not_taken(chip):
    chip(0, "nvme", temp1_input=40_000, power1_input=5, power1_label="Composite")
    chip(1, "nct6775", fan1_input=900, power1_input=7, power1_label="CPU Power Socket 0")
    chip(2, "amdgpu", power1_average=9, power1_label="PPT", energy1_input=5)
    chip(3, "power_meter", "device", power1_average=9, power1_oem_info="PSU 1")
    chip(4, "amd_energy", energy1_input=5)
    assert by_domain(chip.root) == ({}, [])
    assert by_domain(chip.root / "none") == ({}, [])


@pytest.mark.parametrize("text", ["", "garbage", "0", "-5", "1.5"])
def test_a_sensor_without_a_value_is_missing_and_costs_no_other(chip, text):
    folder = epyc(chip)
    (folder / "energy5_input").write_text(text)
    grace(chip, ["CPU"], socket=7)
    found, (missing,) = by_domain(chip.root)
    assert list(found) == ["cpu:cores-7"] and "cpu:socket-0" in missing.why


def test_a_text_that_does_not_decode_is_no_reason_to_stop(chip):
    folder = epyc(chip)
    (folder / "energy6_label").write_bytes(b"\xff\xfe")
    chip(9, "x")
    (chip.root / "hwmon9" / "name").write_bytes(b"\xff")
    assert list(by_domain(chip.root)[0]) == ["cpu:socket-0"]


def test_they_stand_in_for_rapl_and_never_beside_it(chip, powercap):
    epyc(chip)
    roots = {"powercap_root": powercap.root, "hwmon_root": chip.root}
    found, _ = discover(["cpu"], **roots)
    assert [meter.domain.domain for meter in found] == ["cpu:socket-0"]  # and no estimate
    powercap.zone("0", "package-0", 10)
    found, _ = discover(["cpu"], **roots)
    assert [meter.domain.domain for meter in found] == ["cpu:package-0"]
