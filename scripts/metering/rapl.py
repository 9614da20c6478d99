"""Processor packages and memory through RAPL: cumulative energy in microjoules.

Source: the Linux powercap interface (Documentation/power/powercap/powercap.rst), which AMD
processors use under the same ``intel-rapl`` names. A counter moves about every millisecond and
wraps around at ``max_energy_range_uj``; the trace keeps it raw, see `metering.counters.unwrap`.

pyRAPL reads it where it can. It hard-codes its path and knows only ``package-N``, so other machines
are read from the same files directly.
"""

import dataclasses
import logging
import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metering.counters import HELD_BACK_S
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
from metering.probes import Probe, Probes

POWERCAP_ROOT = Path("/sys/class/powercap")

# Not intel-rapl-mmio: those zones are the same packages, seen through another register.
_ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")
# Not psys, core or uncore: psys contains the packages, and a package contains the other two.
_PACKAGE = re.compile(r"package-(\d+)(-die-\d+)?")

# How often a counter moves, and by what at least (same source, 15.10.1): in seconds, microjoules.
PERIOD_S, STEP_UJ = 1e-3, 2.0**-14 / 1e-6
# A counter that reads zero for so long counts nothing.
ZERO_S = 0.2

_CHMOD = (
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next boot; a udev rule "
    "keeps it), or run as root; the counters are root's because of CVE-2020-8694"
)


@dataclass(frozen=True)
class Zone:
    """One readable counter: a package, or the memory under a package."""

    domain: str
    label: str
    folder: Path
    socket: int
    is_package: bool
    plain: bool  # named package-N, without a die: what pyRAPL can parse
    max_range_uj: int | None
    kind: str = "processor"

    def read_uj(self) -> int:
        """The raw counter in microjoules; raises OSError where it cannot be read any more."""
        # Opened anew each time: a few microseconds, and it shows a right that was taken away.
        return int((self.folder / "energy_uj").read_bytes())


class RaplZone:
    """One zone, read by pyRAPL or straight from powercap; see `Meter`."""

    name = "rapl"

    def __init__(
        self,
        zone: Zone,
        source: str,
        read_uj: Callable[[], int],
        beside: Mapping[str, Callable[[], int]] | None = None,
    ):
        self.domain = Domain(
            domain=zone.domain,
            meter=self.name,
            source=source,
            unit="uJ",
            label=f"{zone.label} (RAPL)",
            max_range=zone.max_range_uj,
            details={"zone": zone.folder.name, "beside": sorted(beside or {})},
            kind=zone.kind,
            scale=1e-6,
            period_s=PERIOD_S,
            resolution=STEP_UJ,
            max_power_w=MAX_POWER_W[zone.kind],
        )
        self._source = source
        self._read_uj = read_uj
        probes = [Probe(quantity, "uJ", read) for quantity, read in (beside or {}).items()]
        self._beside = Probes(zone.domain, "powercap", probes)

    def read(self, everything: bool = False) -> list[Reading]:
        """The raw energy counter."""
        t_ns, value = timed(self._read_uj)
        return [Reading(t_ns, self.domain.domain, "energy", value, "uJ", self._source)]

    def read_slow(self) -> list[Reading]:
        """What the counter is checked against: `energy_parts` of the package (core and uncore,
        unwrapped), and `energy_powercap`, the file itself where pyRAPL reads."""
        return self._beside.read()

    def new_events(self) -> list[MeterEvent]:
        """What was lost of that, and came back."""
        return self._beside.new_events()

    def close(self) -> None:
        """Nothing is held."""


def find(powercap_root: Path = POWERCAP_ROOT) -> tuple[list[Meter], list[Missing]]:
    """A meter for every readable package and memory zone."""
    zones, missing, notes = _zones(powercap_root)
    if not zones:
        return [], missing + notes
    readers, why_not = _pyrapl_readers(zones, powercap_root, complete=not missing)
    missing += notes
    if why_not is None:
        meters = [
            RaplZone(z, "pyRAPL", r, {"energy_powercap": z.read_uj, **_parts(z)})
            for z, r in zip(zones, readers, strict=True)
        ]
        return meters, missing
    missing.append(
        Missing("pyRAPL", why_not, "nothing: the same counters are read straight from powercap")
    )
    return [RaplZone(z, "powercap", z.read_uj, _parts(z)) for z in zones], missing


