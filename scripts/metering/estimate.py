"""The last resort for a processor without a meter: utilisation x rated power. An estimate.

It knows nothing of idle power, clocks or the work done: an idle machine comes out near zero, and a
stalled core costs as much as a busy one. It is named an estimate wherever it goes.
"""

import os
import time
from pathlib import Path

from metering.meter import (
    Domain,
    Meter,
    MeterError,
    MeterEvent,
    Missing,
    Reading,
    error_message,
    timed,
)

ASSUMED_POWER_PER_CPU_W = 10.0
# Between two looks at least: a tick of CPU time is 10 ms, and /proc/stat takes a quarter of a
# millisecond. A little less than the sampler's usual period, which is never met exactly.
PERIOD_S = 0.045

# /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice (proc_stat(5)).
# Guest time is already in user; steal is work of others on the host.
_BUSY = (0, 1, 2, 5, 6)
_TOTAL = range(8)


class CpuEstimate:
    """The whole machine as one domain, ``cpu:estimate``; see `Meter`.

    Energy in joules, cumulative since boot: busy CPU seconds x rated power / number of CPUs.
    """

    name = "estimate"

    def __init__(self, stat: Path, rated_power_w: float | None):
        self._stat = stat
        self._hertz = os.sysconf("SC_CLK_TCK")
        cpus = _cpus(stat)
        assumed = rated_power_w is None
        self._rated_power_w = ASSUMED_POWER_PER_CPU_W * cpus if assumed else rated_power_w
        self._energy_j_per_tick = self._rated_power_w / cpus / self._hertz
        self._last = _ticks(stat)
        self._busy = 0
        self._due_s = 0.0
        self.domain = Domain(
            domain="cpu:estimate",
            meter=self.name,
            source=self.name,
            unit="J",
            label="CPU, estimate: utilisation x rated power",
            estimate=True,
            kind="processor",
            period_s=1 / self._hertz,
            resolution=self._energy_j_per_tick,
            details={
                "rated_power_w": self._rated_power_w,
                "rated_power_from": (
                    f"assumed: {ASSUMED_POWER_PER_CPU_W:g} W per logical CPU"
                    if assumed
                    else "configuration"
                ),
                "logical_cpus": cpus,
                "scope": "all processes of the whole machine, not only this one",
                "resolution_s": 1 / self._hertz,
                "idle": "counts as zero: the estimate knows nothing of idle power",
            },
        )

    def read(self, everything: bool = False) -> list[Reading]:
        """Estimated energy since boot, in joules; seldom, for the kernel takes its time to tell."""
        if time.monotonic() < self._due_s and not everything:
            return []
        self._due_s = time.monotonic() + PERIOD_S
        t_ns, (busy, _) = timed(lambda: _ticks(self._stat))
        # What a core did is told anew when it wakes: the sum can fall by a tick, energy cannot.
        self._busy = max(self._busy, busy)
        return [self._reading(t_ns, "energy", self._busy * self._energy_j_per_tick, "J")]

    def read_slow(self) -> list[Reading]:
        """Mean utilisation (0 to 1) since the last call, and the rated power in watts."""
        t_ns, now = timed(lambda: _ticks(self._stat))
        readings = [self._reading(t_ns, "rated_power", self._rated_power_w, "W")]
        busy, total = (new - old for new, old in zip(now, self._last, strict=True))
        if total > 0:  # within one clock tick there is nothing to divide by, which is not zero
            self._last = now
            used = min(max(0.0, busy / total), 1.0)
            readings.append(self._reading(t_ns, "utilisation", used, "1"))
        return readings

    def new_events(self) -> list[MeterEvent]:
        """Nothing happens to it."""
        return []

    def close(self) -> None:
        """Nothing is held."""

    def _reading(self, t_ns: int, quantity: str, value: float, unit: str) -> Reading:
        return Reading(t_ns, self.domain.domain, quantity, value, unit, self.name)


def find(
    proc_root: Path = Path("/proc"), rated_power_w: float | None = None
) -> tuple[list[Meter], list[Missing]]:
    """The estimate, where the kernel accounts CPU time. ``rated_power_w``: of the whole machine."""
    if rated_power_w is not None and not rated_power_w > 0:
        raise MeterError(f"the CPU's rated power is {rated_power_w} W; give a positive power")
    try:
        return [CpuEstimate(proc_root / "stat", rated_power_w)], []
    except (OSError, ValueError, IndexError) as error:
        why = f"CPU time cannot be read from {proc_root / 'stat'}: {error_message(error)}"
        return [], [Missing("estimate", why, "mount /proc")]


def busy_s(proc_root: Path = Path("/proc")) -> float | None:
    """Seconds that the machine's CPUs were busy since boot, all programs together; None where the
    kernel does not tell."""
    try:
        return _ticks(proc_root / "stat")[0] / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _ticks(stat: Path) -> tuple[int, int]:
    """(busy, total) clock ticks since boot, summed over all CPUs."""
    with open(stat, "rb") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return sum(fields[i] for i in _BUSY), sum(fields[i] for i in _TOTAL)


def _cpus(stat: Path) -> int:
    lines = stat.read_text(encoding="utf-8").splitlines()
    cpus = sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines)
    if cpus == 0:
        raise ValueError("no CPU is listed")
    return cpus
