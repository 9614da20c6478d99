"""Stands in for pynvml: the same names, constants, errors and units, driven by a JSON file.

The file, named by FAKE_NVML, is read at every call, so a test can change the GPUs while they are
metered. Its keys: ``driver``, ``init_error`` (an NVML error code) and ``gpus``, a list of:

uuid, name, mig, power_mw, limit_mw, start_mj, start_ns (CLOCK_MONOTONIC), period_ms (how often the
energy counter moves), instant_mw (the power now; power_mw is then a mean), sample_ms (how far
apart the driver's samples of the power are; none without), processes (their pids), frozen_at_mj,
error (a code that every call then raises), unsupported (a list of the functions that raise "Not
Supported"), raises (by function, which exception: see `_RAISED`), blocks (functions that never come
back), module_mw (the power of the module that the board is on), sample_shift_ms (how far the
samples' stamps are from their times), sample_none (there are none, now) and sample_stuck_us (the
stamp of them all).
"""

import ctypes
import json
import os
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

NVML_ERROR_UNINITIALIZED = 1
NVML_ERROR_INVALID_ARGUMENT = 2
NVML_ERROR_NOT_SUPPORTED = 3
NVML_ERROR_NO_PERMISSION = 4
NVML_ERROR_NOT_FOUND = 6
NVML_ERROR_DRIVER_NOT_LOADED = 9
NVML_ERROR_LIBRARY_NOT_FOUND = 12
NVML_ERROR_FUNCTION_NOT_FOUND = 13
NVML_ERROR_GPU_IS_LOST = 15
NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18
NVML_ERROR_UNKNOWN = 999
NVML_TEMPERATURE_GPU = 0
NVML_CLOCK_SM = 1
NVML_CLOCK_MEM = 2
NVML_DEVICE_MIG_ENABLE = 1
NVML_SUCCESS = 0
NVML_TOTAL_POWER_SAMPLES = 0
NVML_FI_DEV_POWER_INSTANT = 186
NVML_POWER_SCOPE_GPU = 0
NVML_POWER_SCOPE_MODULE = 1


class NVMLError(Exception):
    """As in pynvml: ``NVMLError(code)`` makes the subclass of that code."""

    _subclasses: ClassVar[dict] = {}
    _words: ClassVar[dict] = {
        NVML_ERROR_UNINITIALIZED: "Uninitialized",
        NVML_ERROR_INVALID_ARGUMENT: "Invalid Argument",
        NVML_ERROR_NOT_SUPPORTED: "Not Supported",
        NVML_ERROR_NO_PERMISSION: "Insufficient Permissions",
        NVML_ERROR_NOT_FOUND: "Not Found",
        NVML_ERROR_DRIVER_NOT_LOADED: "Driver Not Loaded",
        NVML_ERROR_LIBRARY_NOT_FOUND: "NVML Shared Library Not Found",
        NVML_ERROR_FUNCTION_NOT_FOUND: "Function Not Found",
        NVML_ERROR_GPU_IS_LOST: "GPU is lost",
        NVML_ERROR_LIB_RM_VERSION_MISMATCH: "RM has detected an NVML/RM version mismatch.",
        NVML_ERROR_UNKNOWN: "Unknown Error",
    }

    def __new__(cls, value):
        error = Exception.__new__(cls._subclasses.get(value, cls))
        error.value = value
        return error

    def __str__(self):
        return self._words[self.value]


class NVMLError_NotSupported(NVMLError):
    def __new__(cls):
        return NVMLError(NVML_ERROR_NOT_SUPPORTED)


class NVMLError_GpuIsLost(NVMLError):
    def __new__(cls):
        return NVMLError(NVML_ERROR_GPU_IS_LOST)


NVMLError._subclasses = {
    NVML_ERROR_NOT_SUPPORTED: NVMLError_NotSupported,
    NVML_ERROR_GPU_IS_LOST: NVMLError_GpuIsLost,
}


class NVMLLibraryMismatchError(Exception):
    """As in pynvml: no NVMLError."""


