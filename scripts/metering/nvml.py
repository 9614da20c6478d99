"""NVIDIA GPUs through NVML: board energy (mJ), power (mW) and the state around them.

Source: the NVML API reference, through ``pynvml`` (package nvidia-ml-py). The energy counter,
``nvmlDeviceGetTotalEnergyConsumption``, exists from Volta on, counts the whole board since the
driver was loaded, and moves about every 100 ms. Between two moves the driver's own buffer of power
samples (``nvmlDeviceGetSamples``, 20 ms apart on an H100) says how the energy was spread.
"""

import os
from collections.abc import Mapping
from types import ModuleType

from metering.activity import ForeignProcesses
from metering.meter import (
    MAX_POWER_W,
    Domain,
    Meter,
    MeterEvent,
    MeterGoneError,
    Missing,
    Reading,
    error_message,
    timed,
)
from metering.nvml_library import (
    GPU_IS_LOST,
    UNKNOWN,
    error_code,
    load_library,
    read_field,
    text,
    try_call,
)
from metering.nvml_power import Power, PowerSamples
from metering.pace import ALONE, DENSE_SHARE, POWER, SHARE, SLOW, PacedCounter
from metering.probes import Probe, Probes, supported
from metering.visible import select

# Boards that share a module with a processor: their counter is the module's (NVML API reference,
# NVML_POWER_SCOPE_MODULE).
_MODULES = ("GH200", "GB200", "GB300", "Grace")
# The GPUs of such a module, its processor, and their memory.
MODULE_MAX_POWER_W = 2 * MAX_POWER_W["gpu"]


class NvmlGpu:
    """One GPU; see `Meter`."""

    name = "nvml"

    def __init__(
        self,
        nvml: ModuleType,
        domain: Domain,
        counter: PacedCounter | None,
        power: Power | None,
        slow: Probes,
    ):
        nvml.nvmlInit()  # NVML counts its users: one for each GPU, so each can be closed by itself
        self.domain = domain
        self._nvml = nvml
        self._counter, self._power, self._slow = counter, power, slow

    def read(self, everything: bool = False) -> list[Reading]:
        """What is due of the energy counter, and of power. Power beside a counter may fail."""
        try:
            readings = self._counter.read(everything) if self._counter else []
            readings += self._power.read(everything) if self._power else []
            if self._counter is None and self._power.failure:
                raise self._power.failure
        except Exception as error:
            if error_code(error) == GPU_IS_LOST:
                raise MeterGoneError(str(error)) from error
            raise
        return readings

    def read_slow(self) -> list[Reading]:
        """Temperature, clocks, power limit, throttle reasons and utilisation, where supported."""
        return self._slow.read()

    def new_events(self) -> list[MeterEvent]:
        """What was lost of power and state, and came back."""
        return (self._power.new_events() if self._power else []) + self._slow.new_events()

    def close(self) -> None:
        """Give this GPU's use of NVML back."""
        self._nvml.nvmlShutdown()


def find(environ: Mapping[str, str]) -> tuple[list[Meter], list[Missing]]:
    """A meter for every GPU that CUDA would show a process with this environment.

    Domain ``gpu:N`` is the N-th visible GPU; its UUID is in the details.
    """
    nvml, absent = load_library()
    if nvml is None:
        return [], [absent]
    try:
        return _find(nvml, environ)
    except Exception as error:  # of the library or its binding: the other meters stay
        return [], [
            Missing(
                "nvml",
                f"NVML failed while listing the GPUs: {error_message(error)}",
                "see whether nvidia-smi works; it asks the same library",
            )
        ]
    finally:
        try_call(nvml.nvmlShutdown)


def gpu_facts(environ: Mapping[str, str]) -> list[dict] | None:
    """What identifies each measurable GPU (UUID, name, driver, limits); None without NVML."""
    meters, _ = find(environ)
    facts = [{"domain": meter.domain.domain, **meter.domain.details} for meter in meters]
    for meter in meters:
        try_call(meter.close)
    return facts or None


