"""A machine whose power is known exactly, seen through meters that behave as the real ones do.

Time is virtual: every clock of the process stands on `Machine.now_s` while `Machine.running` is
entered, and only reads and sleeps advance it. The meters' behaviour was measured on an NVIDIA H100
(driver 580, see docs/metering.md); RAPL's is that of Intel's manual (SDM volume 3, 15.10).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from types import ModuleType, SimpleNamespace
from unittest import mock

import numpy as np

# Where virtual time begins on the monotonic clock, and how far ahead the wall clock is.
START_NS = 1_000_000_000_000
EPOCH_NS = 1_790_000_000_000_000_000
STEP_S = 5e-4

COUNTER_PERIOD_S = 0.100002
SAMPLE_PERIOD_S = 0.02
SAMPLES_KEPT = 119
# Mean delay between the load and what the sensor shows.
SENSOR_S = 0.006
RAPL_PERIOD_S = 0.000976
RAPL_UNIT_J = 2.0**-14
READ_COST_S = {
    "nvmlDeviceGetTotalEnergyConsumption": 0.0035,
    "nvmlDeviceGetPowerUsage": 2e-6,
    "nvmlDeviceGetFieldValues": 5e-6,
    "nvmlDeviceGetSamples": 3e-4,
    "energy_uj": 3e-5,
}


class Machine:
    """A GPU and a processor package of one known power.

    Args:
        watts: The power at every `STEP_S`, from time 0.
        seed: Of the meters' phases, jitter and noise.
        counter: False takes the GPU's energy counter away, as on boards before Volta.
        samples: False takes its buffer of power samples away.
        read_cost_s: By call; see `READ_COST_S`.
    """

    rapl_range_uj = 262_143_328_850

    def __init__(
        self,
        watts: np.ndarray,
        seed: int = 0,
        *,
        counter: bool = True,
        samples: bool = True,
        read_cost_s: Mapping[str, float] = READ_COST_S,
    ) -> None:
        self.now_s = 0.0
        self.cpu_s = 0.0
        self.read_cost_s = dict(READ_COST_S) | dict(read_cost_s)
        self.counter, self.samples = counter, samples
        self.seconds = len(watts) * STEP_S
        self._t = np.arange(len(watts) + 1) * STEP_S
        self._joules = np.concatenate([[0.0], np.cumsum(watts) * STEP_S])
        randoms = np.random.default_rng(seed)
        seen = _lowpass(watts, SENSOR_S)
        self._seen = np.concatenate([[0.0], np.cumsum(seen) * STEP_S])
        count = int(self.seconds / COUNTER_PERIOD_S) + 2
        self._edge = (np.arange(count) + randoms.uniform()) * COUNTER_PERIOD_S
        self._shown = self._edge + _late(randoms, count, (0.8, 0.15, 0.05), (0.001, 0.008, 0.025))
        self._counter_mj = 20_000_000 + (self._upto(self._edge) * 1000).astype(np.int64)
        count = int(self.seconds / SAMPLE_PERIOD_S) + 2
        at = (np.arange(count) + randoms.uniform()) * SAMPLE_PERIOD_S
        mean_w = (self._upto(at) - self._upto(at - SAMPLE_PERIOD_S)) / SAMPLE_PERIOD_S
        gain = randoms.normal(1, 0.003)
        self._sample_mw = (mean_w * gain * randoms.normal(1, 0.002, count) * 1000).astype(int)
        late = _late(randoms, count, (0.75, 0.2, 0.05), (0.002, 0.011, 0.019))
        self._sample_s = np.maximum.accumulate(at + late)
        self._rapl_phase_s = randoms.uniform(0, RAPL_PERIOD_S)
        # It wraps around in the middle.
        self._rapl_start_j = self.rapl_range_uj * 1e-6 - self._joules[-1] / 2

    def joules(self, seconds) -> np.ndarray:
        """The true energy until then."""
        return np.interp(seconds, self._t, self._joules)

    def _upto(self, seconds) -> np.ndarray:
        """What the GPU's sensor has seen until then."""
        return np.interp(seconds, self._t, self._seen)

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.now_s += seconds

    def read(self, call: str) -> None:
        """Lets the time of a read pass."""
        self.now_s += self.read_cost_s[call]
        self.cpu_s += self.read_cost_s[call]

    def gpu_energy_mj(self) -> int:
        """What the counter shows now."""
        at = np.searchsorted(self._shown, self.now_s, "right") - 1
        return int(self._counter_mj[max(at, 0)])

    def gpu_instant_mw(self) -> int:
        """The newest sample as of the last update."""
        update = np.floor(self.now_s / COUNTER_PERIOD_S) * COUNTER_PERIOD_S
        return int(self._sample_mw[max(0, np.searchsorted(self._sample_s, update, "right") - 1)])

    def gpu_power_mw(self) -> int:
        """The mean over the second before the last update."""
        update = np.floor(self.now_s / COUNTER_PERIOD_S) * COUNTER_PERIOD_S
        return int((self._upto(update) - self._upto(update - 1)) * 1000)

    def gpu_samples(self, since_us: int) -> list[tuple[int, int]]:
        """The buffer's samples that are newer: (microseconds since the epoch, milliwatts)."""
        last = np.searchsorted(self._sample_s, self.now_s, "right")
        first = max(0, last - SAMPLES_KEPT)
        times_us = (EPOCH_NS + self._sample_s[first:last] * 1e9).astype(np.int64) // 1000
        pairs = zip(times_us.tolist(), self._sample_mw[first:last].tolist(), strict=True)
        return [(t_us, mw) for t_us, mw in pairs if t_us > since_us]

    def rapl_uj(self) -> int:
        """The package's counter now."""
        periods = np.floor((self.now_s - self._rapl_phase_s) / RAPL_PERIOD_S)
        update = max(0.0, periods * RAPL_PERIOD_S + self._rapl_phase_s)
        units = np.floor((self._rapl_start_j + float(self.joules(update))) / RAPL_UNIT_J)
        return int(units * RAPL_UNIT_J * 1e6) % self.rapl_range_uj

    @contextlib.contextmanager
    def running(self) -> Iterator[Machine]:
        """The process's clocks and sleep are this machine's, and so is `pynvml`."""

        def monotonic_ns() -> int:
            return START_NS + round(self.now_s * 1e9)

        clocks = {
            "monotonic_ns": monotonic_ns,
            "perf_counter_ns": monotonic_ns,
            "monotonic": lambda: monotonic_ns() / 1e9,
            "perf_counter": lambda: monotonic_ns() / 1e9,
            "time_ns": lambda: EPOCH_NS + round(self.now_s * 1e9),
            "time": lambda: (EPOCH_NS + round(self.now_s * 1e9)) / 1e9,
            "process_time": lambda: self.cpu_s,
            "process_time_ns": lambda: round(self.cpu_s * 1e9),
            "thread_time": lambda: self.cpu_s,
            "sleep": lambda seconds: self.advance(max(0.0, seconds)),
        }
        with (
            mock.patch.multiple(time, **clocks),
            mock.patch.dict("sys.modules", pynvml=fake_nvml(self)),
        ):
            yield self


