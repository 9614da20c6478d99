"""Our own meters, sampling loop and estimator over a machine of known power."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from machine import Machine

from analysis.energy.curves import Curve, curve
from metering import nvml
from metering.loop import SamplingLoop
from metering.meter import Meter, Reading
from metering.rapl import RaplZone, Zone

PERIOD_S = 0.05


class Kept:
    """Takes the place of the trace's file."""

    def __init__(self) -> None:
        self.readings: dict[tuple[str, str], list[Reading]] = defaultdict(list)

    def write(self, readings: list[Reading]) -> None:
        for reading in readings:
            self.readings[reading.domain, reading.quantity].append(reading)

    def flush(self) -> None:
        pass


class NoEvents:
    """Meters of a machine that never fail have none."""

    def write(self, t_ns: int, kind: str, domain: str, why: str) -> None:
        raise AssertionError(f"{domain}: {kind}: {why}")


def curves(machine: Machine, period_s: float = PERIOD_S) -> dict[str, Curve]:
    """By `gpu` and `cpu`, the curve of a session that lasts as long as the machine's power."""
    with machine.running():
        meters = _meters(machine)
        kept = Kept()
        loop = SamplingLoop(meters, kept, NoEvents(), frozen_after_s=1e9)
        loop.sample(slow=True)

        def wait(seconds: float) -> bool:
            machine.advance(seconds)
            return machine.now_s >= machine.seconds

        loop.run(period_s, wait)
    found = {}
    for meter in meters:
        domain = meter.domain.as_dict()
        times, values = _columns(kept.readings[domain["domain"], domain["quantity"]])
        power = None
        if domain["details"].get("power") in ("samples", "instant"):
            power = _columns(kept.readings[domain["domain"], "power"])
        found[domain["domain"].partition(":")[0]] = curve(times, values, domain, power)
    return found


def _meters(machine: Machine) -> list[Meter]:
    found, _ = nvml.find({})

    def read_uj() -> int:
        machine.read("energy_uj")
        return machine.rapl_uj()

    zone = Zone(
        "cpu:package-0",
        "CPU package 0",
        Path("intel-rapl:0"),
        socket=0,
        is_package=True,
        plain=True,
        max_range_uj=machine.rapl_range_uj,
    )
    return [*found, RaplZone(zone, "powercap", read_uj)]


def _columns(readings: list[Reading]) -> tuple[list[int], list[int | float]]:
    return [r.t_ns for r in readings], [r.value for r in readings]
