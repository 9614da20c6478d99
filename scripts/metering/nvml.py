"""NVIDIA GPUs through NVML: board energy (mJ), power (mW) and the state around them.

Source: the NVML API reference, through ``pynvml`` (package nvidia-ml-py). The energy counter,
``nvmlDeviceGetTotalEnergyConsumption``, exists from Volta on, counts the whole board since the
driver was loaded, and moves about every 100 ms. Between two moves the driver's own buffer of power
samples (``nvmlDeviceGetSamples``, 20 ms apart on an H100) says how the energy was spread.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType

from metering.activity import family
from metering.meter import Domain, Meter, Missing, Reading, one_line, timed
from metering.pace import SHARE, PacedCounter
from metering.visible import select

Probe = tuple[str, str, Callable[[], int | float]]  # quantity, unit, how to read it

# The driver keeps about 2.4 s of samples.
SAMPLES_EVERY_S = 1.0


class NvmlGpu:
    """One GPU; see `Meter`."""

    name = "nvml"

    def __init__(
        self,
        nvml: ModuleType,
        domain: Domain,
        energy: Probe | None,
        power: Probe | None,
        samples: "PowerSamples | None",
        slow: list[Probe],
        share: float,
    ):
        nvml.nvmlInit()  # NVML counts its users: one for each GPU, so each can be closed by itself
        self.domain = domain
        self._nvml = nvml
        self._counter = energy and PacedCounter(lambda: self._read([energy])[0], share)
        self._power = [] if samples or not power else [power]
        self._samples = samples
        self._slow = slow

    def read(self, everything: bool = False) -> list[Reading]:
        """What is due of the energy counter, and power: the driver's samples, or one reading."""
        readings = self._counter.read(everything) if self._counter else []
        readings += self._read(self._power)
        if self._samples:
            readings += [
                Reading(t_ns, self.domain.domain, "power", mw, "mW", self.name)
                for t_ns, mw in self._samples.new(everything)
            ]
        return readings

    def read_slow(self) -> list[Reading]:
        """Temperature, clocks, power limit, throttle reasons and utilisation, where supported."""
        return self._read(self._slow)

    def close(self) -> None:
        """Give this GPU's use of NVML back."""
        self._nvml.nvmlShutdown()

    def _read(self, probes: Iterable[Probe]) -> list[Reading]:
        readings = []
        for quantity, unit, read in probes:
            t_ns, value = timed(read)
            readings.append(Reading(t_ns, self.domain.domain, quantity, value, unit, self.name))
        return readings


class PowerSamples:
    """The driver's buffer of power samples, each with the time at which it was taken.

    Raises the library's NVMLError where there is no such buffer.
    """

    def __init__(self, nvml: ModuleType, handle) -> None:
        self._nvml, self._handle = nvml, handle
        self._seen_us = 0
        self._due_s = 0.0
        self._fetch()

    def new(self, everything: bool) -> list[tuple[int, int]]:
        """(CLOCK_MONOTONIC in nanoseconds, milliwatts) of those not given yet, about once a second;
        they are stamped by the wall clock, whose distance is taken anew each time."""
        if time.monotonic() < self._due_s and not everything:
            return []
        self._due_s = time.monotonic() + SAMPLES_EVERY_S
        ahead_ns = time.time_ns() - time.monotonic_ns()
        return [(1000 * t_us - ahead_ns, mw) for t_us, mw in self._fetch()]

    def _fetch(self) -> list[tuple[int, int]]:
        nvml = self._nvml
        try:
            _, samples = nvml.nvmlDeviceGetSamples(
                self._handle, nvml.NVML_TOTAL_POWER_SAMPLES, self._seen_us
            )
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_NOT_FOUND:
                raise
            return []  # none since the last time
        found = [(s.timeStamp, s.sampleValue.uiVal) for s in samples if s.timeStamp > self._seen_us]
        self._seen_us = max([self._seen_us, *(t_us for t_us, _ in found)])
        return found


def find(environ: Mapping[str, str]) -> tuple[list[Meter], list[Missing]]:
    """A meter for every GPU that CUDA would show a process with this environment.

    Domain ``gpu:N`` is the N-th visible GPU; its UUID is in the details.
    """
    nvml, absent = _start()
    if nvml is None:
        return [], [absent]
    try:
        return _find(nvml, environ)
    except nvml.NVMLError as error:
        return [], [
            Missing(
                "nvml",
                f"NVML failed while listing the GPUs: {one_line(error)}",
                "see whether nvidia-smi works; it asks the same library",
            )
        ]
    finally:
        nvml.nvmlShutdown()