def fake_nvml(machine: Machine) -> ModuleType:
    """The part of pynvml that meters use, of a machine with one GPU."""

    class NVMLError(Exception):
        def __init__(self, value: int = 3) -> None:
            super().__init__({3: "Not Supported", 6: "Not Found"}[value])
            self.value = value

    def read(call: str, value):
        def function(*arguments):
            machine.read(call)
            return value(*arguments)

        return function

    def refuse(*_):
        raise NVMLError

    def samples(handle, kind, since_us):
        pairs = machine.gpu_samples(since_us)
        if not pairs:
            raise NVMLError(6)
        kept = [
            SimpleNamespace(timeStamp=t_us, sampleValue=SimpleNamespace(uiVal=mw))
            for t_us, mw in pairs
        ]
        return 1, kept

    def fields(handle, ids):
        return [
            SimpleNamespace(
                fieldId=one,
                nvmlReturn=0,
                valueType=1,
                timestamp=time.time_ns() // 1000,
                value=SimpleNamespace(
                    uiVal=machine.gpu_instant_mw(), ullVal=machine.gpu_energy_mj()
                ),
            )
            for one in ids
        ]

    module = ModuleType("pynvml")
    constants = {
        "NVML_TEMPERATURE_GPU": 0,
        "NVML_CLOCK_SM": 1,
        "NVML_CLOCK_MEM": 2,
        "NVML_DEVICE_MIG_ENABLE": 1,
        "NVML_TOTAL_POWER_SAMPLES": 0,
        "NVML_FI_DEV_POWER_INSTANT": 186,
        "NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 83,
        "NVML_SUCCESS": 0,
        "NVML_VALUE_TYPE_UNSIGNED_INT": 1,
        "NVML_ERROR_LIBRARY_NOT_FOUND": 12,
        "NVML_ERROR_DRIVER_NOT_LOADED": 9,
        "NVML_ERROR_NO_PERMISSION": 4,
        "NVML_ERROR_NOT_FOUND": 6,
        "NVML_ERROR_LIB_RM_VERSION_MISMATCH": 18,
    }
    energy = "nvmlDeviceGetTotalEnergyConsumption"
    functions = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.0",
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetUUID": lambda handle: "GPU-known",
        "nvmlDeviceGetName": lambda handle: "NVIDIA H100 of known power",
        "nvmlDeviceGetPciInfo": lambda handle: SimpleNamespace(busId="00000000:01:00.0"),
        "nvmlDeviceGetMigMode": refuse,
        energy: read(energy, lambda h: machine.gpu_energy_mj()) if machine.counter else refuse,
        "nvmlDeviceGetPowerUsage": read(
            "nvmlDeviceGetPowerUsage", lambda h: machine.gpu_power_mw()
        ),
        "nvmlDeviceGetFieldValues": read("nvmlDeviceGetFieldValues", fields),
        "nvmlDeviceGetSamples": read("nvmlDeviceGetSamples", samples)
        if machine.samples
        else refuse,
        "nvmlDeviceGetTemperature": lambda handle, sensor: 50,
        "nvmlDeviceGetClockInfo": lambda handle, clock: 1980,
        "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 700_000,
        "nvmlDeviceGetPowerManagementDefaultLimit": lambda handle: 700_000,
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0,
        "nvmlDeviceGetUtilizationRates": lambda handle: SimpleNamespace(gpu=90, memory=50),
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [],
    }
    for name, value in {"NVMLError": NVMLError, **constants, **functions}.items():
        setattr(module, name, value)
    return module


def _lowpass(watts: np.ndarray, delay_s: float) -> np.ndarray:
    """A first-order sensor."""
    from scipy.signal import lfilter

    keep = np.exp(-STEP_S / delay_s)
    filtered, _ = lfilter([1 - keep], [1, -keep], watts, zi=[keep * watts[0]])
    return filtered


def _late(randoms: np.random.Generator, count: int, shares, limits_s) -> np.ndarray:
    """Delays: with each share, uniform up to its limit."""
    limit = randoms.choice(limits_s, count, p=shares)
    return randoms.uniform(0, 1, count) * limit