# What the real binding raises beside its own errors: for a library that lacks a function, a
# structure that it does not know, a name that it lacks, a value that does not fit, a text.
_RAISED = {
    "FunctionNotFound": lambda: NVMLError(NVML_ERROR_FUNCTION_NOT_FOUND),
    "Unknown": lambda: NVMLError(NVML_ERROR_UNKNOWN),
    "Mismatch": lambda: NVMLLibraryMismatchError("Unversioned function called and the ..."),
    "AttributeError": lambda: AttributeError("module 'pynvml' has no attribute"),
    "TypeError": lambda: TypeError("'NoneType' object cannot be interpreted as an integer"),
    "ArgumentError": lambda: ctypes.ArgumentError("argument 1: TypeError: wrong type"),
    "StructError": lambda: struct.error("unpack requires a buffer of 4 bytes"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    "EIO": lambda: OSError(5, "Input/output error"),
}

_users = 0


def _script():
    return json.loads(Path(os.environ["FAKE_NVML"]).read_text())


def _gpu(handle, function):
    if _users == 0:
        raise NVMLError(NVML_ERROR_UNINITIALIZED)
    gpu = _script()["gpus"][handle]
    if gpu.get("error"):
        raise NVMLError(gpu["error"])
    if function in gpu.get("unsupported", ()):
        raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
    _misbehave(gpu, function)
    return gpu


def _misbehave(script, function):
    while function in script.get("blocks", ()):
        time.sleep(60)  # a signal does not end it, as it does not end a call into the driver
    if (kind := script.get("raises", {}).get(function)) is not None:
        raise _RAISED[kind]()


def nvmlInit():
    global _users
    if _script().get("init_error"):
        raise NVMLError(_script()["init_error"])
    _misbehave(_script(), "nvmlInit")
    _users += 1


def nvmlShutdown():
    global _users
    if _users == 0:
        raise NVMLError(NVML_ERROR_UNINITIALIZED)
    _users -= 1


def nvmlSystemGetDriverVersion():
    _misbehave(_script(), "nvmlSystemGetDriverVersion")
    return _script().get("driver", "550.54.15")


def nvmlDeviceGetCount():
    _misbehave(_script(), "nvmlDeviceGetCount")
    return len(_script()["gpus"])


def nvmlDeviceGetHandleByIndex(index):
    _gpu(index, "nvmlDeviceGetHandleByIndex")
    return index


def nvmlDeviceGetUUID(handle):
    return _gpu(handle, "nvmlDeviceGetUUID")["uuid"]


def nvmlDeviceGetName(handle):
    return _gpu(handle, "nvmlDeviceGetName").get("name", "NVIDIA A10")


def nvmlDeviceGetPciInfo(handle):
    _gpu(handle, "nvmlDeviceGetPciInfo")
    return SimpleNamespace(busId=f"00000000:{handle + 1:02X}:00.0")


def nvmlDeviceGetMigMode(handle):
    gpu = _gpu(handle, "nvmlDeviceGetMigMode")
    if "mig" not in gpu:
        raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
    return [int(gpu["mig"]), int(gpu["mig"])]


def nvmlDeviceGetTotalEnergyConsumption(handle):
    gpu = _gpu(handle, "nvmlDeviceGetTotalEnergyConsumption")
    if "frozen_at_mj" in gpu:
        return gpu["frozen_at_mj"]
    period_s = gpu.get("period_ms", 100) / 1e3
    steps = (time.monotonic_ns() - gpu.get("start_ns", 0)) * 1e-9 // period_s
    return int(gpu.get("start_mj", 0) + steps * period_s * gpu.get("power_mw", 150_000))


def nvmlDeviceGetPowerUsage(handle):
    return _gpu(handle, "nvmlDeviceGetPowerUsage").get("power_mw", 150_000)


def nvmlDeviceGetFieldValues(handle, fields):
    gpu = _gpu(handle, "nvmlDeviceGetFieldValues")
    found = []
    for field in fields:
        number, scope = field if isinstance(field, tuple) else (field, NVML_POWER_SCOPE_GPU)
        key = {NVML_POWER_SCOPE_GPU: "instant_mw", NVML_POWER_SCOPE_MODULE: "module_mw"}[scope]
        known = key in gpu
        found.append(
            SimpleNamespace(
                fieldId=number,
                scopeId=scope,
                nvmlReturn=NVML_SUCCESS if known else NVML_ERROR_NOT_SUPPORTED,
                value=SimpleNamespace(uiVal=gpu.get(key, 0)),
            )
        )
    return found


def nvmlDeviceGetSamples(handle, kind, since_us):
    gpu = _gpu(handle, "nvmlDeviceGetSamples")
    if kind != NVML_TOTAL_POWER_SAMPLES or "sample_ms" not in gpu:
        raise NVMLError(NVML_ERROR_NOT_SUPPORTED)
    step_us = gpu["sample_ms"] * 1000
    last = time.time_ns() // 1000 // step_us
    shift_us = round(gpu.get("sample_shift_ms", 0) * 1000)
    stamps = [n * step_us + shift_us for n in range(last - 118, last + 1)]
    if "sample_stuck_us" in gpu:
        stamps = [gpu["sample_stuck_us"]] * len(stamps)
    samples = [
        SimpleNamespace(
            timeStamp=stamp, sampleValue=SimpleNamespace(uiVal=gpu.get("power_mw", 150_000))
        )
        for stamp in stamps
        if stamp > since_us and not gpu.get("sample_none")
    ]
    if not samples:
        raise NVMLError(NVML_ERROR_NOT_FOUND)
    return 1, samples


def nvmlDeviceGetTemperature(handle, sensor):
    assert sensor == NVML_TEMPERATURE_GPU
    _gpu(handle, "nvmlDeviceGetTemperature")
    return 41


def nvmlDeviceGetClockInfo(handle, type):
    _gpu(handle, "nvmlDeviceGetClockInfo")
    return {NVML_CLOCK_SM: 1695, NVML_CLOCK_MEM: 6251}[type]


def nvmlDeviceGetEnforcedPowerLimit(handle):
    return _gpu(handle, "nvmlDeviceGetEnforcedPowerLimit").get("limit_mw", 150_000)


def nvmlDeviceGetPowerManagementDefaultLimit(handle):
    _gpu(handle, "nvmlDeviceGetPowerManagementDefaultLimit")
    return 150_000


def nvmlDeviceGetCurrentClocksThrottleReasons(handle):
    _gpu(handle, "nvmlDeviceGetCurrentClocksThrottleReasons")
    return 0x4


def nvmlDeviceGetComputeRunningProcesses(handle):
    gpu = _gpu(handle, "nvmlDeviceGetComputeRunningProcesses")
    return [SimpleNamespace(pid=pid) for pid in gpu.get("processes", ())]


def nvmlDeviceGetUtilizationRates(handle):
    _gpu(handle, "nvmlDeviceGetUtilizationRates")
    return SimpleNamespace(gpu=8, memory=3)
