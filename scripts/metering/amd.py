"""AMD GPUs through AMD SMI: the socket's energy (a counter) and power, and the state around them.

Source: AMD SMI's Python interface (package ``amdsmi``, of the release of the driver's ROCm).
``amdsmi_get_energy_count`` gives an accumulator and the microjoules in one unit of it, 15.3 on the
MI series; the trace has the accumulator as it is. What a board does not have is "N/A", an unsigned
integer of ones or an exception, by version.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from metering.activity import ForeignProcesses
from metering.meter import (
    MAX_POWER_W,
    Domain,
    Meter,
    MeterEvent,
    Missing,
    Reading,
    error_message,
    timed,
)
from metering.pace import DENSE_SHARE, POWER, SHARE, SLOW, PacedCounter, RateLimiter
from metering.probes import Probe, Probes, supported
from metering.visible import select

# What an unsigned integer without a value looks like.
_NONE = {0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
_KFD = Path("/dev/kfd")
_users = 0
_lock = threading.Lock()


class AmdGpu:
    """One GPU; see `Meter`."""

    name = "amdsmi"

    def __init__(
        self,
        smi: ModuleType,
        domain: Domain,
        counter: PacedCounter | None,
        power: Probe | None,
        slow: Probes,
        share: float,
    ) -> None:
        _open(smi)  # one user each, so each can be closed by itself
        self.domain = domain
        self._smi, self._counter, self._power, self._slow = smi, counter, power, slow
        self._paced = RateLimiter(share)
        self._lost = False
        self._new_events: list[MeterEvent] = []

    def read(self, everything: bool = False) -> list[Reading]:
        """What is due of the counter, and of power. Power beside a counter may fail."""
        readings = self._counter.read(everything) if self._counter else []
        if self._power and (everything or self._paced.due()):
            try:
                t_ns, watts = self._paced.call(lambda: timed(self._power.read))
            except Exception as error:
                if self._counter is None:
                    raise
                if not self._lost:
                    self._new_events.append(
                        MeterEvent("quantity-lost", error_message(error), "power")
                    )
                self._lost = True
                return readings
            if self._lost:
                self._lost = False
                self._new_events.append(
                    MeterEvent("quantity-back", "it can be read again", "power")
                )
            source = f"{self.name}:{self._power.way}"
            readings.append(Reading(t_ns, self.domain.domain, "power", watts, "W", source))
        return readings

    def read_slow(self) -> list[Reading]:
        """Temperature, clock, limit, utilisation and other processes, where supported."""
        return self._slow.read()

    def new_events(self) -> list[MeterEvent]:
        """What was lost of power and state, and came back."""
        found, self._new_events = self._new_events, []
        return found + self._slow.new_events()

    def close(self) -> None:
        """Give this GPU's use of AMD SMI back."""
        _close(self._smi)


def find(
    environ: Mapping[str, str], proc_root: Path = Path("/proc")
) -> tuple[list[Meter], list[Missing]]:
    """A meter for every AMD GPU that HIP would show a process with this environment; silent where
    nothing hints at one."""
    try:
        import amdsmi
    except ImportError as error:
        if not _KFD.exists():
            return [], []
        remedy = "pip install amdsmi, of the release of ROCm (or of /opt/rocm/share/amd_smi)"
        return [], [Missing("amdsmi", f"an AMD GPU, but {error_message(error)}", remedy)]
    except Exception as error:  # it loads its library on import, and raises what it likes
        why = f"the Python package amdsmi does not import: {error_message(error)}"
        return [], [Missing("amdsmi", why, "install ROCm's libraries, of the release of amdsmi")]
    try:
        _open(amdsmi)
    except Exception as error:
        why = f"AMD SMI does not start: {error_message(error)}"
        return [], [Missing("amdsmi", why, "load the driver (modprobe amdgpu) and try amd-smi")]
    try:
        return _find(amdsmi, environ, proc_root)
    except Exception as error:
        why = f"AMD SMI failed while listing the GPUs: {error_message(error)}"
        return [], [Missing("amdsmi", why, "see whether amd-smi list works")]
    finally:
        _close(amdsmi)


def _open(smi: ModuleType) -> None:
    """The library does not count its users: we do."""
    global _users
    with _lock:
        if _users == 0:
            smi.amdsmi_init()
        _users += 1


def _close(smi: ModuleType) -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            smi.amdsmi_shut_down()


def _find(
    smi: ModuleType, environ: Mapping[str, str], proc_root: Path
) -> tuple[list[Meter], list[Missing]]:
    handles, order = _in_hip_order(smi, smi.amdsmi_get_processor_handles())
    uuids = [_value_or_none(smi.amdsmi_get_gpu_device_uuid, handle) or "" for handle in handles]
    positions: list[int | None] = list(range(len(handles)))
    missing: list[Missing] = []
    # ROCr hides first, HIP from what is left; HIP obeys CUDA's variable too.
    hip = "HIP_VISIBLE_DEVICES" if "HIP_VISIBLE_DEVICES" in environ else "CUDA_VISIBLE_DEVICES"
    for variable in ("ROCR_VISIBLE_DEVICES", hip):
        chosen = select([uuids[at] for at in positions], environ.get(variable))
        positions = [positions[at] for at in chosen.positions if at is not None]
        missing += [
            Missing("amdsmi", f"{variable}: {problem}", "name GPUs by their index")
            for problem in chosen.problems
        ]
    # Where NVIDIA's driver is too, the worker's gpu:0 may be one of its GPUs.
    beside = (proc_root / "driver/nvidia").exists()
    meters = []
    for number, at in enumerate(positions):
        domain = f"gpu:amd-{number}" if beside else f"gpu:{number}"
        details = {"uuid": uuids[at] or None, "index_order": order}
        found, lacking = _meter(smi, handles[at], domain, details, len(positions))
        meters += found
        missing += lacking
    if not handles:
        missing.append(Missing("amdsmi", "AMD SMI finds no GPU", "see amd-smi list"))
    return meters, missing


