"""When to read what is dear to read: the sampler has a budget, a small share of one core.

NVML's energy counter took 3.5 to 4.6 ms of a core a read on an H100 and moved every 100 ms: read
twenty times a second it costs 9 % of a core, and between two moves it repeats an old value. So it
is read seldom, well behind a move, where the value is that of the last one beyond doubt; and now
and then densely around a move, which tells when the moves are. `energy.edges` puts both together.
Whatever else is dear is paced in the same way, by what it is seen to cost (docs/meters.md).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from metering.grid import Grid
from metering.meter import Reading

T = TypeVar("T")

# What the whole sampler may take of a core, once it has started.
BUDGET = 0.007
# And of that, what is paced, all devices together: single readings of counters and dense looks at
# their moves; power, slow quantities, and who uses the processors. The rest is for the rounds.
SHARE, DENSE_SHARE = 0.0022, 0.0013
POWER, SLOW, ACTIVITY = 0.0022, 0.001, 0.0006
# A board without samples of its power has its counter alone.
ALONE = 0.004
# Before that the first moves are looked at, and nothing is judged; then it is judged so often.
START_UP_S, JUDGED_S = 5.0, 4.0
# What is paced comes so much more seldom: at first, since rounds and all took 1.1 % of a core
# beside an H200 without, and at most, where the rounds alone take the budget.
STRETCH_FIRST, STRETCH_MOST = 2.5, 20.0
# Moves to see at the start, how long to look, and the time between two looks at least.
MOVES, SEARCH_S, PACE_S = 10, 1.5, 0.002
# A move can show this late; and so much the grid may be off, later on and at first.
LATE_S, MARGINS_S = 0.03, (0.004, 0.016)
# Within a period, the part in which the value is surely that of the last move.
SAFE_PHASE = (0.35, 0.9)
# Between two dense looks: the first soon, for a period that is known from a second of moves is
# soon wrong by a move.
RELOCATE_S = (1.0, 8.0)


class Budget:
    """Keeps this process within its share of a core: what is paced comes ``stretch`` times as
    seldom, which rises while the process takes more.

    Attributes:
        steady: CPU and wall seconds since the start-up; None before its end.
    """

    def __init__(self, share: float = BUDGET) -> None:
        self._share = share
        self.stretch = STRETCH_FIRST
        self._started_s: float | None = None
        self._steady_from: tuple[float, float] | None = None
        self._judged = (0.0, 0.0)

    @property
    def steady(self) -> tuple[float, float] | None:
        if self._steady_from is None:
            return None
        cpu_s, wall_s = self._steady_from
        return time.process_time() - cpu_s, time.monotonic() - wall_s

    def update(self) -> None:
        """Judges what the process took: call it about once a second."""
        now = time.process_time(), time.monotonic()
        if self._started_s is None:
            self._started_s = now[1]
        if self._steady_from is None:
            if now[1] - self._started_s >= START_UP_S:
                self._steady_from = self._judged = now
            return
        cpu_s, wall_s = now[0] - self._judged[0], now[1] - self._judged[1]
        if wall_s >= JUDGED_S:
            too_much = cpu_s / wall_s / self._share
            self.stretch = min(max(1.0, self.stretch * min(max(0.85, too_much), 3)), STRETCH_MOST)
            self._judged = now


# Of this process, as its CPU time is.
PROCESS_BUDGET = Budget()


class RateLimiter:
    """Calls something no more often than its cost allows.

    Args:
        share: What it may take of a core.
        longest_s: It is due after so long, where the share allows that.
    """

    def __init__(
        self,
        share: float,
        longest_s: float = math.inf,
        budget: Budget = PROCESS_BUDGET,
        slack_s: float = 0.0,
    ) -> None:
        self._share, self._longest_s, self._slack_s = share, longest_s, slack_s
        self._budget = budget
        self._cost_s: float | None = None
        self._due_s = -math.inf

    def due(self) -> bool:
        """Whether it may be called again."""
        return time.monotonic() >= self._due_s

    def call(self, read: Callable[[], T]) -> T:
        """What it gives; what it cost counts also where it raises."""
        before_s = time.process_time()
        try:
            return read()
        finally:
            spent_s = time.process_time() - before_s
            known = self._cost_s is not None
            self._cost_s = 0.8 * self._cost_s + 0.2 * spent_s if known else spent_s
            wait_s, stretch = self._cost_s / self._share, self._budget.stretch
            if wait_s <= self._longest_s:
                wait_s = min(stretch * wait_s, self._longest_s)
            else:  # too dear for that: then it is one of those that the budget slows down
                wait_s = stretch * self._longest_s
            self._due_s = time.monotonic() + max(0.0, wait_s - self._slack_s)


class PacedCounter:
    """Reads a counter at a bounded cost, so that its moves can be located.

    Args:
        read: Gives the counter's reading; may raise.
        share, dense_share: What single readings, and dense looks, may take of a core.
    """

    def __init__(
        self,
        read: Callable[[], Reading],
        share: float = SHARE,
        dense_share: float = DENSE_SHARE,
        budget: Budget = PROCESS_BUDGET,
    ) -> None:
        self._read_once = read
        self._share, self._dense_share = share, dense_share
        self._budget = budget
        self._cost_s = 0.0
        self._grid: Grid | None = None
        self._due_s = self._relocate_s = 0.0
        self._apart_s, self._margin_s = RELOCATE_S[0], MARGINS_S[1]
        self._started = False

    def read(self, everything: bool = False) -> list[Reading]:
        """The readings that are due: none, one, or those around a move; with `everything` one in
        any case."""
        if not self._started:
            readings = self._acquire()
            self._started = True
            return readings
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
        if not SAFE_PHASE[0] <= part <= SAFE_PHASE[1]:
            if now_s - self._due_s < self._interval_s():
                return []
            time.sleep((SAFE_PHASE[0] - part) % 1 * self._grid.period_s)
        return [self._paced()]

    def _interval_s(self) -> float:
        return self._budget.stretch * self._cost_s / self._share

    def _paced(self) -> Reading:
        cpu_s = time.process_time()
        reading = self._read_once()
        spent_s = time.process_time() - cpu_s
        self._cost_s = spent_s if not self._cost_s else 0.9 * self._cost_s + 0.1 * spent_s
        self._due_s = time.monotonic() + self._interval_s()
        return reading

    def _acquire(self) -> list[Reading]:
        """Looks until the counter has moved a few times: its period, and when it moves."""
        kept, moves = self._watch(SEARCH_S, MOVES)
        if len(moves) == MOVES:
            self._grid = Grid(moves)
        self._relocate_s = time.monotonic() + self._apart_s
        return kept

    def _relocate(self) -> list[Reading]:
        """Looks densely around the next move."""
        cpu_s = time.process_time()
        # Begin two reads before it, and as much as the grid may be off.
        early_s = 2 * max(self._cost_s, PACE_S) + self._margin_s
        now_s = time.monotonic()
        due_s = self._grid.time_s(math.ceil(self._grid.number(now_s + early_s))) - early_s
        time.sleep(max(0.0, due_s - now_s))
        kept, moves = self._watch(early_s + LATE_S, 1)
        if moves:
            self._margin_s = max(MARGINS_S[0], self._margin_s / 2)
            self._apart_s = min(4 * self._apart_s, RELOCATE_S[1])
        else:
            # It came before the look began: the grid is off. See the next, wherever it is.
            more, moves = self._watch(self._grid.period_s + LATE_S, 1)
            kept += more
            self._margin_s, self._apart_s = MARGINS_S[1], RELOCATE_S[0]
        for move_s in moves:
            self._grid.add(move_s)
        wait_s = self._apart_s
        if self._margin_s == MARGINS_S[0]:  # what locates the grid at first is the start-up's
            spent_s = time.process_time() - cpu_s
            allowed_s = self._budget.stretch * spent_s / self._dense_share
            # Not much further ahead than it is known back.
            wait_s = max(wait_s, min(allowed_s, self._grid.span_s / 2))
        self._relocate_s = time.monotonic() + wait_s
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