def _parts(zone: Zone) -> dict[str, Callable[[], int]]:
    """How to read the sum of a package's parts, core and uncore, as one counter that does not wrap;
    nothing where there are none, or not all can be read."""
    if not zone.is_package:
        return {}
    parts = []
    for folder in sorted(zone.folder.glob(f"{zone.folder.name}:*")):
        try:
            if (folder / "name").read_text(encoding="utf-8").strip() in ("core", "uncore"):
                path, range_uj = folder / "energy_uj", _number(folder / "max_energy_range_uj")
                parts.append(_Part(path, range_uj))
        except (OSError, ValueError):
            return {}
    if not parts:
        return {}
    return {"energy_parts": lambda: sum(part.read_uj() for part in parts)}


class _Part:
    """A counter within a package, unwrapped and from zero.

    Raises OSError or ValueError where it cannot be read, or fell without having reached its range.
    """

    def __init__(self, path: Path, range_uj: int | None) -> None:
        self._path, self._range_uj = path, range_uj or 0
        self._total_uj = 0
        self._last_uj, self._last_s = int(path.read_bytes()), time.monotonic()

    def read_uj(self) -> int:
        now_uj, now_s = int(self._path.read_bytes()), time.monotonic()
        step_uj, over_s = now_uj - self._last_uj, now_s - self._last_s
        self._last_uj, self._last_s = now_uj, now_s
        step_uj += self._range_uj if step_uj < 0 else 0
        if not 0 <= step_uj * 1e-6 <= MAX_POWER_W["processor"] * (over_s + HELD_BACK_S):
            raise ValueError(f"{self._path.parent.name} was reset")
        self._total_uj += step_uj
        return self._total_uj


def _zones(root: Path) -> tuple[list[Zone], list[Missing], list[Missing]]:
    """The zones that can be read, those that cannot, and what is odd about the first."""
    folders = sorted(
        (f for f in _listing(root) if _ZONE.fullmatch(f.name)),
        key=lambda f: [int(n) for n in f.name.split(":")[1:]],
    )
    if not folders:
        return [], [_no_zones(root)], []
    zones: dict[str, Zone] = {}
    missing: list[Missing] = []
    notes: list[Missing] = []
    packages: dict[str, re.Match] = {}  # folder name -> its parsed zone name
    for folder in folders:
        try:
            name = (folder / "name").read_text(errors="replace").strip()
        except OSError as error:
            missing.append(_masked(folder, error))
            continue
        zone = _parse_zone(folder, name, packages)
        if zone is None:
            continue
        if zone.domain in zones:
            first = zones[zone.domain].folder.name
            why = f"{folder.name} has the same name as {first} ({name})"
            missing.append(Missing("rapl", why, "the first one is read; please report the machine"))
            continue
        try:
            value_uj = zone.read_uj()
        except (OSError, ValueError) as error:
            missing.append(_unreadable(zone, error))
            continue
        zones[zone.domain], odd = _checked_range(zone, value_uj)
        notes += odd
    for domain in _still_zero(zones):
        why = f"the counter of {domain} reads zero: it counts nothing here"
        missing.append(Missing("rapl", why, "nothing: the processor has none for this"))
        del zones[domain]
    if not zones and not missing:
        missing.append(_no_zones(root))
    return list(zones.values()), missing, notes


def _parse_zone(folder: Path, name: str, packages: dict[str, re.Match]) -> Zone | None:
    """The zone of that name; None where it is a part of another one. Takes down packages."""
    range_uj = _number(folder / "max_energy_range_uj")
    package = _PACKAGE.fullmatch(name)
    if package:
        packages[folder.name] = package
        label = f"CPU {name.replace('-', ' ')}"
        socket, plain = int(package.group(1)), package.group(2) is None
        return Zone(f"cpu:{name}", label, folder, socket, True, plain, range_uj)
    if name == "dram" and (package := packages.get(folder.name.rpartition(":")[0])):
        die = package.group(2) or ""
        domain, label = f"cpu:dram-{package.group(1)}{die}", f"memory of CPU {package.group(0)}"
        socket, plain = int(package.group(1)), package.group(2) is None
        return Zone(domain, label, folder, socket, False, plain, range_uj, "memory")
    return None


