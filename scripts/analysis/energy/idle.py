"""What the work's energy is compared with: idle power, and how far to trust it. Pure functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import stats

from analysis.energy.curves import Energy
from analysis.energy.raw import WORK

# Idle power of one and the same board was so far apart from session to session, as a standard
# deviation: 1.5 % over 28 sessions of results/h200-runtimes. What idle was while the work ran
# nobody read; where it was read once only, this stands for what it may have been. It is known no
# better than so many sessions tell it, and of that board.
DRIFT, DRIFT_FREEDOM = 0.015, 27
# An idle window is cut into so many blocks at most, each of so many periods of the meter at least.
BLOCKS, BLOCK_PERIODS = 10, 4
CONFIDENCE = 0.95

EnergyOf = Callable[[np.ndarray, np.ndarray], Energy]


def idle_power(table: pd.DataFrame, energy_of: EnergyOf) -> tuple[np.ndarray, np.ndarray]:
    """Idle power beside each window and its standard uncertainty, both in watts; NaN where no idle
    was metered.

    Idle windows with no work between them are one reading of idle. Between two readings, as before
    and after the work, idle power is interpolated in time; outside them it is the nearest. The
    uncertainty joins that of the meter over each reading; the scatter of blocks within it; and how
    far readings are apart, of which the prior `DRIFT` is one more (alone, where there is one
    reading). Where few blocks or readings tell of a scatter it is widened, as Student's t is wider
    than the normal distribution at 95 %. All windows have this error in common.

    Args:
        table: The windows of one segment, with kind, start_ns, end_ns, duration_s, pooled_j and
            pooled_u_j.
        energy_of: Energies between pairs of times, by the meter of the table.
    """
    nothing = np.full(len(table), np.nan)
    idle = table[(table.kind == "idle") & table.pooled_j.notna()].sort_values("start_ns")
    if idle.empty:
        return nothing, nothing
    work_ns = np.sort(table.start_ns[table.kind.isin(WORK)].to_numpy())
    runs = [run for _, run in idle.groupby(np.searchsorted(work_ns, idle.start_ns.to_numpy()))]
    middles = np.asarray([(run.start_ns.iloc[0] + run.end_ns.iloc[-1]) / 2 for run in runs])
    power_w = np.asarray([run.pooled_j.sum() / run.duration_s.sum() for run in runs])
    own_w2 = np.asarray([_own_w2(run, energy_of) for run in runs])
    variance = own_w2 + _between_w2(power_w)
    when = ((table.start_ns + table.end_ns) / 2).to_numpy()
    if len(runs) == 1:
        return np.full(len(table), power_w[0]), np.full(len(table), variance[0] ** 0.5)
    at = np.clip(np.searchsorted(middles, when) - 1, 0, len(runs) - 2)
    later = np.clip((when - middles[at]) / (middles[at + 1] - middles[at]), 0, 1)
    beside_w = (1 - later) * power_w[at] + later * power_w[at + 1]
    u_w2 = (1 - later) ** 2 * variance[at] + later**2 * variance[at + 1]
    return beside_w, np.sqrt(u_w2)


def _own_w2(run: pd.DataFrame, energy_of: EnergyOf) -> float:
    """The variance of one reading of idle: of the meter, and of its blocks' mean."""
    seconds = run.duration_s.sum()
    meter_w2 = float((run.pooled_u_j**2).sum() / seconds**2)
    shortest_s = BLOCK_PERIODS * run.period_s.max()
    means = []
    for window in run.itertuples():
        blocks = min(BLOCKS, int(window.duration_s / shortest_s)) if shortest_s > 0 else 0
        if blocks < 1:
            continue
        edges = np.linspace(window.start_ns, window.end_ns, blocks + 1).astype(np.int64)
        means.append(energy_of(edges[:-1], edges[1:]).joules / (np.diff(edges) / 1e9))
    every = np.concatenate(means) if means else np.zeros(0)
    if len(every) < 2:
        return meter_w2
    return meter_w2 + float(np.var(every, ddof=1) / len(every)) * _widened(len(every) - 1)


def _between_w2(power_w: np.ndarray) -> float:
    """The variance of one reading of idle as a measure of what idle was at another time."""
    prior_w2 = (DRIFT * float(power_w.mean())) ** 2
    if len(power_w) == 1:
        return prior_w2 * _widened(DRIFT_FREEDOM)
    freedom = len(power_w) - 1
    joined_w2 = (prior_w2 + freedom * float(np.var(power_w, ddof=1))) / (freedom + 1)
    return joined_w2 * _widened(freedom + 1)


def _widened(freedom: int) -> float:
    """How much larger a variance with so many degrees of freedom stands for, so that factors of the
    normal distribution give Student's interval."""
    tail = (1 + CONFIDENCE) / 2
    return float(stats.t.ppf(tail, freedom) / stats.norm.ppf(tail)) ** 2
