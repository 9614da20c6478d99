"""What users would take instead of this workflow, over a machine whose power is known.

The real libraries run, unmodified, in virtual time over simulated meters (``virtual_time.py``,
``fake_hardware.py``, ``peers_lab.py``). What a tool says is reported as it is, in joules. They need
an environment of their own: ``requirements.txt``. Run as a program this file checks itself::

    python tests/benchmarks/truth/peers.py
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from threading import Event
from typing import Protocol

import pynvml
from fake_hardware import POWERCAP, Machine
from peers_lab import laboratory
from virtual_time import VirtualTime

POLL_PERIOD_S = 0.1
J_PER_KWH = 3.6e6

Begin = Callable[[], None]
End = Callable[[], float | None]


class Tool(Protocol):
    """Something that says how much energy a window took."""

    domain: str
    """``gpu`` or ``cpu``."""

    def energies_j(self, windows: Sequence[tuple[float, float]]) -> list[float | None]:
        """Run over windows (start_s, end_s) in virtual time, in order, not overlapping.

        Gives what the tool says of each, in joules: None where it says nothing, 0 where it says 0.
        Raises ValueError if the first window starts before the tool is ready: it sets itself up
        and measures a throw-away window first, as a careful user does.
        """


@dataclass(frozen=True)
class Peer:
    """A tool on a machine: ``set_up`` starts it and gives how a window begins and ends.

    A user's work starts when ``begin`` comes back. So ``begin`` is called as long before the window
    as it took the last time, and what ``end`` takes lies behind the window. Windows closer than
    that begin late, as they would for a user. Only the reads take time, not the library's own
    work: that is to the library's favour.
    """

    machine: Machine
    domain: str
    set_up: Callable[[VirtualTime], tuple[Begin, End]]

    def energies_j(self, windows: Sequence[tuple[float, float]]) -> list[float | None]:
        with laboratory(self.machine) as world:
            begin, end = self.set_up(world)
            lead_s = _time(world, begin)
            world.until(world.now_s + POLL_PERIOD_S)
            end()
            if windows and windows[0][0] - lead_s < world.now_s:
                raise ValueError(
                    f"windows: the first starts at {windows[0][0]:g} s, "
                    f"the tool is ready at {world.now_s + lead_s:g} s; start no earlier"
                )
            said = []
            for start_s, end_s in windows:
                world.until(start_s - lead_s)
                lead_s = _time(world, begin)
                world.until(end_s)
                said.append(end())
            return said


def tools(machine: Machine) -> dict[str, Tool]:
    """Every tool by its name in a table. None has started: take a fresh machine for each run."""

    def zeus(domain: str, **settings) -> Peer:
        return Peer(machine, domain, lambda world: _zeus(domain, **settings))

    def codecarbon(domain: str, **settings) -> Peer:
        return Peer(machine, domain, lambda world: _codecarbon(domain, **settings))

    return {
        "Zeus (NVML)": zeus("gpu"),
        "Zeus, approx_instant_energy (NVML)": zeus("gpu", approx_instant_energy=True),
        "Zeus PowerMonitor, 0.1 s (NVML)": Peer(machine, "gpu", _zeus_power),
        "CodeCarbon (NVML)": codecarbon("gpu"),
        "CodeCarbon, 1 s (NVML)": codecarbon("gpu", measure_power_secs=1),
        "CodeCarbon task (NVML)": Peer(machine, "gpu", lambda world: _codecarbon_task("gpu")),
        "power x time, 10 Hz (NVML)": Peer(machine, "gpu", _power_x_time),
        "counter difference (NVML)": Peer(
            machine, "gpu", lambda world: _difference(_nvml_counter())
        ),
        "Zeus (RAPL)": zeus("cpu"),
        "CodeCarbon (RAPL)": codecarbon("cpu"),
        "CodeCarbon, 1 s (RAPL)": codecarbon("cpu", measure_power_secs=1),
        "CodeCarbon task (RAPL)": Peer(machine, "cpu", lambda world: _codecarbon_task("cpu")),
        "pyRAPL (RAPL)": Peer(machine, "cpu", lambda world: _pyrapl()),
        "counter difference (RAPL)": Peer(machine, "cpu", lambda world: _difference(_rapl_counter)),
    }


def _zeus(domain: str, **settings) -> tuple[Begin, End]:
    """One ``ZeusMonitor`` for the program, ``begin_window`` and ``end_window`` around the work.

    The defaults: every GPU and every package is read. ``sync_execution=False``: nothing is queued
    on a GPU that a synchronisation would wait for, and it would need PyTorch.
    """
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor(**settings)

    def end() -> float | None:
        measured = monitor.end_window("work", sync_execution=False)
        return (measured.gpu_energy if domain == "gpu" else measured.cpu_energy or {}).get(0)

    return lambda: monitor.begin_window("work", sync_execution=False), end


def _zeus_power(world: VirtualTime) -> tuple[Begin, End]:
    """A ``PowerMonitor`` that runs all along, asked for the energy between two times.

    Its period is given. The default asks for inference, which gives 0 (``min`` with a start of 0):
    it would poll as fast as NVML answers, which the library itself warns of. It keeps a sample only
    when the power changes and integrates between those in the window: fewer than two give zero.
    """
    from zeus.monitor import PowerMonitor

    monitor = PowerMonitor(gpu_indices=[0], update_period=POLL_PERIOD_S)
    began_s: list[float] = []
    return (
        lambda: began_s.append(time.time()),
        lambda: (monitor.get_energy(began_s[-1], time.time()) or {}).get(0),
    )


def _tracker(**settings):
    """CodeCarbon's offline tracker. It writes no file and no log; neither changes what it says."""
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code="FRA", output_methods=[], log_level="critical", **settings
    )


