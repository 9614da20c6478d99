import itertools
import sys
import time

import pytest

from metering import nvml as meters
from metering.discovery import discover

A = {"uuid": "GPU-aaaa", "name": "NVIDIA A10"}
B = {"uuid": "GPU-bbbb", "name": "NVIDIA A10"}
H = {"uuid": "GPU-cccc", "name": "NVIDIA H100 80GB HBM3"}


def by_domain(found):
    return {meter.domain.domain: meter for meter in found}


def test_a_gpu_gives_its_counter_its_power_and_its_state_raw(nvml):
    nvml({**A, "frozen_at_mj": 123_456, "power_mw": 98_765})
    ((gpu,), missing) = meters.find({})
    assert missing == []
    readings = [r[1:] for r in gpu.read()]
    assert set(readings[:-1]) == {("gpu:0", "energy", 123_456, "mJ", "nvml")}
    assert readings[-1] == ("gpu:0", "power", 98_765, "mW", "nvml:average")
    assert {r.quantity: (r.value, r.unit) for r in gpu.read_slow()} == {
        "temperature": (41, "C"),
        "clock_sm": (1695, "MHz"),
        "clock_mem": (6251, "MHz"),
        "power_limit": (150_000, "mW"),
        "throttle_reasons": (4, "bits"),
        "utilisation": (0.08, "1"),
        "foreign_processes": (0, "1"),
    }


@pytest.mark.parametrize(
    ("gives", "way", "mw"),
    [
        ({}, "average", 98_765),
        ({"instant_mw": 55_555}, "instant", 55_555),
        ({"sample_ms": 20, "instant_mw": 55_555}, "samples", 98_765),
    ],
)
def test_power_is_read_in_the_way_that_says_most_of_when(nvml, gives, way, mw):
    nvml({**A, "power_mw": 98_765, **gives})
    ((gpu,), _) = meters.find({})
    assert gpu.domain.details["power"] == way
    assert {(r.value, r.source) for r in gpu.read() if r.quantity == "power"} == {
        (mw, f"nvml:{way}")
    }


def test_samples_of_power_keep_the_times_at_which_the_driver_took_them(nvml):
    nvml({**A, "sample_ms": 20})
    ((gpu,), _) = meters.find({})
    before_ns = time.monotonic_ns()
    gpu.read()
    time.sleep(0.1)
    times = [r.t_ns for r in gpu.read(everything=True) if r.quantity == "power"]
    gaps_ms = [(b - a) / 1e6 for a, b in itertools.pairwise(times)]
    assert len(gaps_ms) > 2 and gaps_ms == pytest.approx([20] * len(gaps_ms), abs=1)
    # Asked again at once there is nothing new, which is no loss.
    assert [r.quantity for r in gpu.read(everything=True)][:1] == ["energy"]
    assert before_ns < times[-1] <= time.monotonic_ns()


def test_a_domain_says_which_gpu_it_is(nvml):
    nvml({**A, "limit_mw": 120_000}, driver="550.1")
    ((gpu,), _) = meters.find({})
    domain = gpu.domain.as_dict()
    assert (domain["quantity"], domain["unit"], domain["max_range"]) == ("energy", "mJ", None)
    assert (
        domain["details"].items()
        >= {
            "uuid": "GPU-aaaa",
            "name": "NVIDIA A10",
            "driver_version": "550.1",
            "pci_bus_id": "00000000:01:00.0",
            "power_limit_mw": 120_000,
            "default_power_limit_mw": 150_000,
        }.items()
    )


def test_without_an_energy_counter_power_remains_and_the_lack_is_said(nvml):
    nvml({**A, "unsupported": ["nvmlDeviceGetTotalEnergyConsumption"]})
    ((gpu,), (missing,)) = meters.find({})
    assert (gpu.domain.quantity, gpu.domain.unit) == ("power", "mW")
    assert [r.quantity for r in gpu.read()] == ["power"]
    assert missing.why == ("energy counter of gpu:0 not supported; energy is integrated from power")


def test_a_gpu_with_neither_energy_nor_power_is_missing(nvml):
    unsupported = ["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"]
    nvml({**A, "unsupported": unsupported}, B)
    found, (missing,) = meters.find({})
    assert list(by_domain(found)) == ["gpu:1"]
    assert "gpu:0 gives neither energy nor power" in missing.why


