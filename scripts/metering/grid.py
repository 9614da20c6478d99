"""The regular grid on which a counter moves, from moves that show late. Pure arithmetic.

On an H100 NVML's energy counter moves every 100.00 ms; most moves show within 3 ms, some 25 ms late
(docs/metering.md). So a few moves that were looked at closely tell when all others happened.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import NamedTuple

# Moves lie on the line that most of them agree with: at most so much before it and behind it.
EARLY_S, LATE_S = 0.0015, 0.0025
# Those that count: the clocks drift against each other.
KEPT = 14


class Line(NamedTuple):
    """A grid: move `number` happens at phase_s + number * period_s.

    ``agreeing`` is which part of the moves lies on it, ``scatter_s`` their standard deviation.
    """

    phase_s: float
    period_s: float
    agreeing: float
    scatter_s: float


def fit_line(moves: Sequence[tuple[int, float]], period_s: float) -> Line | None:
    """The grid that most of the numbered moves agree with; None where no two of them do.

    Args:
        moves: (number, seconds).
        period_s: About how long it is: within 5 %.
    """
    best: tuple[int, float, list[tuple[int, float]]] = (0, 0.0, [])
    for i, (number, move_s) in enumerate(moves):
        for other, other_s in moves[i + 1 :]:
            if other == number:
                continue
            between_s = (other_s - move_s) / (other - number)
            if abs(between_s / period_s - 1) > 0.05:
                continue
            off = [(n, t, t - move_s - (n - number) * between_s) for n, t in moves]
            on = [(n, t) for n, t, late_s in off if -EARLY_S <= late_s <= LATE_S]
            spread = sum(abs(late_s) for _, _, late_s in off if -EARLY_S <= late_s <= LATE_S)
            if (len(on), -spread) > (best[0], -best[1]):
                best = len(on), spread, on
    on = best[2]
    if len({n for n, _ in on}) < 2:
        return None
    slope_s, phase_s = statistics.linear_regression(*zip(*on, strict=True))
    scatter_s = statistics.pstdev(t - phase_s - n * slope_s for n, t in on)
    return Line(phase_s, slope_s, len(on) / len(moves), scatter_s)


class Grid:
    """Follows a grid, move by move.

    Args:
        moves_s: The first moves, one directly after the other, at least three.
    """

    def __init__(self, moves_s: Sequence[float]) -> None:
        period_s = statistics.median(b - a for a, b in itertools.pairwise(moves_s))
        self._line = Line(moves_s[0], period_s, 0.0, 0.0)
        self._moves = [(round((t - moves_s[0]) / period_s), t) for t in moves_s]
        self._fit()

    @property
    def period_s(self) -> float:
        """Between two moves."""
        return self._line.period_s

    @property
    def span_s(self) -> float:
        """The time over which its moves are known."""
        return self._moves[-1][1] - self._moves[0][1]

    def number(self, time_s: float) -> float:
        """How many periods after move 0 a time is."""
        return (time_s - self._line.phase_s) / self._line.period_s

    def time_s(self, number: float) -> float:
        """When the move of that number happened, or will."""
        return self._line.phase_s + number * self._line.period_s

    def add(self, move_s: float) -> int:
        """Takes one more move; gives its number."""
        number = round(self.number(move_s))
        self._moves = [*self._moves, (number, move_s)][-KEPT:]
        self._fit()
        return number

    def _fit(self) -> None:
        self._line = fit_line(self._moves, self._line.period_s) or self._line
