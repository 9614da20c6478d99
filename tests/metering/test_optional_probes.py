"""What is optional may fail with anything, once or for ever: it is left out, and said."""

import json
import time

import pytest

from metering import host
from metering import nvml as meters
from metering.loop import LOST_AFTER_S, SamplingLoop
from metering.meter import Domain, MeterGoneError, Reading
from metering.plausible import ZERO_S, PlausibilityCheck, why_implausible
from metering.probes import TRIES, Probe, Probes
from metering.trace import EventWriter

A = {"uuid": "GPU-aaaa", "instant_mw": 90_000, "sample_ms": 20, "period_ms": 5}
KINDS = [
    "FunctionNotFound",
    "Mismatch",
    "AttributeError",
    "TypeError",
    "ArgumentError",
    "StructError",
    "UnicodeDecodeError",
    "EIO",
]
OPTIONAL = {
    "nvmlDeviceGetUUID": "uuid",
    "nvmlDeviceGetName": "name",
    "nvmlDeviceGetPciInfo": "pci_bus_id",
    "nvmlSystemGetDriverVersion": "driver_version",
    "nvmlDeviceGetPowerManagementDefaultLimit": "default_power_limit_mw",
}
SLOW = {
    "nvmlDeviceGetTemperature": "temperature",
    "nvmlDeviceGetClockInfo": "clock_sm",
    "nvmlDeviceGetCurrentClocksThrottleReasons": "throttle_reasons",
    "nvmlDeviceGetUtilizationRates": "utilisation",
    "nvmlDeviceGetComputeRunningProcesses": "foreign_processes",
}


def raising(kind, *functions):
    return {**A, "raises": dict.fromkeys(functions, kind)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", OPTIONAL)
def test_who_a_gpu_is_may_be_unknown_and_it_is_measured(nvml, kind, function):
    nvml(raising(kind, function))
    if function == "nvmlSystemGetDriverVersion":
        nvml(A, raises={function: kind})
    ((gpu,), missing) = meters.find({})
    assert gpu.domain.details[OPTIONAL[function]] is None and gpu.domain.label
    assert len(missing) == 1 and "\n" not in missing[0].why
    assert any(r.quantity == "energy" for r in gpu.read())
    assert host.host_facts()["gpus"][0]["domain"] == "gpu:0"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", SLOW)
def test_a_slow_quantity_that_is_not_there_is_named_with_its_reason(nvml, kind, function):
    nvml(raising(kind, function))
    ((gpu,), _) = meters.find({})
    assert SLOW[function] not in {r.quantity for r in gpu.read_slow()}
    (said,) = [line for line in gpu.domain.details["not_read"] if line.startswith(SLOW[function])]
    assert said.removeprefix(f"{SLOW[function]}: ")
    assert gpu.domain.quantity == "energy"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "functions",
    [
        ["nvmlDeviceGetSamples"],
        ["nvmlDeviceGetFieldValues"],
        ["nvmlDeviceGetPowerUsage"],
        ["nvmlDeviceGetMigMode"],
        ["nvmlDeviceGetSamples", "nvmlDeviceGetFieldValues"],
        ["nvmlDeviceGetSamples", "nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"],
    ],
)
def test_a_way_of_reading_power_may_be_missing(nvml, kind, functions):
    nvml(raising(kind, *functions))
    ((gpu,), _) = meters.find({})
    way = gpu.domain.details["power"]
    left = {"samples": "nvmlDeviceGetSamples", "instant": "nvmlDeviceGetFieldValues"}
    left["average"] = "nvmlDeviceGetPowerUsage"
    assert way == next((one for one, name in left.items() if name not in functions), None)
    assert any(r.quantity == "energy" for r in gpu.read())


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_counter_power_remains_whatever_was_raised(nvml, kind):
    nvml(raising(kind, "nvmlDeviceGetTotalEnergyConsumption"))
    ((gpu,), (missing,)) = meters.find({})
    assert (gpu.domain.quantity, gpu.domain.scale) == ("power", 1e-3)
    assert "energy is integrated from power" in missing.why


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_library_that_does_not_start_or_list_is_missing(nvml, kind, function):
    nvml(A, raises={function: kind})
    found, (missing,) = meters.find({})
    assert found == [] and "NVML" in missing.why and "\n" not in missing.why
    assert host.host_facts()["gpus"] is None


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"limit_mw": 0}, "power_limit_mw"), ({"name": ""}, "name"), ({"uuid": ""}, "uuid")],
)
def test_metadata_that_cannot_be_is_unknown_and_said_in_one_line(nvml, changes, key):
    nvml({**A, **changes})
    ((gpu,), (missing,)) = meters.find({})
    assert gpu.domain.details[key] is None
    assert "\n" not in missing.why and missing.remedy


