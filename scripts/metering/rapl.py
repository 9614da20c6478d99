"""Processor packages and memory through RAPL: cumulative energy in microjoules.

Source: the Linux powercap interface (Documentation/power/powercap/powercap.rst), which AMD
processors use under the same ``intel-rapl`` names. A counter moves about every millisecond and
wraps around at ``max_energy_range_uj``; the trace keeps it raw, see `metering.counters.unwrap`.

pyRAPL reads it where it can. It hard-codes its path and knows only ``package-N``, so other machines
are read from the same files directly.
"""

import logging
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from metering.meter import Domain, Meter, Missing, Reading, one_line, timed

POWERCAP_ROOT = Path("/sys/class/powercap")

# Not intel-rapl-mmio: those zones are the same packages, seen through another register.
_ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")
# Not psys, core or uncore: psys contains the packages, and a package contains the other two.
_PACKAGE = re.compile(r"package-(\d+)(-die-\d+)?")

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
        )
        self._source = source
        self._read_uj = read_uj
        self._beside = dict(beside or {})

    def read(self, everything: bool = False) -> list[Reading]:
        """The raw energy counter."""
        t_ns, value = timed(self._read_uj)
        return [Reading(t_ns, self.domain.domain, "energy", value, "uJ", self._source)]

    def read_slow(self) -> list[Reading]:
        """What the counter is checked against: `energy_parts` of the package (core and uncore,
        unwrapped), and `energy_powercap`, the file itself where pyRAPL reads."""
        readings = []
        for quantity, read in self._beside.items():
            t_ns, value = timed(read)
            readings.append(Reading(t_ns, self.domain.domain, quantity, value, "uJ", "powercap"))
        return readings

    def close(self) -> None:
        """Nothing is held."""


def find(powercap_root: Path = POWERCAP_ROOT) -> tuple[list[Meter], list[Missing]]:
    """A meter for every readable package and memory zone."""
    zones, missing = _zones(powercap_root)
    if not zones:
        return [], missing
    readers, why_not = _pyrapl_readers(zones, powercap_root, complete=not missing)
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
            if (folder / "name").read_text().strip() in ("core", "uncore"):
                int((folder / "energy_uj").read_bytes())
                parts.append((folder / "energy_uj", _number(folder / "max_energy_range_uj") or 0))
        except (OSError, ValueError):
            return {}
    if not parts:
        return {}
    last = [int(path.read_bytes()) for path, _ in parts]
    total = [0]

    def read_uj() -> int:
        for at, (path, range_uj) in enumerate(parts):
            now = int(path.read_bytes())
            total[0] += now - last[at] + (range_uj if now < last[at] else 0)
            last[at] = now
        return total[0]

    return {"energy_parts": read_uj}


def _zones(root: Path) -> tuple[list[Zone], list[Missing]]:
    folders = sorted(
        (f for f in _listing(root) if _ZONE.fullmatch(f.name)),
        key=lambda f: [int(n) for n in f.name.split(":")[1:]],
    )
    if not folders:
        return [], [_no_zones(root)]
    zones: dict[str, Zone] = {}
    missing = []
    packages: dict[str, re.Match] = {}  # folder name -> its parsed zone name
    for folder in folders:
        try:
            name = (folder / "name").read_text().strip()
        except OSError as error:
            missing.append(_masked(folder, error))
            continue
        package = _PACKAGE.fullmatch(name)
        if package:
            packages[folder.name] = package
            domain, label = f"cpu:{name}", f"CPU {name.replace('-', ' ')}"
        elif name == "dram" and (package := packages.get(folder.name.rpartition(":")[0])):
            socket, die = package.group(1), package.group(2) or ""
            domain, label = f"cpu:dram-{socket}{die}", f"memory of CPU {package.group(0)}"
        else:
            continue
        if domain in zones:
            why = f"{folder.name} has the same name as {zones[domain].folder.name} ({name})"
            missing.append(Missing("rapl", why, "the first one is read; please report the machine"))
            continue
        zone = Zone(
            domain=domain,
            label=label,
            folder=folder,
            socket=int(package.group(1)),
            is_package=name != "dram",
            plain=package.group(2) is None,
            max_range_uj=_number(folder / "max_energy_range_uj"),
        )
        try:
            zone.read_uj()
        except (OSError, ValueError) as error:
            missing.append(_unreadable(zone, error))
        else:
            zones[domain] = zone
    if not zones and not missing:
        missing.append(_no_zones(root))
    return list(zones.values()), missing


def _listing(root: Path) -> list[Path]:
    try:
        return list(root.iterdir())
    except OSError:
        return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
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
    why = f"the counter of {zone.domain} ({zone.folder.name}) cannot be read: {one_line(error)}"
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
        return [], f"pyRAPL cannot use this machine: {one_line(error)}"


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
