"""When to read a counter that is dear to read and moves on a regular grid.

NVML's energy counter took 3.5 ms of a core a read on an H100 and moved every 100 ms: read twenty
times a second it costs 7 % of a core, and between two moves it repeats an old value. So it is read
seldom, well behind a move, where the value is that of the last one beyond doubt; and now and then
densely around a move, which tells when the moves are. `analysis.edges` puts both together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from metering.grid import Grid
from metering.meter import Reading

# What reading the counters of all GPUs may take of a core.
SHARE = 0.003
# Moves to see at the start, how long to look, and the time between two looks at least.
MOVES, LOOK_S, PACE_S = 10, 1.5, 0.002
# A move can show this late.
LATE_S = 0.03
# Within a period, the part in which the value is surely that of the last move.
SURE = (0.35, 0.9)
# Between two dense looks: the first soon, for a period that is known from a second of moves is
# soon wrong by a move.
RELOCATE_S = (1.0, 8.0)


class PacedCounter:
    """Reads a counter at a bounded cost, so that its moves can be located.

    Args:
        read: Gives the counter's reading; may raise.
        share: What it may take of a core.
    """

    def __init__(self, read: Callable[[], Reading], share: float) -> None:
        self._read_once = read
        self._share = share
        self._cost_s = 0.0
        self._grid: Grid | None = None
        self._due_s = self._relocate_s = 0.0
        self._apart_s = RELOCATE_S[0]
        self._started = False

    def read(self, everything: bool = False) -> list[Reading]:
        """The readings that are due: none, one, or those around a move; with `everything` one in
        any case."""
        if not self._started:
            self._started = True
            return self._acquire()
        if everything:
            return [self._paced()]
        now_s = time.monotonic()
        if now_s < self._due_s:
            return []
        if self._grid is None:
            return [self._paced()]
        if now_s >= self._relocate_s:
            return self._relocate()
        part = self._grid.number(now_s) % 1
        if not SURE[0] <= part <= SURE[1]:
            if now_s - self._due_s < self._interval_s():
                return []
            time.sleep((SURE[0] - part) % 1 * self._grid.period_s)
        return [self._paced()]

    def _interval_s(self) -> float:
        return self._cost_s / self._share

    def _paced(self) -> Reading:
        cpu_s = time.process_time()
        reading = self._read_once()
        spent_s = time.process_time() - cpu_s
        self._cost_s = spent_s if not self._cost_s else 0.9 * self._cost_s + 0.1 * spent_s
        self._due_s = time.monotonic() + self._interval_s()
        return reading

    def _acquire(self) -> list[Reading]:
        """Looks until the counter has moved a few times: its period, and when it moves."""
        kept, moves = self._watch(LOOK_S, MOVES)
        if len(moves) == MOVES:
            self._grid = Grid(moves)
        self._relocate_s = time.monotonic() + self._apart_s
        return kept

    def _relocate(self) -> list[Reading]:
        """Looks densely around the next move."""
        # Begin two looks before it.
        early_s = 2 * max(self._cost_s, PACE_S)
        now_s = time.monotonic()
        due_s = self._grid.time_s(math.ceil(self._grid.number(now_s + early_s))) - early_s
        time.sleep(max(0.0, due_s - now_s))
        kept, moves = self._watch(early_s + self._grid.period_s + LATE_S, 1)
        for move_s in moves:
            self._grid.add(move_s)
        self._apart_s = min(4 * self._apart_s, RELOCATE_S[1])
        self._relocate_s = time.monotonic() + max(self._apart_s, 4 * self._interval_s())
        return kept

    def _watch(self, seconds: float, count: int) -> tuple[list[Reading], list[float]]:
        """Reads densely until the value has moved `count` times; what repeats between two moves
        says nothing and is left out."""
        end_s = time.monotonic() + seconds
        last = self._paced()
        kept, moves = [last], []
        while len(moves) < count and time.monotonic() < end_s:
            time.sleep(max(0.0, PACE_S - self._cost_s))
            new = self._paced()
            if new.value != last.value:
                kept += [last, new] if kept[-1] is not last else [new]
                moves.append(new.t_ns / 1e9)
            last = new
        if kept[-1] is not last:
            kept.append(last)
        return kept, moves