def _in_hip_order(smi: ModuleType, handles: list) -> tuple[list, str]:
    """The GPUs as HIP numbers them, where AMD SMI knows."""
    ids = [
        _value_or_none(lambda h=h: smi.amdsmi_get_gpu_enumeration_info(h)["hip_id"])
        for h in handles
    ]
    if handles and all(isinstance(one, int) for one in ids) and len(set(ids)) == len(ids):
        pairs = sorted(zip(ids, range(len(handles)), strict=True))
        return [handles[at] for _, at in pairs], "certain: as HIP numbers them"
    return handles, "assumed: AMD SMI's own order"


def _meter(
    smi: ModuleType, handle, domain: str, details: dict, gpus: int
) -> tuple[list[Meter], list[Missing]]:
    asic = _value_or_none(smi.amdsmi_get_gpu_asic_info, handle) or {}
    name = asic.get("market_name") if asic.get("market_name") not in (None, "", "N/A") else None

    def energy() -> dict[str, Any]:
        answer = smi.amdsmi_get_energy_count(handle)
        # Before 6.1 the accumulator was called power.
        value = answer.get("energy_accumulator", answer.get("power"))
        if not (_number(answer["counter_resolution"]) > 0):
            raise ValueError(f"one count is {answer['counter_resolution']} microjoules")
        return {"count": int(_number(value)), "uj": float(answer["counter_resolution"])}

    def power(key: str) -> Callable[[], float]:
        return lambda: _above_zero(_number(smi.amdsmi_get_power_info(handle)[key]))

    usable, refused = supported(
        [
            Probe("energy", "count", lambda: energy()["count"]),
            Probe("power", "W", power("current_socket_power"), "instant"),
            Probe("power", "W", power("average_socket_power"), "average"),
        ]
    )
    counts = any(probe.quantity == "energy" for probe in usable)
    watts = next((probe for probe in usable if probe.quantity == "power"), None)
    if not counts and watts is None:
        why = f"{domain} gives neither energy nor power: {refused['average']}"
        return [], [Missing("amdsmi", why, "measure on the host, not in a virtual machine")]
    missing = []
    if not counts:
        why = f"energy counter of {domain}: {refused['energy']}; energy is integrated from power"
        missing.append(Missing("amdsmi", why, "use a GPU of the MI series"))
    resolution_uj = energy()["uj"] if counts else None
    counter = None
    if counts:

        def read_once() -> Reading:
            t_ns, answer = timed(energy)
            if answer["uj"] != resolution_uj:
                raise ValueError(f"one count is {answer['uj']} microjoules, not {resolution_uj}")
            return Reading(t_ns, domain, "energy", answer["count"], "count", "amdsmi")

        counter = PacedCounter(read_once, SHARE / gpus, DENSE_SHARE / gpus)
    slow, not_read = supported(_slow_probes(smi, handle))
    description = Domain(
        domain=domain,
        meter="amdsmi",
        source="amdsmi",
        unit="count" if counts else "W",
        label=f"GPU {domain.removeprefix('gpu:')}, {name or 'unknown model'} (AMD SMI, socket)",
        quantity="energy" if counts else "power",
        details={
            **details,
            "name": name,
            "driver_version": (_value_or_none(smi.amdsmi_get_gpu_driver_info, handle) or {}).get(
                "driver_version"
            ),
            "power": watts and watts.way,
            "not_read": tuple(f"{quantity}: {why}" for quantity, why in not_read.items()),
        },
        kind="gpu",
        scale=resolution_uj * 1e-6 if counts else 1.0,
        resolution=1.0 if counts else None,
        max_power_w=MAX_POWER_W["gpu"],
        power_scale=1.0 if counts and watts else None,
    )
    slowly = Probes(domain, "amdsmi", slow, SLOW / gpus)
    return [AmdGpu(smi, description, counter, watts, slowly, POWER / gpus)], missing


def _slow_probes(smi: ModuleType, handle) -> list[Probe]:
    """What is read beside energy and power."""
    strangers = ForeignProcesses(os.getppid(), os.getpid())

    def temperature() -> float:
        kind, metric = smi.AmdSmiTemperatureType, smi.AmdSmiTemperatureMetric.CURRENT
        return _number(smi.amdsmi_get_temp_metric(handle, kind.HOTSPOT, metric))

    def clock() -> float:
        answer = smi.amdsmi_get_clock_info(handle, smi.AmdSmiClkType.GFX)
        return _number(answer.get("clk", answer.get("cur_clk")))

    def limit() -> float:
        return _above_zero(_number(smi.amdsmi_get_power_info(handle)["power_limit"]))

    def foreign() -> int:
        return strangers.count({one["pid"] for one in smi.amdsmi_get_gpu_process_list(handle)})

    return [
        Probe("temperature", "C", temperature),
        Probe("clock_sm", "MHz", clock),
        Probe("power_limit", "W", limit),
        Probe(
            "utilisation",
            "1",
            lambda: _number(smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]) / 100,
        ),
        Probe("foreign_processes", "1", foreign),
    ]


def _number(value: Any) -> int | float:
    """A value that is there; raises ValueError where the library has none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value in _NONE:
        raise ValueError(f"AMD SMI says {value!r}")
    return value


def _above_zero(value: int | float) -> int | float:
    if not value > 0:
        raise ValueError(f"it reads {value}")
    return value


def _value_or_none(read: Callable[..., Any], *args: Any) -> Any:
    """What a call gives; None where it fails, for whatever reason."""
    try:
        return read(*args)
    except Exception:
        return None
