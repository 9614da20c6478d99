"""The check of ``peers.py``: what the tools say of powers of which the answer is plain."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from peers import tools


@dataclass
class Steady:
    """A machine for the check below: known powers, and counters that move every period."""

    gpu_w: Callable[[float], float]
    cpu_w: float = 100.0
    gpu_period_s: float = 0.1
    rapl_period_s: float = 0.001
    rapl_range_uj: int = 262_143_328_850
    rapl_start_uj: int = 0
    now_s: float = 0.0
    read_cost_s: Mapping[str, float] = field(
        default_factory=lambda: {
            "nvmlDeviceGetTotalEnergyConsumption": 2e-4,
            "nvmlDeviceGetPowerUsage": 2e-4,
            "nvmlDeviceGetFieldValues": 2e-4,
            "energy_uj": 2e-5,
        }
    )

    def __post_init__(self):
        self._gpu_mj = 0.0

    def advance(self, seconds: float) -> None:
        periods = range(
            int(self.now_s / self.gpu_period_s), int((self.now_s + seconds) / self.gpu_period_s)
        )
        for period in periods:
            self._gpu_mj += self.gpu_w(period * self.gpu_period_s) * self.gpu_period_s * 1e3
        self.now_s += seconds

    def gpu_energy_mj(self) -> int:
        return int(self._gpu_mj)

    def gpu_power_mw(self) -> int:
        return int(self.gpu_w(self.now_s) * 1e3)

    gpu_instant_mw = gpu_power_mw

    def rapl_uj(self) -> int:
        spent_uj = self.now_s // self.rapl_period_s * self.rapl_period_s * self.cpu_w * 1e6
        return (self.rapl_start_uj + int(spent_uj)) % self.rapl_range_uj


WINDOWS_S = ((2.02, 2.025), (3.0, 3.08), (4.03, 5.03), (6.0, 26.0), (30.0, 90.0))


def check() -> None:
    """Print what each tool says of a constant power; raise where that cannot be right."""
    print(
        f"{'constant 300 W (GPU), 100 W (CPU); J':40}", *(f"{b - a:>9.3f} s" for a, b in WINDOWS_S)
    )
    for name in tools(Steady(lambda s: 300.0)):
        said = _says(name, WINDOWS_S)
        print(f"{name:40}", *("       none" if j is None else f"{j:>11.3f}" for j in said))
        _require(said == _says(name, WINDOWS_S), f"{name}: a second run says otherwise")
        for (start_s, end_s), energy_j in zip(WINDOWS_S, said, strict=True):
            _require(_possible(name, end_s - start_s, energy_j), f"{name}: {energy_j} J")
    _check_edges()


def _possible(name: str, length_s: float, energy_j: float | None) -> bool:
    """Whether a tool can say this of a constant power: within a step, or zero for what it skips."""
    if "PowerMonitor" in name:
        return energy_j == 0  # the power never changes: it has no two samples
    if "CodeCarbon" in name and "task" not in name and length_s < 0.05:
        return energy_j == 0  # it leaves out what ends within 50 ms of its last measurement
    power_w, step_s = (300.0, 0.1) if "NVML" in name else (100.0, 0.001)
    slack_s = 0.002 + (0.0 if "power x time" in name else step_s)
    return energy_j is not None and abs(energy_j / power_w - length_s) <= slack_s


def _check_edges() -> None:
    """A step of power, a wrap-around and a window that holds no update of the counter."""
    inside = [(2.02, 2.025), (2.999, 3.004)]
    for name in ("Zeus (NVML)", "counter difference (NVML)"):
        none, step = _says(name, inside)
        _require(none == 0 and math.isclose(step, 30.0), f"{name}: {none}, {step} J; 0 and 30 J")
    none, _ = _says("Zeus, approx_instant_energy (NVML)", inside)
    _require(abs(none / 300 - 0.005) < 0.001, f"Zeus, approx_instant_energy: {none} J; 1.5 J")

    def step_w(time_s: float) -> float:
        return 100.0 if time_s < 4 else 500.0

    for name, least_j, most_j in (
        ("counter difference (NVML)", 600 - 50, 600 + 50),
        ("power x time, 10 Hz (NVML)", 600 - 60, 600 + 60),
        ("Zeus PowerMonitor, 0.1 s (NVML)", 0, 0),  # one change is one sample
    ):
        (energy_j,) = _says(name, [(3.0, 5.0)], gpu_w=step_w)
        _require(least_j <= energy_j <= most_j, f"{name}: {energy_j} J over a step")
    (energy_j,) = _says("Zeus PowerMonitor, 0.1 s (NVML)", [(3.0, 5.0)], gpu_w=lambda s: 300 + s)
    _require(abs(energy_j - 608) < 70, f"Zeus PowerMonitor: {energy_j} J of a rising power")

    wraps = {"rapl_range_uj": 1_000_000_000, "rapl_start_uj": 500_000_000}  # at 5 s
    for name, expected_j in (
        ("pyRAPL (RAPL)", None),
        ("counter difference (RAPL)", 400 - 1000),
        ("Zeus (RAPL)", 400),
        ("CodeCarbon task (RAPL)", 400),
    ):
        (energy_j,) = _says(name, [(3.0, 7.0)], **wraps)
        right = energy_j is expected_j or math.isclose(energy_j, expected_j, abs_tol=0.5)
        _require(right, f"{name}: {energy_j} J across a wrap-around, not {expected_j}")

    # Four wrap-arounds in 40 s: whoever measures more often than that in the background sees each.
    for name, expected_j in (("CodeCarbon, 1 s (RAPL)", 4000), ("CodeCarbon task (RAPL)", 0)):
        (energy_j,) = _says(name, [(3.0, 43.0)], **wraps)
        right = math.isclose(energy_j, expected_j, abs_tol=0.5)
        _require(right, f"{name}: {energy_j} J across four wrap-arounds, not {expected_j}")

    try:
        _says("pyRAPL (RAPL)", [(0.0, 1.0)])
    except ValueError:
        return
    raise AssertionError("a window before the tool is ready was measured")


def _says(
    name: str, windows: Sequence[tuple[float, float]], gpu_w=lambda s: 300.0, **machine
) -> list[float | None]:
    """What a tool says on a fresh machine."""
    return tools(Steady(gpu_w, **machine))[name].energies_j(windows)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)
