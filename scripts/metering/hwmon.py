"""Processors whose energy or power the kernel's hardware monitoring tells: Arm and AMD servers.

Source: Documentation/hwmon/sysfs-interface.rst (`energy*_input` in microjoules, cumulative;
`power*_input` and `power*_average` in microwatts) and, by chip, amd_energy.rst,
acpi_power_meter.rst and NVIDIA's Grace performance tuning guide. Most sensors of a machine are of
fans, drives and supply rails: only those that `SENSORS` names are taken, with what each contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from metering.meter import (
    MAX_POWER_W,
    Domain,
    Meter,
    MeterError,
    MeterEvent,
    Missing,
    Reading,
    error_message,
    timed,
)
from metering.pace import POWER, RateLimiter

HWMON_ROOT = Path("/sys/class/hwmon")
# A module of a processor and its GPUs.
MODULE_MAX_POWER_W = 6000.0
# hwmon numbers its values from 1; so many at most are looked for.
_VALUE = re.compile(r"(energy|power)(\d+)_(input|average)")


@dataclass(frozen=True)
class Sensor:
    """One that is known: the chip's name and the value's label, and what it measures.

    In `domain`, `words` and `contains` {} stands for the number at the end of the label.
    """

    chip: str
    label: str
    domain: str
    words: str
    kind: str = "processor"
    contains: tuple[str, ...] = ()
    period_s: float | None = None
    max_power_w: float = MAX_POWER_W["processor"]


SENSORS = (
    # Cores (Ecore000) are within their socket: not read. The registers move every millisecond.
    Sensor("amd_energy", r"Esocket(\d+)", "cpu:socket-{}", "CPU socket {}", period_s=1e-3),
    Sensor(
        "power_meter",
        r"Grace Power Socket (\d+)",
        "cpu:grace-{}",
        "Grace socket {}, memory included",
        contains=("cpu:cores-{}", "cpu:sysio-{}"),
    ),
    Sensor("power_meter", r"CPU Power Socket (\d+)", "cpu:cores-{}", "cores of Grace socket {}"),
    Sensor("power_meter", r"SysIO Power Socket (\d+)", "cpu:sysio-{}", "SysIO of Grace socket {}"),
    Sensor(
        "power_meter",
        r"Module Power Socket (\d+)",
        "module:{}",
        "module of Grace socket {}, GPU included",
        kind="system",
        contains=("cpu:*", "gpu:*"),
        max_power_w=MODULE_MAX_POWER_W,
    ),
)


class HwmonSensor:
    """One value of one chip; see `Meter`."""

    name = "hwmon"

    def __init__(self, sensor: Sensor, path: Path, label: str, share: float) -> None:
        counter = path.name.startswith("energy")
        way = "average" if path.name.endswith("average") else "instant"
        self._path = path
        self._quantity, self._unit = ("energy", "uJ") if counter else ("power", "uW")
        self._source = self.name if counter else f"{self.name}:{way}"
        # Some chips ask the firmware for each value, which takes milliseconds.
        self._paced = RateLimiter(share)
        self.domain = Domain(
            domain=sensor.domain,
            meter=self.name,
            source=self.name,
            unit=self._unit,
            label=f"{sensor.words} (hwmon, {sensor.chip})",
            quantity=self._quantity,
            details={
                "chip": sensor.chip,
                "sensor": label,
                "file": path.name,
                "power": None if counter else way,
            },
            kind=sensor.kind,
            scale=1e-6,
            period_s=sensor.period_s if counter else _interval_s(path),
            contains=sensor.contains,
            max_power_w=sensor.max_power_w,
        )

    def read(self, everything: bool = False) -> list[Reading]:
        """The raw value, where it is due; raises OSError or ValueError where there is none."""
        if not everything and not self._paced.due():
            return []
        t_ns, value = self._paced.call(lambda: timed(lambda: int(self._path.read_bytes())))
        name = self.domain.domain
        return [Reading(t_ns, name, self._quantity, value, self._unit, self._source)]

    def read_slow(self) -> list[Reading]:
        """Nothing."""
        return []

    def new_events(self) -> list[MeterEvent]:
        """Nothing."""
        return []

    def close(self) -> None:
        """Nothing is held."""


def find(root: Path = HWMON_ROOT) -> tuple[list[Meter], list[Missing]]:
    """A meter for every known sensor that can be read; nothing where there are none."""
    found: dict[str, tuple[Sensor, Path, str]] = {}
    missing = []
    for sensor, path, label in _find_sensors(root):
        try:
            value = int(path.read_bytes())
            if value <= 0:
                raise MeterError(f"it reads {value}")
        except (OSError, ValueError, MeterError) as error:
            why = f"{sensor.domain} ({label}, {path.parent.name}/{path.name}) cannot be read: "
            denied = isinstance(error, PermissionError)
            remedy = f"sudo chmod a+r {path}" if denied else "see the kernel's log for hwmon"
            missing.append(Missing("hwmon", why + error_message(error), remedy))
            continue
        # A counter says more than a power, and a power now more than a mean.
        kept = found.get(sensor.domain)
        if kept is None or _rank(path) < _rank(kept[1]):
            found[sensor.domain] = sensor, path, label
    share = POWER / max(1, len(found))
    return [HwmonSensor(*each, share) for each in found.values()], missing


def _rank(path: Path) -> int:
    return (not path.name.startswith("energy")) * 2 + path.name.endswith("average")


def _find_sensors(root: Path) -> Iterator[tuple[Sensor, Path, str]]:
    """The sensors that `SENSORS` names: filled in, with the file of the value and its label."""
    for chip in sorted(root.glob("hwmon*")):
        name = _text(chip / "name") or _text(chip / "device" / "name")
        rules = [sensor for sensor in SENSORS if sensor.chip == name]
        # Chips of the ACPI have their values one level below.
        folders = [chip, chip / "device"] if rules else []
        for path in sorted(path for folder in folders for path in folder.glob("*_*")):
            value = _VALUE.fullmatch(path.name)
            if value is None:
                continue
            stem = path.name.rpartition("_")[0]
            label = _text(path.with_name(f"{stem}_label"))
            label = label or _text(path.with_name(f"{stem}_oem_info")) or ""
            for sensor in rules:
                if match := re.fullmatch(sensor.label, label):
                    yield _instantiated(sensor, str(int(match.group(1)))), path, label


def _instantiated(sensor: Sensor, number: str) -> Sensor:
    return replace(
        sensor,
        domain=sensor.domain.format(number),
        words=sensor.words.format(number),
        contains=tuple(pattern.format(number) for pattern in sensor.contains),
    )


def _interval_s(path: Path) -> float | None:
    """Over how long a mean is taken, where the chip says so (in milliseconds)."""
    text = _text(path.with_name(f"{path.name}_interval"))
    try:
        interval_s = int(text or "") / 1000
    except ValueError:
        return None
    return interval_s if interval_s > 0 else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00 \t\n") or None
    except OSError:
        return None