def _checked_range(zone: Zone, value_uj: int) -> tuple[Zone, list[Missing]]:
    """The zone, without a range that cannot be its own."""
    range_uj = zone.max_range_uj
    if range_uj is not None and range_uj >= value_uj and range_uj > 0:
        return zone, []
    which = "unreadable" if range_uj is None else f"{range_uj} uJ, with the counter at {value_uj}"
    why = f"the range of {zone.domain} is {which}: where it wraps around is unknown"
    remedy = "nothing: a window in which it falls has no energy"
    return dataclasses.replace(zone, max_range_uj=None), [Missing("rapl", why, remedy)]


def _still_zero(zones: Mapping[str, Zone]) -> list[str]:
    """The domains whose counters read zero and stay there."""
    zero, end_s = list(zones), time.monotonic() + ZERO_S
    while True:
        try:
            zero = [domain for domain in zero if zones[domain].read_uj() == 0]
        except (OSError, ValueError):  # the sampler will say
            return []
        if not zero or time.monotonic() >= end_s:
            return zero
        time.sleep(0.02)


def _listing(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except OSError:
        return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _no_zones(root: Path) -> Missing:
    return Missing(
        "rapl",
        f"no package zone (intel-rapl:*) under {root}",
        "on a bare-metal Intel or AMD machine: sudo modprobe intel_rapl_common intel_rapl_msr; "
        "in a container: mount the host's /sys/class/powercap and /sys/devices/virtual/powercap; "
        "most virtual machines have none",
    )


def _masked(folder: Path, error: OSError) -> Missing:
    return Missing(
        "rapl",
        f"zone {folder.name} is listed but its name cannot be read ({error.strerror})",
        "container runtimes mask /sys/devices/virtual/powercap: mount it from the host",
    )


def _unreadable(zone: Zone, error: Exception) -> Missing:
    why = (
        f"the counter of {zone.domain} ({zone.folder.name}) cannot be read: {error_message(error)}"
    )
    denied = isinstance(error, PermissionError)
    return Missing("rapl", why, _CHMOD if denied else "see the kernel's log for intel_rapl")


def _pyrapl_readers(
    zones: list[Zone], root: Path, complete: bool
) -> tuple[list[Callable[[], int]], str | None]:
    """One reader a zone, or why pyRAPL cannot be used. All or none: one source a machine."""
    if root != POWERCAP_ROOT:
        return [], f"pyRAPL reads {POWERCAP_ROOT} only, and this is {root}"
    if not all(zone.plain for zone in zones):
        return [], "pyRAPL does not know packages with several dies (package-N-die-M)"
    if not complete:
        return [], "pyRAPL fails where some of the zones cannot be read"
    try:
        pyrapl = _import_quietly()
        return [_pyrapl_reader(pyrapl, zone) for zone in zones], None
    except ImportError:
        return [], "the Python package pyRAPL is not installed"
    except Exception as error:  # a version that does not know this machine: say so, go on without
        return [], f"pyRAPL cannot use this machine: {error_message(error)}"


def _pyrapl_reader(pyrapl, zone: Zone) -> Callable[[], int]:
    """A sensor for this one zone, so that losing another zone does not silence it."""
    device = pyrapl.Device.PKG if zone.is_package else pyrapl.Device.DRAM
    sensor = pyrapl.Sensor(devices=[device], socket_ids=[zone.socket])
    position = 2 * zone.socket + device  # package and memory alternate, socket by socket

    def read_uj() -> int:
        value = sensor.energy()[position]
        if value < 0:  # how pyRAPL says that it has no value
            raise OSError(f"pyRAPL has no value for {zone.domain}")
        return int(value)  # a float that was a whole number of microjoules in the file

    read_uj()
    return read_uj


def _import_quietly():
    """pyRAPL warns of output formats that it lacks and of its own regular expressions; spare us."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pyRAPL
    finally:
        logging.disable(logging.NOTSET)
    return pyRAPL
