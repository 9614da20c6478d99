"""Stands in for amdsmi: the same names and shapes of answers, driven by the JSON file FAKE_AMDSMI.

Its keys: ``init_error``, and ``gpus``, a list of: uuid, name, hip_id, count (the accumulator),
resolution_uj, old_names (as before 6.1), current_w and average_w ("N/A" where not given), limit_w,
pids, raises (the functions that do).
"""

import enum
import json
import os
from pathlib import Path

if os.environ.get("FAKE_AMDSMI_IMPORT"):
    raise KeyError(os.environ["FAKE_AMDSMI_IMPORT"])  # as where libamd_smi.so is not found


class AmdSmiException(Exception):
    """As in amdsmi."""


class AmdSmiTemperatureType(enum.IntEnum):
    HOTSPOT = 1


class AmdSmiTemperatureMetric(enum.IntEnum):
    CURRENT = 0


class AmdSmiClkType(enum.IntEnum):
    GFX = 0


_users = 0


def _script():
    return json.loads(Path(os.environ["FAKE_AMDSMI"]).read_text())


def _gpu(handle, function):
    if _users != 1:
        raise AmdSmiException(f"initialised {_users} times")
    gpu = _script()["gpus"][handle]
    if function in gpu.get("raises", ()):
        raise AmdSmiException("Error code:\n\t2 | AMDSMI_STATUS_NOT_SUPPORTED")
    return gpu


def amdsmi_init():
    global _users
    if _script().get("init_error"):
        raise AmdSmiException(_script()["init_error"])
    _users += 1


def amdsmi_shut_down():
    global _users
    _users -= 1


def amdsmi_get_processor_handles():
    return list(range(len(_script()["gpus"])))


def amdsmi_get_gpu_device_uuid(handle):
    return _gpu(handle, "amdsmi_get_gpu_device_uuid")["uuid"]


def amdsmi_get_gpu_enumeration_info(handle):
    return {"hip_id": _gpu(handle, "amdsmi_get_gpu_enumeration_info").get("hip_id", "N/A")}


def amdsmi_get_gpu_asic_info(handle):
    return {"market_name": _gpu(handle, "amdsmi_get_gpu_asic_info").get("name", "N/A")}


def amdsmi_get_gpu_driver_info(handle):
    _gpu(handle, "amdsmi_get_gpu_driver_info")
    return {"driver_version": "6.12.12"}


def amdsmi_get_energy_count(handle):
    gpu = _gpu(handle, "amdsmi_get_energy_count")
    name = "power" if gpu.get("old_names") else "energy_accumulator"
    return {
        name: gpu.get("count", 1000),
        "counter_resolution": gpu.get("resolution_uj", 15.25),
        "timestamp": 77,
    }


def amdsmi_get_power_info(handle):
    gpu = _gpu(handle, "amdsmi_get_power_info")
    return {
        "current_socket_power": gpu.get("current_w", "N/A"),
        "average_socket_power": gpu.get("average_w", "N/A"),
        "power_limit": gpu.get("limit_w", "N/A"),
    }


def amdsmi_get_temp_metric(handle, sensor, metric):
    _gpu(handle, "amdsmi_get_temp_metric")
    return 55


def amdsmi_get_clock_info(handle, kind):
    _gpu(handle, "amdsmi_get_clock_info")
    return {"clk": 2100}


def amdsmi_get_gpu_activity(handle):
    _gpu(handle, "amdsmi_get_gpu_activity")
    return {"gfx_activity": 40}


def amdsmi_get_gpu_process_list(handle):
    return [{"pid": pid} for pid in _gpu(handle, "amdsmi_get_gpu_process_list").get("pids", ())]
