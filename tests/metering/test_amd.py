"""AMD GPUs, over an AMD SMI of our own."""

import json
import sys
from pathlib import Path

import pytest

from metering import amd

MI300 = {"uuid": "a8ff74a1-0000-1000", "name": "AMD Instinct MI300X", "current_w": 140}


@pytest.fixture
def smi(monkeypatch, tmp_path):
    """Makes the fake importable; call it with the GPUs."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "fakes_amd"))
    monkeypatch.setenv("FAKE_AMDSMI", str(tmp_path / "amdsmi.json"))
    sys.modules.pop("amdsmi", None)
    monkeypatch.setattr(amd, "_users", 0)

    def script(*gpus, **machine):
        (tmp_path / "amdsmi.json").write_text(json.dumps({"gpus": gpus, **machine}))

    yield script
    sys.modules.pop("amdsmi", None)


def test_the_accumulator_is_kept_raw_and_its_unit_declared(smi, tmp_path):
    smi({**MI300, "count": 123_456, "limit_w": 750})
    ((gpu,), missing) = amd.find({}, tmp_path)
    assert missing == []
    domain = gpu.domain
    assert (domain.domain, domain.kind, domain.quantity) == ("gpu:0", "gpu", "energy")
    assert domain.scale == pytest.approx(15.25e-6) and domain.power_scale == 1.0
    assert "MI300X" in domain.label and domain.details["power"] == "instant"
    read = {(r.quantity, r.value, r.unit, r.source) for r in gpu.read()}
    assert read == {
        ("energy", 123_456, "count", "amdsmi"),
        ("power", 140, "W", "amdsmi:instant"),
    }
    state = {r.quantity: r.value for r in gpu.read_slow()}
    assert state == {
        "temperature": 55,
        "clock_sm": 2100,
        "power_limit": 750,
        "utilisation": 0.4,
        "foreign_processes": 0,
    }
    gpu.close()
    assert sys.modules["amdsmi"]._users == 0


def test_the_older_names_are_known_and_a_mean_is_called_one(smi, tmp_path):
    smi({"uuid": "u", "old_names": True, "count": 9, "average_w": 90})
    ((gpu,), _) = amd.find({}, tmp_path)
    assert {(r.value, r.source) for r in gpu.read()} == {(9, "amdsmi"), (90, "amdsmi:average")}


@pytest.mark.parametrize("count", ["N/A", None, 2**64 - 1, 2**32 - 1])
@pytest.mark.parametrize("none", ["N/A", 0xFFFF, 0xFFFFFFFF, 0])
def test_what_a_board_does_not_have_is_left_out(smi, tmp_path, count, none):
    smi({**MI300, "count": count, "current_w": none, "average_w": 88, "limit_w": none})
    ((gpu,), (missing,)) = amd.find({}, tmp_path)
    assert (gpu.domain.quantity, gpu.domain.unit, gpu.domain.scale) == ("power", "W", 1.0)
    assert "integrated from power" in missing.why
    assert [(r.value, r.source) for r in gpu.read()] == [(88, "amdsmi:average")]
    assert "power_limit" not in {r.quantity for r in gpu.read_slow()}
    assert any(line.startswith("power_limit: ") for line in gpu.domain.details["not_read"])


@pytest.mark.parametrize("resolution", [0, "N/A", -1])
def test_a_counter_of_no_known_unit_is_none(smi, tmp_path, resolution):
    smi({**MI300, "resolution_uj": resolution})
    ((gpu,), (missing,)) = amd.find({}, tmp_path)
    assert gpu.domain.quantity == "power" and "energy counter of gpu:0" in missing.why


def test_a_board_that_gives_nothing_is_missing_and_the_other_is_not(smi, tmp_path):
    dumb = {**MI300, "raises": ["amdsmi_get_energy_count", "amdsmi_get_power_info"]}
    smi(dumb, MI300)
    ((gpu,), (missing,)) = amd.find({}, tmp_path)
    assert gpu.domain.domain == "gpu:1" and "\n" not in missing.why
    assert "gpu:0 gives neither energy nor power" in missing.why


@pytest.mark.parametrize(
    ("environ", "uuids"),
    [
        ({}, ["a", "b", "c"]),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, ["c", "a"]),
        ({"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1"}, ["c"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["b"]),
        ({"ROCR_VISIBLE_DEVICES": "-1"}, []),
    ],
)
def test_gpus_are_those_that_hip_shows_in_its_order(smi, tmp_path, environ, uuids):
    # AMD SMI lists them otherwise than HIP numbers them.
    smi(*({**MI300, "uuid": uuid, "hip_id": "abc".index(uuid)} for uuid in "bca"))
    found, _ = amd.find(environ, tmp_path)
    assert [gpu.domain.details["uuid"] for gpu in found] == uuids
    assert [gpu.domain.domain for gpu in found] == [f"gpu:{n}" for n in range(len(uuids))]


def test_beside_nvidia_s_driver_no_amd_gpu_takes_the_worker_s_name(smi, tmp_path):
    smi(MI300)
    (tmp_path / "driver/nvidia").mkdir(parents=True)
    ((gpu,), _) = amd.find({}, tmp_path)
    assert gpu.domain.domain == "gpu:amd-0"


def test_power_that_fails_beside_the_counter_is_lost_and_comes_back(smi, tmp_path):
    smi(MI300)
    ((gpu,), _) = amd.find({}, tmp_path)
    smi({**MI300, "raises": ["amdsmi_get_power_info"]})
    for _ in range(3):
        assert {r.quantity for r in gpu.read(everything=True)} == {"energy"}
    smi(MI300)
    gpu.read(everything=True)
    kinds = [(h.kind, h.quantity) for h in gpu.new_events()]
    assert kinds == [("quantity-lost", "power"), ("quantity-back", "power")]


def test_a_driver_that_is_missing_is_said(smi, tmp_path, monkeypatch):
    smi(init_error="AMDSMI_STATUS_INIT_ERROR")
    found, (missing,) = amd.find({}, tmp_path)
    assert found == [] and "AMD SMI does not start" in missing.why
    del sys.modules["amdsmi"]
    monkeypatch.setenv("FAKE_AMDSMI_IMPORT", "libamd_smi.so is not found")
    found, (missing,) = amd.find({}, tmp_path)
    assert found == [] and "does not import" in missing.why


def test_a_machine_that_hints_at_no_amd_gpu_is_silent(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    monkeypatch.setattr(amd, "_KFD", tmp_path / "kfd")
    assert amd.find({}, tmp_path) == ([], [])
    (tmp_path / "kfd").touch()
    found, (missing,) = amd.find({}, tmp_path)
    assert found == [] and "pip install amdsmi" in missing.remedy
