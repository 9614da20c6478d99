"""How many windows a cell gets: a fixed number, or as many as make the interval of its mean narrow.
Pure.

Whoever stops when an interval happens to be narrow stops when its scatter happens to be small:
stated intervals of 95 % then hold the truth in 29 to 89 % of cases. So the first windows alone say
how many are needed, and their scatter stays that of the interval (Stein 1945): it holds as often as
it says. It is that of one process's mean; what processes differ by only rounds tell.

A cell is what is repeated within a session: a batch size, a task under a condition, a probe. Its
windows are named CELL:NUMBER, numbered from 0.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from metering.cells import cell_of, number_of
from session.specification import ByWidth, Repetitions


def most_windows(repetitions: Repetitions) -> int:
    """The most windows of a cell."""
    return repetitions.at_most if isinstance(repetitions, ByWidth) else repetitions


def t_quantile(confidence: float, freedom: int) -> float:
    """The t that Student's distribution stays within, on both sides, with this probability.

    Solved for the angle of t = sqrt(freedom) tan(angle), under which the probability is a finite
    series (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1, freedom // 2 + 1):
        total += term
        term *= square * ((2 * k) / (2 * k + 1) if odd else (2 * k - 1) / (2 * k))
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def half_width(values: Sequence[float], confidence: float, pilot: int) -> float | None:
    """Half of the interval of the mean, as a share of the mean: Student's, the scatter being that
    of the first windows alone, since they said how many there are (Stein 1945).

    Args:
        values: Of all windows, in their order.
        pilot: How many of them come first; None where there are not so many, or fewer than two, or
            where the mean is not above zero.
    """
    first = values[:pilot]
    if len(first) < max(2, pilot) or not (mean := statistics.fmean(values)) > 0:
        return None
    error = statistics.stdev(first) / math.sqrt(len(values))
    return t_quantile(confidence, len(first) - 1) * error / mean


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is known of a cell.

    Attributes:
        windows: How many were taken.
        with_energy: How many of them have an energy; the others cannot narrow the interval.
        half_width: See `half_width`.
        why: Why no more are taken; None where more are.
    """

    windows: int
    with_energy: int
    half_width: float | None
    why: str | None


def verdict(repetitions: ByWidth, energies: Sequence[float | None]) -> Verdict:
    """Whether a cell has enough windows.

    Args:
        repetitions: The width that is asked for, and within which numbers of windows.
        energies: Energy per unit of each window taken, in joules; None where it has none.
    """
    known = [energy for energy in energies if energy is not None]
    half = half_width(known, repetitions.confidence, repetitions.at_least)
    why = None
    if half is not None and half <= repetitions.within:
        why = "narrow enough"
    elif len(energies) >= repetitions.at_most:
        why = "at most so many"
        if len(known) < len(energies):
            why += f"; {len(energies) - len(known)} without an energy"
    return Verdict(len(energies), len(known), half, why)


class Stopping:
    """Leaves out the windows of cells that have enough.

    Args:
        rules: By cell, the repetitions that are asked for.
        energies: Gives, by cell, the energy per unit of each window taken so far; it is called
            between rounds of windows, and only where one may be enough.

    Attributes:
        verdicts: By cell, of those that have enough; cells with a fixed number have none.
    """

    def __init__(
        self,
        rules: Mapping[str, Repetitions],
        energies: Callable[[], Mapping[str, Sequence[float | None]]],
    ) -> None:
        self._rules = {cell: rule for cell, rule in rules.items() if isinstance(rule, ByWidth)}
        self._energies = energies
        self.verdicts: dict[str, Verdict] = {}

    def is_by_width(self, cell: str) -> bool:
        """Whether a cell has as many windows as make its interval narrow."""
        return cell in self._rules

    def decide(self) -> None:
        """Finds the cells that have enough by now."""
        if not (waiting := self._rules.keys() - self.verdicts.keys()):
            return
        energies = self._energies()
        for cell in waiting:
            found = verdict(self._rules[cell], energies.get(cell, ()))
            if found.why is not None:
                self.verdicts[cell] = found

    def left(self, names: Iterable[str], finished: Collection[str]) -> list[str]:
        """What an earlier process left to be measured, as far as is known now."""
        if finished:
            self.decide()
        return [n for n in names if n not in finished and cell_of(n) not in self.verdicts]

    def needed(self, names: Iterable[str], leave_out: Callable[[int], None]) -> Iterator[str]:
        """The windows that are needed: after each round those of its cells that have enough are
        left out.

        Args:
            names: In the order of measuring; where cells have no fixed number, round by round.
            leave_out: Told how many were left out.
        """
        least = min((rule.at_least for rule in self._rules.values()), default=math.inf)
        left = deque(names)
        number = 0
        while left:
            if number_of(left[0]) != number and number_of(left[0]) >= least:
                self.decide()
                needed = deque(name for name in left if cell_of(name) not in self.verdicts)
                leave_out(len(left) - len(needed))
                left = needed
            if left:
                number = number_of(left[0])
                yield left.popleft()
        self.decide()

    def recorded_verdicts(self) -> dict[str, dict[str, Any]]:
        """The verdicts as the raw data keep them, in the order of the cells."""
        order = [cell for cell in self._rules if cell in self.verdicts]
        return {cell: dataclasses.asdict(self.verdicts[cell]) for cell in order}

    def lines(self) -> Iterator[str]:
        """What a reader must know: the cells that are not narrow, in words."""
        for cell, found in self.verdicts.items():
            requested = self._rules[cell].within
            if found.half_width is None:
                yield f"{cell}: {found.windows} windows and no interval: {found.why}"
            elif found.half_width > requested:
                yield (
                    f"{cell}: within {found.half_width:.1%} of its mean and not {requested:.1%}:"
                    f" {found.why} ({found.windows} windows)"
                )
