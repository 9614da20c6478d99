"""Powers over time whose energy is known exactly; each as watts at every `STEP_S`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
from machine import STEP_S

IDLE_W = 125.0


@dataclasses.dataclass(frozen=True)
class Power:
    """A power over time.

    Attributes:
        watts: At every `STEP_S`.
        phases: Of those with short phases inside, (starts_s, ends_s) of each kind.
    """

    watts: np.ndarray
    phases: dict[str, tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict)


def constant(randoms: np.random.Generator, seconds: float) -> Power:
    """One power, as of a large matrix product without end."""
    return Power(_noisy(randoms, np.full(_steps(seconds), randoms.uniform(200, 690))))


def steps(randoms: np.random.Generator, seconds: float) -> Power:
    """Work and rest of random lengths and powers."""
    return Power(
        _noisy(randoms, _pieces(randoms, seconds, (0.3, 5), lambda: randoms.uniform(125, 690)))
    )


def ramp(randoms: np.random.Generator, seconds: float) -> Power:
    """Warming up and cooling down, slowly."""
    turn = np.linspace(0, randoms.uniform(1, 4), _steps(seconds))
    return Power(_noisy(randoms, 150 + 400 * np.abs((turn % 2) - 1)))


def throttling(randoms: np.random.Generator, seconds: float) -> Power:
    """The power limit comes and goes."""
    levels = itertools.cycle([lambda: 690.0, lambda: randoms.uniform(430, 560)])
    watts = _pieces(randoms, seconds, (0.1, 1.2), lambda: next(levels)())
    return Power(_noisy(randoms, watts))


def bursts(randoms: np.random.Generator, seconds: float) -> Power:
    """Bursts shorter than the counter's period: 31 ms of work, 47 ms of rest."""
    watts = np.full(_steps(seconds), IDLE_W)
    at = randoms.uniform(0, 0.1)
    while at < seconds:
        length = randoms.normal(0.031, 0.001)
        watts[_steps(at) : _steps(at + length)] = randoms.normal(690, 10)
        at += length + randoms.normal(0.047, 0.002)
    return Power(_noisy(randoms, watts))


def decoding(randoms: np.random.Generator, seconds: float) -> Power:
    """Generations: a prefill of 20 ms, tokens of 18 to 24 ms that each begin busy and end waiting
    for the processor, and a pause."""
    watts = np.full(_steps(seconds), IDLE_W)
    starts, firsts, ends = [], [], []
    at = randoms.uniform(0, 0.5)
    each = randoms.uniform(0.018, 0.024)
    while at < seconds - 2:
        starts.append(at)
        firsts.append(at + 0.02)
        watts[_steps(at) : _steps(at + 0.02)] = 600
        at += 0.02
        for token in range(int(randoms.integers(8, 40))):
            length = randoms.normal(each, 0.0006)
            high = 330 + 0.4 * token
            watts[_steps(at) : _steps(at + 0.6 * length)] = high
            watts[_steps(at + 0.6 * length) : _steps(at + length)] = 0.75 * high
            at += length
        ends.append(at)
        at += randoms.uniform(0.02, 0.3)
    kinds = {"prefill": (starts, firsts), "decode": (firsts, ends)}
    return Power(
        _noisy(randoms, watts),
        {kind: tuple(map(np.asarray, edges)) for kind, edges in kinds.items()},
    )


POWERS: dict[str, Callable[[np.random.Generator, float], Power]] = {
    power.__name__: power for power in (constant, steps, ramp, throttling, bursts, decoding)
}


def _steps(seconds: float) -> int:
    return round(seconds / STEP_S)


def _noisy(randoms: np.random.Generator, watts: np.ndarray) -> np.ndarray:
    """No board draws the same power for long: 1 % over some milliseconds, 0.3 % over seconds."""
    quick = np.repeat(randoms.normal(0, 0.01, len(watts) // 10 + 1), 10)[: len(watts)]
    slow = np.repeat(randoms.normal(0, 0.003, len(watts) // 2000 + 1), 2000)[: len(watts)]
    return watts * (1 + quick + slow)


def _pieces(
    randoms: np.random.Generator,
    seconds: float,
    lengths_s: tuple[float, float],
    level: Callable[[], float],
) -> np.ndarray:
    watts, at = np.empty(_steps(seconds)), 0.0
    while at < seconds:
        length = np.exp(randoms.uniform(*np.log(lengths_s)))
        watts[_steps(at) : _steps(at + length)] = level()
        at += length
    return watts
