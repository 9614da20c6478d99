"""Loads for a meter to read: units of work, each of a known length, on whatever device there is."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable

import torch

# Length of a burst, of the rest behind it, of a token and of a prefill, in seconds. 78 ms is in no
# simple ratio to the 100 ms of NVML's counter; 20 ms are what eager decoding of seven billion
# parameters and a short prefill took on an H100.
BURST_S, REST_S, TOKEN_S, PREFILL_S = 0.031, 0.047, 0.02, 0.02
TOKENS = 10
PAUSE_S = 0.1
# Sides of the matrices, and how many a token goes through: 8 GB of weights on a GPU.
SIDES = {"cuda": 8192, "cpu": 384}
LAYERS = {"cuda": 60, "cpu": 8}


@dataclasses.dataclass
class PhaseTimes:
    """When the phases of the units happened, for those that have phases."""

    starts_ns: list[int] = dataclasses.field(default_factory=list)
    firsts_ns: list[int] = dataclasses.field(default_factory=list)
    ends_ns: list[int] = dataclasses.field(default_factory=list)


class Loads:
    """Units of work on one device, calibrated to their lengths.

    Attributes:
        units: By name, what does one unit and waits until the device has done it.
        counts: How many operations make up each part, as calibrated.

    Args:
        device: Where the work is done.
        seed: Of the matrices and of random pauses.
    """

    def __init__(self, device: torch.device, seed: int) -> None:
        generator = torch.Generator(device).manual_seed(seed)
        side = SIDES[device.type]
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        how = {"generator": generator, "device": device, "dtype": dtype}
        self._device = device
        self._left, self._right = (torch.randn(side, side, **how) for _ in range(2))
        self._vector = torch.randn(side, 1, **how)
        self._layers = [torch.randn(side, side, **how) for _ in range(LAYERS[device.type])]
        self._randoms = random.Random(seed)
        self.phase_times: PhaseTimes | None = None
        self.units: dict[str, Callable[[], None]] = {
            "steady": self._steady,
            "bursty": self._bursty,
            "decode": self._token,
            "prefill-decode": self._generation,
        }
        self.counts = {"burst": 1, "prefill": 1, "token": 1, "steady": 1}
        for part, seconds, one in (
            ("burst", BURST_S, self._product),
            ("prefill", PREFILL_S, self._product),
            ("steady", PREFILL_S, self._product),
            ("token", TOKEN_S, self._matvec),
        ):
            self.counts[part] = self._calibrated(seconds, one)

    def _calibrated(self, seconds: float, one: Callable[[int], None]) -> int:
        """How many operations last so long, by the median of a few tries."""
        count = 1
        for _ in range(8):
            times = []
            for _ in range(5):
                self._wait()
                start = time.perf_counter()
                one(count)
                self._wait()
                times.append(time.perf_counter() - start)
            median = sorted(times)[2]
            if abs(median / seconds - 1) < 0.05:
                break
            count = max(1, round(count * seconds / median))
        return count

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    @torch.inference_mode()
    def _product(self, count: int) -> None:
        for _ in range(count):
            torch.mm(self._left, self._right)

    @torch.inference_mode()
    def _matvec(self, count: int) -> None:
        vector = self._vector
        for number in range(count):
            torch.mm(self._layers[number % len(self._layers)], vector)

    def _steady(self) -> None:
        self._product(self.counts["steady"])
        self._wait()

    def _bursty(self) -> None:
        self._product(self.counts["burst"])
        self._wait()
        time.sleep(REST_S)

    def _token(self) -> None:
        self._matvec(self.counts["token"])
        self._wait()

    def _generation(self) -> None:
        start_ns = time.monotonic_ns()
        self._product(self.counts["prefill"])
        self._wait()
        first_ns = time.monotonic_ns()
        for _ in range(TOKENS):
            self._token()
        if self.phase_times is not None:
            self.phase_times.starts_ns.append(start_ns)
            self.phase_times.firsts_ns.append(first_ns)
            self.phase_times.ends_ns.append(time.monotonic_ns())
        time.sleep(self._randoms.uniform(0, PAUSE_S))