def gpu_facts(environ: Mapping[str, str]) -> list[dict] | None:
    """What identifies each measurable GPU (UUID, name, driver, limits); None without NVML."""
    meters, _ = find(environ)
    facts = [{"domain": meter.domain.domain, **meter.domain.details} for meter in meters]
    for meter in meters:
        meter.close()
    return facts or None


def _start() -> tuple[ModuleType | None, Missing | None]:
    try:
        import pynvml
    except ImportError:
        return None, Missing(
            "nvml", "the Python package pynvml is not installed", "pip install nvidia-ml-py"
        )
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        why, remedy = {
            pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
                "the NVML library (libnvidia-ml.so.1) is not on this machine",
                "install the NVIDIA driver; in a container, start it with the GPUs (--gpus, --nv)",
            ),
            pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
                "the NVIDIA driver is not loaded",
                "load it (modprobe nvidia) and see whether nvidia-smi works",
            ),
            pynvml.NVML_ERROR_NO_PERMISSION: (
                "no permission to talk to the NVIDIA driver",
                "give this user access to /dev/nvidiactl and /dev/nvidia*",
            ),
            pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
                "the NVML library and the loaded driver are of different versions",
                "reboot or reload the driver",
            ),
        }.get(
            getattr(error, "value", None),
            (f"NVML does not start: {one_line(error)}", "see whether nvidia-smi works"),
        )
        return None, Missing("nvml", why, remedy)
    return pynvml, None


def _find(nvml: ModuleType, environ: Mapping[str, str]) -> tuple[list[Meter], list[Missing]]:
    handles, uuids, missing = [], [], []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(nvml.nvmlDeviceGetUUID(handle))
        except nvml.NVMLError as error:  # keep its place: the indices after it still count it
            handle, uuid = None, ""
            why = f"GPU {index} does not answer: {one_line(error)}"
            missing.append(Missing("nvml", why, "reset the GPU, or leave it out by UUID"))
        handles.append(handle)
        uuids.append(uuid)

    variable = environ.get("CUDA_VISIBLE_DEVICES")
    selection = select(uuids, variable)
    missing += [
        Missing("nvml", f"CUDA_VISIBLE_DEVICES={variable}: {problem}", "name GPUs that exist, once")
        for problem in selection.problems
    ]
    if not selection.positions:
        missing.append(_none_visible(len(handles), variable))

    assumption, risk = _order(nvml, handles, variable, environ.get("CUDA_DEVICE_ORDER"))
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
            details = {"uuid": uuids[position], "nvml_index": position, "index_order": assumption}
            share = SHARE / len(selection.positions)
            meter, lacking = _open(nvml, handle, domain, details, share)
            meters += meter
            missing += lacking
    return meters, missing


def _none_visible(count: int, variable: str | None) -> Missing:
    if count == 0:
        return Missing("nvml", "NVML finds no GPU", "see whether nvidia-smi -L lists one")
    return Missing(
        "nvml",
        f"CUDA_VISIBLE_DEVICES={variable} hides all {count} GPUs",
        "unset it, or name the GPU to measure",
    )


def _order(
    nvml: ModuleType, handles: list, variable: str | None, order: str | None
) -> tuple[str, Missing | None]:
    """How indices were matched. NVML numbers by PCI bus; CUDA by speed, unless told otherwise."""
    by_uuid = variable is not None and variable.strip().startswith("GPU-")
    if order == "PCI_BUS_ID" or by_uuid or len(handles) < 2:
        return "certain: by PCI bus or UUID", None
    names = {_optional(nvml, nvml.nvmlDeviceGetName, h) for h in handles if h is not None}
    if len(names) == 1:
        return "assumed: GPUs of one kind, which CUDA's fastest-first order leaves by PCI bus", None
    return "assumed: by PCI bus, but the GPUs differ and CUDA puts the fastest first", Missing(
        "nvml",
        "the GPUs differ and CUDA_DEVICE_ORDER is not PCI_BUS_ID: "
        "the GPU that is metered may not be the one that works",
        "export CUDA_DEVICE_ORDER=PCI_BUS_ID, or name the GPU by UUID in CUDA_VISIBLE_DEVICES",
    )


