"""The characteristics of a meter (resolution, update interval, delay), from reading it densely."""

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from metering.counters import CounterReset, unwrap
from metering.meter import SCALES, Meter, Reading

# Between two reads at least: what costs nothing need not be read a hundred thousand times.
PAUSE_S = 2e-4
# Of blocks of this length the powers are compared.
BLOCK_S = 0.5
# Fewer moves say nothing of a grid.
FEWEST_ON_GRID = 8


@dataclass(frozen=True)
class Characteristics:
    """How one quantity of a meter behaves; None where there were too few readings to tell.

    Attributes:
        update_s: Time between two changes of the value, on their grid where they are on one.
        late_s: How much behind that grid the 95th percentile of changes shows, the time until it
            was read included; None where changes are on no regular grid.
        step: The smallest change, in joules or watts.
        read_wall_s, read_cpu_s: Time and CPU time of one read of the meter.
        power_w: Mean power while it was read.
        noise_w: Standard deviation of the power over blocks of half a second.
        samples: Values read.
    """

    domain: str
    quantity: str
    update_s: float | None
    late_s: float | None
    step: float | None
    read_wall_s: float
    read_cpu_s: float
    power_w: float | None
    noise_w: float | None
    samples: int


def read_densely(meter: Meter, seconds: float) -> tuple[list[Reading], float, float]:
    """Readings of everything for so long, and the wall and CPU seconds of one read."""
    meter.read(everything=True)
    readings: list[Reading] = []
    reads, wall_s, cpu_s = 0, 0.0, 0.0
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        before_s, before_cpu_s = time.monotonic(), time.process_time()
        readings += meter.read(everything=True)
        cpu_s += time.process_time() - before_cpu_s
        wall_s += time.monotonic() - before_s
        reads += 1
        time.sleep(PAUSE_S)
    return readings, wall_s / reads, cpu_s / reads


def characterise(
    domain: str,
    quantity: str,
    readings: Sequence[Reading],
    max_range: int | None,
    read_wall_s: float,
    read_cpu_s: float,
    scale: float | None = None,
) -> Characteristics:
    """The characteristics of one quantity: `energy` (a counter) or `power`.

    Args:
        max_range: Where a counter wraps around, in its unit; None where it does not.
        read_wall_s, read_cpu_s: Of one read; see `read_densely`.
        scale: Joules or watts in one unit of the readings; None takes it from their unit.
    """
    own = sorted((r for r in readings if r.quantity == quantity), key=lambda r: r.t_ns)
    times = [r.t_ns / 1e9 for r in own]
    if scale is None:
        scale = SCALES[own[0].unit] if own else 1.0
    try:
        values = [r.value for r in own]
        values = unwrap(values, max_range) if quantity == "energy" else values
    except CounterReset:
        values = []
    at = [i for i in range(1, len(values)) if values[i] != values[i - 1]]
    unread_s = [times[i] - times[i - 1] for i in at]
    update_s, late_s = _update_interval([times[i] for i in at], unread_s)
    steps = [abs(values[i] - values[i - 1]) * scale for i in at]
    moves = [times[i] for i in at]
    if late_s is not None:
        # How late a value shows, and that nobody looked, is no noise of the power.
        at = [i for i, s in zip(at, unread_s, strict=True) if s < update_s / 2]
        moves = [round((times[i] - times[at[0]]) / update_s) * update_s for i in at]
    power_w, noise_w = (
        _counter_power(moves, [values[i] * scale for i in at])
        if quantity == "energy"
        else _sampled_power([v * scale for v in values])
    )
    return Characteristics(
        domain,
        quantity,
        update_s,
        late_s,
        min(steps) if steps else None,
        read_wall_s,
        read_cpu_s,
        power_w,
        noise_w,
        len(own),
    )


def _update_interval(
    moves: Sequence[float], unread_s: Sequence[float]
) -> tuple[float | None, float | None]:
    """`update_s` and `late_s` of moves; `unread_s` is how long the value was not read before each.

    A move shows late or in time, never early: the grid is the line below which no move lies. What
    moved while nobody looked may be of any period in between, and tells nothing of the grid.
    """
    gaps = [b - a for a, b in itertools.pairwise(moves)]
    if len(gaps) < 3:
        return None, None
    usual_s = statistics.median_low(gaps)
    # Reading cuts time into pieces, which the median of gaps shows and their mean does not.
    usual_s = statistics.fmean(gap for gap in gaps if 0.5 < gap / usual_s < 1.5)
    seen = [t for t, s in zip(moves, unread_s, strict=True) if s < usual_s / 2]
    if len(seen) < FEWEST_ON_GRID:
        return usual_s, None
    periods = (round((b - a) / usual_s) for a, b in itertools.pairwise(seen))
    numbers = list(itertools.accumulate(periods, initial=0))
    update_s, behind_s = _fit_grid(numbers, seen)
    late_s = sorted(behind_s)[int(0.95 * (len(behind_s) - 1))]
    return (update_s, late_s) if late_s < update_s / 2 else (usual_s, None)


def _fit_grid(numbers: Sequence[int], moves: Sequence[float]) -> tuple[float, list[float]]:
    """The period of numbered moves, and how much each lies behind the line below them all: the edge
    of their lower convex hull under the middle one, on which few late moves have no hold."""
    hull: list[tuple[int, float]] = []
    for number, move in zip(numbers, moves, strict=True):
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) >= _slope(hull[-2], (number, move)):
            hull.pop()
        hull.append((number, move))
    middle = statistics.fmean(numbers)
    start, end = next(edge for edge in itertools.pairwise(hull) if edge[1][0] >= middle)
    slope = _slope(start, end)
    behind = [t - start[1] - (n - start[0]) * slope for n, t in zip(numbers, moves, strict=True)]
    return slope, behind


def _slope(start: tuple[int, float], end: tuple[int, float]) -> float:
    # Two moves of one number are one move seen twice: nothing rises more steeply.
    return (end[1] - start[1]) / (end[0] - start[0]) if end[0] > start[0] else float("inf")


def _counter_power(
    moves: Sequence[float], joules: Sequence[float]
) -> tuple[float | None, float | None]:
    if len(moves) < 3 or moves[-1] - moves[0] < BLOCK_S / 2:
        return None, None
    power_w = (joules[-1] - joules[0]) / (moves[-1] - moves[0])
    edges, blocks = 0, []
    for i in range(1, len(moves)):
        if moves[i] - moves[edges] >= BLOCK_S:
            blocks.append((joules[i] - joules[edges]) / (moves[i] - moves[edges]))
            edges = i
    return power_w, statistics.stdev(blocks) if len(blocks) > 2 else None


def _sampled_power(watts: Sequence[float]) -> tuple[float | None, float | None]:
    if len(watts) < 3:
        return None, None
    return statistics.fmean(watts), statistics.stdev(watts)


def shortest_window_s(interval_s: float, delay_s: float, share: float) -> float:
    """How long a window must be for its standard uncertainty to fall below `share` of its energy,
    where the whole of its power steps on and off at its edges: an edge lies anywhere in an interval
    of the meter, and all values are late by a delay that is uncertain."""
    edge_s = (interval_s**2 / 12 + delay_s**2) ** 0.5
    return 2**0.5 * edge_s / share
