"""The hardware that a peer reads, simulated under the library's own code: NVML and /sys.

NVML is replaced where ``pynvml`` (nvidia-ml-py) looks up a C function, so its own ctypes code runs;
/sys is a folder as the kernel lays it out, whose ``energy_uj`` asks the machine at every read.
A read takes what the machine's ``read_cost_s`` says of that call, and its value is that of the
call's middle.
"""

import builtins
import functools
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import pynvml
from virtual_time import Clock, VirtualTime

POWERCAP = "/sys/class/powercap/intel-rapl/intel-rapl:0"


class Machine(Clock, Protocol):
    """A GPU and a processor package whose meters are simulated in virtual time.

    ``read_cost_s`` says in seconds how long a call takes, by its name in NVML, or ``energy_uj``;
    what it does not name takes none. The reader moves the clock on: the readings do not.
    """

    rapl_range_uj: int
    read_cost_s: Mapping[str, float]

    def gpu_energy_mj(self) -> int: ...

    def gpu_power_mw(self) -> int: ...

    def gpu_instant_mw(self) -> int: ...

    def rapl_uj(self) -> int: ...


def reading(machine: Machine, world: VirtualTime, call: str, read: Callable[[], int]) -> int:
    """``read``, at the cost of ``call``."""
    half_s = machine.read_cost_s.get(call, 0.0) / 2
    world.spend(half_s)
    value = read()
    world.spend(half_s)
    return value


@contextmanager
def nvml(machine: Machine, world: VirtualTime):
    """``pynvml`` finds one Hopper GPU, which gives energy, power and the fields 185 and 186."""
    functions = _nvml_functions(machine, world)

    def pointer(name: str) -> Callable[..., int]:
        return functions.get(name, lambda *arguments: pynvml.NVML_ERROR_NOT_SUPPORTED)

    with (
        patch.object(pynvml, "_LoadNvmlLibrary", lambda: None),
        patch.object(pynvml, "_nvmlGetFunctionPointer", pointer),
    ):
        yield


def _nvml_functions(machine: Machine, world: VirtualTime) -> dict[str, Callable[..., int]]:
    """The C functions by name; each fills what its last argument points to."""

    def gives(call: str, read: Callable[[], int]) -> Callable[..., int]:
        def function(*arguments) -> int:
            arguments[-1]._obj.value = reading(machine, world, call, read)
            return pynvml.NVML_SUCCESS

        return function

    def says(text: bytes) -> Callable[..., int]:
        def function(handle, buffer, size) -> int:
            buffer.value = text
            return pynvml.NVML_SUCCESS

        return function

    def utilization(handle, out) -> int:
        out._obj.gpu = reading(machine, world, "nvmlDeviceGetUtilizationRates", lambda: 100)
        return pynvml.NVML_SUCCESS

    device_power = {
        pynvml.NVML_FI_DEV_POWER_INSTANT: machine.gpu_instant_mw,
        pynvml.NVML_FI_DEV_POWER_AVERAGE: machine.gpu_power_mw,
    }

    def fields(handle, count, out) -> int:
        for field in out._obj:
            read = device_power.get(field.fieldId)
            if read is None or field.scopeId != pynvml.NVML_POWER_SCOPE_GPU:
                field.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
                continue
            field.nvmlReturn = pynvml.NVML_SUCCESS
            field.value.uiVal = reading(machine, world, "nvmlDeviceGetFieldValues", read)
        return pynvml.NVML_SUCCESS

    return {
        "nvmlInitWithFlags": lambda flags: pynvml.NVML_SUCCESS,
        "nvmlShutdown": lambda: pynvml.NVML_SUCCESS,
        "nvmlDeviceGetCount_v2": gives("nvmlDeviceGetCount", lambda: 1),
        "nvmlDeviceGetHandleByIndex_v2": lambda index, out: pynvml.NVML_SUCCESS,
        "nvmlDeviceGetName": says(b"NVIDIA H100 80GB HBM3"),
        "nvmlDeviceGetUUID": says(b"GPU-00000000-0000-0000-0000-000000000000"),
        "nvmlDeviceGetArchitecture": gives(
            "nvmlDeviceGetArchitecture", lambda: pynvml.NVML_DEVICE_ARCH_HOPPER
        ),
        "nvmlDeviceGetEnforcedPowerLimit": gives(
            "nvmlDeviceGetEnforcedPowerLimit", lambda: 700_000
        ),
        "nvmlDeviceGetUtilizationRates": utilization,
        "nvmlDeviceGetTotalEnergyConsumption": gives(
            "nvmlDeviceGetTotalEnergyConsumption", machine.gpu_energy_mj
        ),
        "nvmlDeviceGetPowerUsage": gives("nvmlDeviceGetPowerUsage", machine.gpu_power_mw),
        "nvmlDeviceGetFieldValues": fields,
    }


@contextmanager
def sysfs(machine: Machine, world: VirtualTime):
    """Everything under /sys is one processor package, and ``nvidia-smi`` is on the path."""
    with tempfile.TemporaryDirectory() as root, ExitStack() as patches:
        _lay_out(Path(root), machine)
        _put_nvidia_smi(Path(root) / "bin")
        path = os.pathsep.join((f"{root}/bin", os.environ["PATH"]))
        patches.enter_context(patch.dict(os.environ, PATH=path))

        def there(path):
            if isinstance(path, str | os.PathLike) and str(path).startswith("/sys/"):
                return root + str(path)
            return path

        def redirected(function):
            def call(path=".", *arguments, **options):
                return function(there(path), *arguments, **options)

            return call

        for name in ("stat", "lstat", "access", "listdir", "scandir"):
            patches.enter_context(patch.object(os, name, redirected(getattr(os, name))))

        def opened(file, *arguments, real=builtins.open, **options):
            path = there(file)
            if path is not file and path.endswith("/energy_uj"):
                counter = _Counter(
                    functools.partial(reading, machine, world, "energy_uj", machine.rapl_uj)
                )
                return io.TextIOWrapper(io.BufferedReader(counter))
            return real(path, *arguments, **options)

        patches.enter_context(patch.object(builtins, "open", opened))
        yield


def _lay_out(root: Path, machine: Machine) -> None:
    """The folders and links of powercap, and the topology, of one package without DRAM meter."""
    zones = root / "sys/devices/virtual/powercap/intel-rapl"
    package = zones / Path(POWERCAP).name
    package.mkdir(parents=True)
    (package / "name").write_text("package-0\n")
    (package / "max_energy_range_uj").write_text(f"{machine.rapl_range_uj}\n")
    (package / "energy_uj").touch()
    flat = root / "sys/class/powercap"
    flat.mkdir(parents=True)
    (zones / "subsystem").symlink_to(flat)
    for folder in (zones, package):
        (flat / folder.name).symlink_to(folder)
    processor = root / "sys/devices/system/cpu"
    (processor / "cpu0/topology").mkdir(parents=True)
    (processor / "present").write_text("0\n")
    (processor / "cpu0/topology/physical_package_id").write_text("0\n")


def _put_nvidia_smi(folder: Path) -> None:
    """CodeCarbon looks for an NVIDIA system by asking this program for its help."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)


class _Counter(io.RawIOBase):
    """``energy_uj`` as the kernel serves it: read again whenever a read starts at the beginning."""

    def __init__(self, read: Callable[[], int]):
        self._read_uj = read
        self._text, self._position = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET:
            self._position = offset
        elif offset:
            raise OSError("a sysfs file is sought from its beginning")
        return self._position

    def readinto(self, buffer) -> int:
        if self._position == 0:
            self._text = b"%d\n" % self._read_uj()
        part = self._text[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)