def _find(nvml: ModuleType, environ: Mapping[str, str]) -> tuple[list[Meter], list[Missing]]:
    handles, uuids, missing = [], [], []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle, why = try_call(nvml.nvmlDeviceGetHandleByIndex, index)
        uuid = None
        if why is None:
            uuid, why = try_call(lambda handle=handle: text(nvml.nvmlDeviceGetUUID(handle)))
        if why is not None and (handle is None or not _responds(nvml, handle)):
            # Keep its place: the indices after it still count it.
            handle = None
            why = f"GPU {index} does not answer: {why}"
            missing.append(Missing("nvml", why, "reset the GPU, or leave it out by UUID"))
        elif uuid is None:
            why = f"GPU {index} has no UUID" + (f": {why}" if why else "")
            missing.append(Missing("nvml", why, "choose GPUs by their index"))
        handles.append(handle)
        uuids.append(uuid or "")

    variable = environ.get("CUDA_VISIBLE_DEVICES")
    selection = select(uuids, variable)
    missing += [
        Missing("nvml", f"CUDA_VISIBLE_DEVICES={variable}: {problem}", "name GPUs that exist, once")
        for problem in selection.problems
    ]
    if not selection.positions:
        missing.append(_none_visible(len(handles), variable))

    assumption, risk = _describe_order(nvml, handles, variable, environ.get("CUDA_DEVICE_ORDER"))
    if risk and selection.positions:
        missing.append(risk)

    meters = []
    for visible_index, position in enumerate(selection.positions):
        domain = f"gpu:{visible_index}"
        handle = None if position is None else handles[position]
        if position is None or (handle is not None and _in_mig_mode(nvml, handle)):
            missing.append(
                Missing(
                    "nvml",
                    f"{domain} is a MIG instance: NVML counts the energy of the whole board only",
                    "switch MIG mode off, or use a GPU that is not divided",
                )
            )
        elif handle is not None:
            details = {
                "uuid": uuids[position] or None,
                "nvml_index": position,
                "index_order": assumption,
            }
            meter, lacking = _open_gpu(nvml, handle, domain, details, len(selection.positions))
            meters += meter
            missing += lacking
    return meters, missing