def _codecarbon(domain: str, **settings) -> tuple[Begin, End]:
    """A tracker for each window, ``start`` and ``stop``, as the decorator does; the part asked for.

    In between it measures in the background, every 15 s by default.
    """
    running = []

    def begin() -> None:
        running.append(_tracker(**settings))
        running[-1].start()

    def end() -> float:
        tracker = running.pop()
        tracker.stop()
        return getattr(tracker.final_emissions_data, f"{domain}_energy") * J_PER_KWH

    return begin, end


def _codecarbon_task(domain: str) -> tuple[Begin, End]:
    """One tracker for the program, ``start_task`` and ``stop_task`` around the work.

    A task has no periodic measurement, so ``measure_power_secs`` does not matter.
    """
    tracker = _tracker()
    return tracker.start_task, lambda: getattr(tracker.stop_task(), f"{domain}_energy") * J_PER_KWH


def _pyrapl() -> tuple[Begin, End]:
    """``setup`` once, then a ``Measurement`` a window. It gives None if a counter wrapped."""
    import pyRAPL

    pyRAPL.setup()
    running: list[pyRAPL.Measurement] = []

    def begin() -> None:
        running.append(pyRAPL.Measurement("work"))
        running[-1].begin()

    def end() -> float | None:
        measurement = running.pop()
        measurement.end()
        packages_uj = measurement.result.pkg
        return None if packages_uj is None else packages_uj[0] / 1e6

    return begin, end


def _power_x_time(world: VirtualTime) -> tuple[Begin, End]:
    """The mean of ``nvmlDeviceGetPowerUsage``, polled beside the work, times the time it took.

    A poll is made as the work starts and every 0.1 s from there: what many scripts do, and what
    ``nvidia-smi --loop-ms=100`` amounts to. None if the work is over before the first answer.
    """
    handle = _gpu()
    running = []

    def begin() -> None:
        watts, over = [], Event()

        def poll() -> None:
            while not over.is_set():
                watts.append(pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3)
                time.sleep(POLL_PERIOD_S)

        running.append((time.perf_counter(), watts, over))
        world.process(poll).start()

    def end() -> float | None:
        began_s, watts, over = running.pop()
        over.set()
        return fmean(watts) * (time.perf_counter() - began_s) if watts else None

    return begin, end


def _difference(read_j: Callable[[], float]) -> tuple[Begin, End]:
    """A counter before and after. Across a wrap-around it is negative, and says so."""
    before_j: list[float] = []
    return lambda: before_j.append(read_j()), lambda: read_j() - before_j.pop()


def _gpu():
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def _nvml_counter() -> Callable[[], float]:
    handle = _gpu()
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3


def _rapl_counter() -> float:
    with open(f"{POWERCAP}/energy_uj") as file:
        return int(file.read()) / 1e6


def _time(world: VirtualTime, action: Begin) -> float:
    """How long ``action`` takes, in virtual seconds."""
    start_s = world.now_s
    action()
    return world.now_s - start_s


if __name__ == "__main__":
    from peers_check import check

    check()