def _open(
    nvml: ModuleType, handle, domain: str, details: dict, share: float
) -> tuple[list[Meter], list[Missing]]:
    ways = [
        ("energy", "mJ", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle)),
        ("instant", "mW", lambda: _instant_mw(nvml, handle)),
        ("average", "mW", lambda: nvml.nvmlDeviceGetPowerUsage(handle)),
    ]
    usable, refused = _supported(nvml, ways)
    found = {way: ("power" if unit == "mW" else way, unit, read) for way, unit, read in usable}
    if not found:
        why = f"{domain} gives neither energy nor power: {refused['average']}"
        return [], [Missing("nvml", why, "measure on the host, or on a GPU that reports power")]
    energy, power = found.get("energy"), found.get("instant") or found.get("average")

    missing = []
    if energy is None:
        why = f"energy counter of {domain} not supported; energy is integrated from power"
        if refused["energy"] != "Not Supported":
            why += f" ({refused['energy']})"
        missing.append(Missing("nvml", why, "use a GPU of the Volta generation or newer"))
    samples = _optional(nvml, PowerSamples, nvml, handle)
    way = "samples" if samples else "instant" if "instant" in found else "average"
    if power is None and not samples:
        way = None

    slow, _ = _supported(
        nvml,
        [
            (
                "temperature",
                "C",
                lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            ),
            ("clock_sm", "MHz", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            ("clock_mem", "MHz", lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            ("power_limit", "mW", lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle)),
            # The older name: drivers before 535 do not know ...EventReasons.
            (
                "throttle_reasons",
                "bits",
                lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
            ),
            ("utilisation", "1", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            ("foreign_processes", "1", lambda: _foreign(nvml, handle)),
        ],
    )
    details = {**details, **_identity(nvml, handle), "power": way}
    quantity, unit, _ = energy or power
    description = Domain(
        domain=domain,
        meter="nvml",
        source="nvml",
        unit=unit,
        label=f"GPU {domain.removeprefix('gpu:')}, {details['name']} (NVML, whole board)",
        quantity=quantity,
        details=details,
    )
    # Without samples the counter alone says what lies between two of its readings.
    share = share if samples else 5 * share
    return [NvmlGpu(nvml, description, energy, power, samples, slow, share)], missing


def _foreign(nvml: ModuleType, handle) -> int:
    """Processes that compute on the GPU and are not the session's. In a container their numbers may
    be those of the host: where none is ours, one is taken for the session."""
    pids = {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    ours = family(os.getppid(), os.getpid())
    return len(pids - ours) if pids & ours else max(0, len(pids) - 1)


def _instant_mw(nvml: ModuleType, handle) -> int:
    """The board's power now: from the Ampere generation on nvmlDeviceGetPowerUsage is a mean over a
    second (NVML API reference)."""
    (field,) = nvml.nvmlDeviceGetFieldValues(handle, [nvml.NVML_FI_DEV_POWER_INSTANT])
    if field.nvmlReturn != nvml.NVML_SUCCESS:
        raise nvml.NVMLError(field.nvmlReturn)
    return field.value.uiVal


def _supported(nvml: ModuleType, probes: list[Probe]) -> tuple[list[Probe], dict[str, str]]:
    """Probes that answer now, and why the others do not: each is tried once."""
    usable, refused = [], {}
    for probe in probes:
        quantity, _, read = probe
        try:
            read()
        except nvml.NVMLError as error:
            refused[quantity] = str(error)
        else:
            usable.append(probe)
    return usable, refused


def _identity(nvml: ModuleType, handle) -> dict:
    pci = _optional(nvml, nvml.nvmlDeviceGetPciInfo, handle)
    return {
        "name": _text(_optional(nvml, nvml.nvmlDeviceGetName, handle)),
        "pci_bus_id": _text(pci.busId) if pci is not None else None,
        "driver_version": _text(_optional(nvml, nvml.nvmlSystemGetDriverVersion)),
        "power_limit_mw": _optional(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle),
        "default_power_limit_mw": _optional(
            nvml, nvml.nvmlDeviceGetPowerManagementDefaultLimit, handle
        ),
    }


def _optional(nvml: ModuleType, read: Callable, *args):
    try:
        return read(*args)
    except nvml.NVMLError:
        return None


def _in_mig_mode(nvml: ModuleType, handle) -> bool:
    mode = _optional(nvml, nvml.nvmlDeviceGetMigMode, handle)
    return mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE


def _text(value: str | bytes | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
