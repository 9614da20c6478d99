"""Which meters this machine has, and for each one that it lacks, why."""

import argparse
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from metering import amd, estimate, hwmon, nvml, rapl, wall
from metering.meter import Meter, MeterError, Missing

KINDS = ("cpu", "gpu")


def discover(
    want: Collection[str] = KINDS,
    cpu_rated_power_w: float | None = None,
    powercap_root: Path = rapl.POWERCAP_ROOT,
    proc_root: Path = Path("/proc"),
    environ: Mapping[str, str] = os.environ,
    hwmon_root: Path = hwmon.HWMON_ROOT,
    wall_meter: Mapping[str, Any] | None = None,
) -> tuple[list[Meter], list[Missing]]:
    """Open every meter of the wanted kinds (``cpu``: packages and memory; ``gpu``), and the one on
    the network that is configured.

    A meter that is not there is reported, never an error: the caller knows whether it can do
    without. Raises MeterError on an unknown kind, and on a configuration that cannot be.
    """
    unknown = sorted(set(want) - set(KINDS))
    if unknown:
        raise MeterError(f"unknown kind of meter {unknown[0]!r}: choose from {', '.join(KINDS)}")
    meters: list[Meter] = []
    missing: list[Missing] = []

    def take(found: tuple[list[Meter], list[Missing]]) -> list[Meter]:
        meters.extend(found[0])
        missing.extend(found[1])
        return found[0]

    if "cpu" in want:
        packages = take(rapl.find(powercap_root))
        if not any(meter.domain.domain.startswith("cpu:package") for meter in packages):
            # The same registers where they are AMD's: never beside RAPL.
            sensors = take(hwmon.find(hwmon_root))
            if not any(meter.domain.kind in ("processor", "system") for meter in sensors):
                take(estimate.find(proc_root, cpu_rated_power_w))
    if "gpu" in want:
        take(nvml.find(environ))
        take(amd.find(environ, proc_root))
    if wall_meter is not None:
        take(wall.find(wall_meter))
    return meters, missing


def describe(meters: Collection[Meter], missing: Collection[Missing]) -> dict:
    """What was found and what was not, ready for JSON."""
    return {
        "found": [meter.domain.as_dict() for meter in meters],
        "missing": [lack.as_dict() for lack in missing],
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where meters are, for a program that looks for them."""
    add = parser.add_argument
    add("--wall", type=_json, help="metering.wall, a meter on the network, as JSON")
    add("--powercap-root", type=Path, default=rapl.POWERCAP_ROOT, help="for tests")
    add("--hwmon-root", type=Path, default=hwmon.HWMON_ROOT, help="for tests")
    add("--proc-root", type=Path, default=Path("/proc"), help="for tests")


def options(args: argparse.Namespace) -> dict[str, Any]:
    """The same, as `discover` takes them."""
    return {
        "powercap_root": args.powercap_root,
        "hwmon_root": args.hwmon_root,
        "proc_root": args.proc_root,
        "wall_meter": args.wall,
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON") from None
