"""Which meters this machine has, and for each one that it lacks, why."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from metering import estimate, nvml, rapl
from metering.meter import Meter, MeterError, Missing

KINDS = ("cpu", "gpu")


def discover(
    want: Collection[str] = KINDS,
    cpu_rated_power_w: float | None = None,
    powercap_root: Path = rapl.POWERCAP_ROOT,
    proc_root: Path = Path("/proc"),
    environ: Mapping[str, str] = os.environ,
) -> tuple[list[Meter], list[Missing]]:
    """Open every meter of the wanted kinds (``cpu``: packages and memory; ``gpu``).

    A meter that is not there is reported, never an error: the caller knows whether it can do
    without. Raises MeterError on an unknown kind.
    """
    unknown = sorted(set(want) - set(KINDS))
    if unknown:
        raise MeterError(f"unknown kind of meter {unknown[0]!r}: choose from {', '.join(KINDS)}")
    meters: list[Meter] = []
    missing: list[Missing] = []
    if "cpu" in want:
        found, lacking = rapl.find(powercap_root)
        if not any(meter.domain.domain.startswith("cpu:package") for meter in found):
            guess, no_guess = estimate.find(proc_root, cpu_rated_power_w)
            found += guess
            lacking += no_guess
        meters += found
        missing += lacking
    if "gpu" in want:
        found, lacking = nvml.find(environ)
        meters += found
        missing += lacking
    return meters, missing


def describe(meters: Collection[Meter], missing: Collection[Missing]) -> dict:
    """What was found and what was not, ready for JSON."""
    return {
        "found": [meter.domain.as_dict() for meter in meters],
        "missing": [lack.as_dict() for lack in missing],
    }