def _responds(nvml: ModuleType, handle) -> bool:
    """Whether a device answers at all, though it does not say who it is."""
    _, why = try_call(nvml.nvmlDeviceGetPowerUsage, handle)
    _, other = try_call(nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return why is None or other is None


def _none_visible(count: int, variable: str | None) -> Missing:
    if count == 0:
        return Missing("nvml", "NVML finds no GPU", "see whether nvidia-smi -L lists one")
    return Missing(
        "nvml",
        f"CUDA_VISIBLE_DEVICES={variable} hides all {count} GPUs",
        "unset it, or name the GPU to measure",
    )


def _describe_order(
    nvml: ModuleType, handles: list, variable: str | None, order: str | None
) -> tuple[str, Missing | None]:
    """How indices were matched. NVML numbers by PCI bus; CUDA by speed, unless told otherwise."""
    by_uuid = variable is not None and variable.strip().startswith("GPU-")
    if order == "PCI_BUS_ID" or by_uuid or len(handles) < 2:
        return "certain: by PCI bus or UUID", None
    names = {try_call(nvml.nvmlDeviceGetName, h)[0] for h in handles if h is not None}
    if len(names) == 1 and None not in names:
        return "assumed: GPUs of one kind, which CUDA's fastest-first order leaves by PCI bus", None
    return "assumed: by PCI bus, but the GPUs differ and CUDA puts the fastest first", Missing(
        "nvml",
        "the GPUs differ and CUDA_DEVICE_ORDER is not PCI_BUS_ID: "
        "the GPU that is metered may not be the one that works",
        "export CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPU by UUID in CUDA_VISIBLE_DEVICES",
    )


def _open_gpu(
    nvml: ModuleType, handle, domain: str, details: dict, gpus: int
) -> tuple[list[Meter], list[Missing]]:
    identity, missing = _identity(nvml, handle, domain)
    module = any(word in (identity["name"] or "") for word in _MODULES)
    instant = lambda: read_field(nvml, handle, nvml.NVML_FI_DEV_POWER_INSTANT, int(module))  # noqa: E731
    ways = [
        Probe("energy", "mJ", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
        # Above zero: no board that runs draws none. From Ampere on ...PowerUsage is a mean over a
        # second (NVML API reference).
        Probe("power", "mW", lambda: _nonzero(instant()), "instant"),
        Probe("power", "mW", lambda: _nonzero(nvml.nvmlDeviceGetPowerUsage(handle)), "average"),
    ]
    usable, refused = supported(ways, lambda error: error_code(error) == UNKNOWN)
    counted = next((probe for probe in usable if probe.quantity == "energy"), None)
    direct = [probe for probe in usable if probe.quantity == "power"]
    samples, _ = try_call(PowerSamples, nvml, handle)
    if counted is None and not direct and not (samples and samples.works):
        why = f"{domain} gives neither energy nor power: {refused['average']}"
        return [], [Missing("nvml", why, "measure on the host, or on a GPU that reports power")]
    if counted is None:
        why = f"energy counter of {domain} not supported; energy is integrated from power"
        if not refused["energy"].endswith("Not Supported"):
            why += f" ({refused['energy']})"
        missing.append(Missing("nvml", why, "use a GPU of the Volta generation or newer"))
    elif not direct and not (samples and samples.works):
        why = f"{domain} gives no power beside its counter: {refused['average']}"
        missing.append(Missing("nvml", why, "nothing: short windows are less certain"))

    power = Power(domain, "nvml", samples, direct, POWER / gpus) if samples or direct else None
    counter = None
    if counted is not None:
        # Without samples the counter alone says what lies between two of its readings.
        share = (SHARE if samples and samples.works else ALONE) / gpus

        def read_once() -> Reading:
            t_ns, value = timed(counted.read)
            return Reading(t_ns, domain, "energy", value, "mJ", "nvml")

        counter = PacedCounter(read_once, share, DENSE_SHARE / gpus)
    slow, not_read = supported(_slow_probes(nvml, handle))
    details = {
        **details,
        **identity,
        "power": power and power.way,
        "not_read": tuple(f"{quantity}: {why}" for quantity, why in not_read.items()),
        "scope": "module" if module else "board",
    }
    number, name = domain.removeprefix("gpu:"), identity["name"] or "unknown model"
    description = Domain(
        domain=domain,
        meter="nvml",
        source="nvml",
        unit="mJ" if counted else "mW",
        label=f"GPU {number}, {name} (NVML, whole {'module' if module else 'board'})",
        quantity="energy" if counted else "power",
        details=details,
        kind="gpu",
        scale=1e-3,
        resolution=1.0,
        contains=("cpu:*",) if module else (),
        max_power_w=MODULE_MAX_POWER_W if module else MAX_POWER_W["gpu"],
        power_scale=1e-3 if counted and power else None,
    )
    meter = NvmlGpu(nvml, description, counter, power, Probes(domain, "nvml", slow, SLOW / gpus))
    return [meter], missing


def _slow_probes(nvml: ModuleType, handle) -> list[Probe]:
    """What is read beside energy and power."""
    strangers = ForeignProcesses(os.getppid(), os.getpid())

    def foreign() -> int:
        running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        return strangers.count({process.pid for process in running})

    return [
        Probe(
            "temperature",
            "C",
            lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        ),
        Probe("clock_sm", "MHz", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
        Probe("clock_mem", "MHz", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
        Probe("power_limit", "mW", lambda: _nonzero(nvml.nvmlDeviceGetEnforcedPowerLimit(handle))),
        # The older name: drivers before 535 do not know ...EventReasons.
        Probe(
            "throttle_reasons",
            "bits",
            lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
        ),
        Probe("utilisation", "1", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
        Probe("foreign_processes", "1", foreign),
    ]


def _nonzero(value: int) -> int:
    """A power or a limit, which is never none."""
    if not value > 0:
        raise ValueError(f"it reads {value}")
    return value


def _identity(nvml: ModuleType, handle, domain: str) -> tuple[dict, list[Missing]]:
    """What the device says of itself, None where it does not, and one line on that."""
    queries = {
        "name": lambda: text(nvml.nvmlDeviceGetName(handle)),
        "pci_bus_id": lambda: text(nvml.nvmlDeviceGetPciInfo(handle).busId),
        "driver_version": lambda: text(nvml.nvmlSystemGetDriverVersion()),
        "power_limit_mw": lambda: _nonzero(nvml.nvmlDeviceGetEnforcedPowerLimit(handle)),
        "default_power_limit_mw": lambda: _nonzero(
            nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle)
        ),
    }
    found = {key: try_call(read) for key, read in queries.items()}
    lacking = [f"{key} ({why or 'empty'})" for key, (value, why) in found.items() if value is None]
    missing = []
    if lacking:
        why = f"{domain} does not say, and it is unknown: {', '.join(lacking)}"
        missing.append(Missing("nvml", why, "nothing: its energy is measured all the same"))
    return {key: value for key, (value, _) in found.items()}, missing


def _in_mig_mode(nvml: ModuleType, handle) -> bool:
    mode, _ = try_call(nvml.nvmlDeviceGetMigMode, handle)
    return mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