def test_a_power_of_zero_is_no_way_of_reading_it(nvml):
    nvml({"uuid": "GPU-a", "power_mw": 0, "instant_mw": 0, "start_mj": 5})
    ((gpu,), (missing,)) = meters.find({})
    assert gpu.domain.details["power"] is None and gpu.domain.power_scale is None
    assert "gives no power beside its counter: ValueError: it reads 0" in missing.why


@pytest.mark.parametrize("name", ["NVIDIA GH200 480GB", "NVIDIA GB200", "Grace Hopper"])
def test_a_counter_of_a_module_says_so_and_contains_the_processor(nvml, name):
    nvml({**A, "name": name, "module_mw": 700_000, "sample_ms": 20}, {**A, "uuid": "GPU-b"})
    (module, board), _ = meters.find({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
    assert "whole module" in module.domain.label and module.domain.contains == ("cpu:*",)
    assert module.domain.details["scope"] == "module"
    assert "whole board" in board.domain.label and board.domain.contains == ()


def test_the_power_now_of_a_module_is_the_module_s(nvml):
    gpu = {"uuid": "GPU-a", "name": "NVIDIA GH200 480GB", "instant_mw": 400_000}
    nvml({**gpu, "module_mw": 650_000})
    ((module,), _) = meters.find({})
    assert {r.value for r in module.read() if r.quantity == "power"} == {650_000}


class Flaky:
    """A meter whose reads raise what they are told."""

    name = "flaky"
    domain = Domain("gpu:0", "flaky", "flaky", "mJ", "flaky", scale=1e-3, max_power_w=1000.0)

    def __init__(self):
        self.energy = self.slow = None
        self.value, self.closed = 0, False
        self.probes = Probes("gpu:0", "flaky", [Probe("temperature", "C", self._slow)])

    def _slow(self):
        if self.slow:
            raise self.slow
        return 40

    def read(self, everything=False):
        if self.energy:
            raise self.energy
        self.value += 1
        return [Reading(clock_ns(), "gpu:0", "energy", self.value, "mJ", "flaky")]

    def read_slow(self):
        return self.probes.read()

    def new_events(self):
        return self.probes.new_events()

    def close(self):
        self.closed = True


def clock_ns():
    return time.monotonic_ns()


@pytest.fixture
def sampled(kept, clock):
    """A loop over a flaky meter, in virtual time: call it to sample for so many seconds."""
    flaky = Flaky()
    loop = SamplingLoop([flaky], kept.trace(), kept.log())

    def run(seconds):
        for _ in range(round(seconds / 0.1)):
            clock.wait(0.1)
            loop.sample(slow=True)

    run.meter, run.kept = flaky, kept
    with clock.running():
        yield run


@pytest.mark.parametrize(
    "error", [OSError(5, "EIO"), RuntimeError("Unknown Error"), TypeError("x")]
)
def test_a_transient_error_costs_the_readings_that_it_touches(sampled, error):
    sampled(1)
    sampled.meter.energy = error
    sampled(LOST_AFTER_S - 1)
    before = len(sampled.kept.of("energy"))
    sampled.meter.energy = None
    sampled(1)
    assert [kind for kind, _ in sampled.kept.events] == ["meter-failed", "meter-back"]
    assert len(sampled.kept.of("energy")) - before == 10 and not sampled.meter.closed
    assert before == 10  # and nothing in place of what was missing


def test_a_meter_that_fails_on_is_given_up(sampled):
    sampled.meter.energy = OSError(5, "EIO")
    sampled(2 * LOST_AFTER_S)
    assert [kind for kind, _ in sampled.kept.events] == ["meter-failed", "meter-lost"]
    assert sampled.meter.closed


@pytest.mark.parametrize("error", [MeterGoneError("GPU is lost"), PermissionError("gone")])
def test_what_will_not_come_back_is_given_up_at_once(sampled, error):
    sampled.meter.energy = error
    sampled(0.1)
    assert [kind for kind, _ in sampled.kept.events] == ["meter-lost"]


def test_a_slow_quantity_comes_back_and_both_are_said(sampled):
    sampled(1)
    sampled.meter.slow = OSError(5, "EIO")
    sampled(3)
    sampled.meter.slow = None
    sampled(10)
    events = [("quantity-lost", "temperature"), ("quantity-back", "temperature")]
    assert sampled.kept.events == events
    assert len(sampled.kept.of("energy")) == 140


def test_a_slow_quantity_that_stays_away_is_asked_seldom_and_not_for_ever(clock):
    asked = []

    def read():
        asked.append(clock.now_s)
        if len(asked) > 1:
            raise OSError

        return 1

    with clock.running():
        probes = Probes("gpu:0", "x", [Probe("temperature", "C", read)])
        for _ in range(3000):
            clock.wait(1)
            probes.read()
        assert len(asked) == 1 + TRIES
        assert [h.kind for h in probes.new_events()] == ["quantity-lost"]


def power(value, t_s=0.0):
    return Reading(round(t_s * 1e9), "gpu:0", "power", value, "mW", "nvml:instant")


GPU = Domain("gpu:0", "nvml", "nvml", "mJ", "GPU", scale=1e-3, power_scale=1e-3, max_power_w=3e3)


@pytest.mark.parametrize("value", [2**32 - 1, -1, float("nan"), float("inf"), 3_000_001, True])
def test_a_power_that_cannot_be_is_refused(value):
    assert why_implausible(power(value), GPU)


@pytest.mark.parametrize("value", [0, 1, 70_000, 3_000_000])
def test_a_power_that_may_be_is_kept(value):
    assert why_implausible(power(value), GPU) is None


def test_an_unit_is_what_the_meter_declares():
    wall = Domain("wall", "wall", "wall", "Wh", "w", scale=3600.0, power_scale=1.0, max_power_w=2e4)
    reading = Reading(0, "wall", "power", 15_000, "W", "wall:instant")
    assert why_implausible(reading, wall) is None and why_implausible(
        reading._replace(value=25_000), wall
    )


def test_no_power_for_long_is_unknown_and_once_is_not():
    plausible = PlausibilityCheck(GPU)
    assert plausible.why_implausible(power(0)) is None
    assert plausible.why_implausible(power(0, ZERO_S - 1)) is None
    assert plausible.why_implausible(power(0, ZERO_S + 1))
    assert plausible.why_implausible(power(5, ZERO_S + 2)) is None
    assert plausible.why_implausible(power(0, ZERO_S + 3)) is None


def test_garbage_is_one_event_a_stretch_and_no_value(kept, clock):
    class Garbled(Flaky):
        domain = GPU
        values = iter([9, 2**32 - 1, 2**32 - 1, 9, -1, 9])

        def read(self, everything=False):
            return [power(next(self.values), clock.now_s)]

    with clock.running():
        loop = SamplingLoop([Garbled()], kept.trace(), kept.log())
        for _ in range(6):
            loop.sample(slow=False)
    assert [r.value for r in kept.of("power")] == [9, 9, 9]
    assert kept.events == [("value-refused", "power")] * 2


def test_events_name_the_quantity_that_they_concern(tmp_path):
    writer = EventWriter(tmp_path / "events.jsonl", 3)
    writer.write(5, "quantity-lost", "gpu:0", "why", quantity="temperature")
    writer.write(6, "meter-lost", "gpu:0", "why")
    first, second = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
    assert first["quantity"] == "temperature" and "quantity" not in second