def test_state_that_is_not_supported_is_left_out(nvml):
    nvml({**A, "unsupported": ["nvmlDeviceGetTemperature", "nvmlDeviceGetUtilizationRates"]})
    ((gpu,), missing) = meters.find({})
    quantities = [r.quantity for r in gpu.read_slow()]
    assert quantities == [
        *("clock_sm", "clock_mem", "power_limit", "throttle_reasons"),
        "foreign_processes",
    ]
    assert missing == []


def test_visible_gpus_are_numbered_as_cuda_numbers_them(nvml):
    nvml(A, B, A | {"uuid": "GPU-dddd"})
    found, _ = meters.find({"CUDA_VISIBLE_DEVICES": "2,GPU-bb"})
    uuids = {name: gpu.domain.details["uuid"] for name, gpu in by_domain(found).items()}
    assert uuids == {"gpu:0": "GPU-dddd", "gpu:1": "GPU-bbbb"}


def test_hidden_gpus_and_no_gpus_are_different_lacks(nvml):
    nvml(A, B)
    assert "hides all 2 GPUs" in meters.find({"CUDA_VISIBLE_DEVICES": ""})[1][0].why
    nvml()
    assert meters.find({})[1][0].why == "NVML finds no GPU"


def test_an_invalid_entry_is_reported_and_what_stands_before_it_is_metered(nvml):
    nvml(A, B)
    found, (missing,) = meters.find({"CUDA_VISIBLE_DEVICES": "1,5"})
    assert list(by_domain(found)) == ["gpu:0"]
    assert "index 5 is beyond the 2 GPUs" in missing.why


@pytest.mark.parametrize("visible", ["MIG-0123", None])
def test_mig_is_missing_because_the_board_counts_for_all_its_instances(nvml, visible):
    nvml({**A, "mig": True})
    found, (missing,) = meters.find({"CUDA_VISIBLE_DEVICES": visible} if visible else {})
    assert found == []
    assert "gpu:0 is a MIG instance" in missing.why


def test_unlike_gpus_need_a_stated_order(nvml):
    nvml(A, H)
    (missing,) = meters.find({})[1]
    assert "CUDA_DEVICE_ORDER" in missing.remedy
    assert meters.find({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})[1] == []
    assert meters.find({"CUDA_VISIBLE_DEVICES": "GPU-cccc"})[1] == []


def test_like_gpus_record_the_assumption(nvml):
    nvml(A, B)
    found, missing = meters.find({})
    assert missing == []
    assert all(gpu.domain.details["index_order"].startswith("assumed") for gpu in found)


def test_a_gpu_that_does_not_answer_keeps_its_index(nvml):
    nvml({**A, "error": 15}, B)
    found, (missing,) = meters.find({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert list(by_domain(found)) == ["gpu:1"]
    assert "GPU 0 does not answer" in missing.why and "GPU is lost" in missing.why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (12, "libnvidia-ml.so.1"),
        (9, "driver is not loaded"),
        (4, "no permission"),
        (18, "different versions"),
        (999, "Unknown Error"),
    ],
)
def test_an_nvml_that_does_not_start_says_why_and_what_to_do(nvml, code, why):
    nvml(init_error=code)
    found, (missing,) = meters.find({})
    assert found == []
    assert why in missing.why and missing.remedy


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found, (missing,) = meters.find({})
    assert found == [] and "pynvml is not installed" in missing.why


def test_closing_one_gpu_leaves_the_other_readable(nvml):
    nvml(A, B)
    (first, second), _ = meters.find({})
    first.close()
    assert second.read()
    second.close()
    with pytest.raises(sys.modules["pynvml"].NVMLError, match="Uninitialized"):
        second.read(everything=True)


def test_gpus_are_not_looked_for_unless_wanted(nvml, powercap):
    nvml(A)
    powercap.zone("0", "package-0", 1)
    found, missing = discover(want=["cpu"], powercap_root=powercap.root)
    assert list(by_domain(found)) == ["cpu:package-0"]
    assert all(lack.meter != "nvml" for lack in missing)
