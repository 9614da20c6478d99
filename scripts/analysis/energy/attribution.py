"""Windows and curves to energies: joules by window and domain, with idle beside them.

Pure functions on tables, linear in windows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from analysis.energy.curves import Energy
from analysis.energy.idle import EnergyOf, idle_power
from analysis.energy.raw import TOTAL, UNMETERED, RawSession
from metering.meter import Domain, parse_domain

# What attribution adds to each window.
NUMBERS = (
    *("pooled_j", "pooled_u_j", "period_s"),
    *("idle_power_w", "idle_power_u_w", "above_idle_j", "above_idle_u_j"),
)
STATUS = ("not covered", "unresolved", "ok")


@dataclasses.dataclass(frozen=True)
class Attributed:
    """The windows of a segment under one domain, or under `total`.

    Attributes:
        name: Of the domain, or `total`.
        domain: As its meter declared it; None of `total`.
        parts: The domains that it sums; of a domain itself alone, of `total` none where what did
            the work has no meter.
        meter: What it is read from, in words.
        estimate: Whether it is an estimate, or has one in it.
        table: The windows as given, with `NUMBERS` and `status`.
    """

    name: str
    domain: Domain | None
    parts: tuple[str, ...]
    meter: str
    estimate: bool
    table: pd.DataFrame


def attribute(
    session: RawSession, segment: int, windows: pd.DataFrame, resolve_periods: float
) -> Iterator[Attributed]:
    """The energies of the windows of a segment under each of its domains, then under `total`.

    Adds to each window: `pooled_j` with its standard uncertainty `pooled_u_j`, which also short
    windows have and which only sums of adjacent windows may use; `period_s` of the meter there;
    `idle_power_w` beside it with its standard uncertainty `idle_power_u_w`, which all windows of a
    segment have in common (`energy.idle`); `above_idle_j`, as `pooled_j`, and `above_idle_u_j`, of
    both; and `status`, one of `STATUS`: see `status_of`.

    Args:
        windows: Those of the segment, with kind, start_ns, end_ns, duration_s.
        resolve_periods: So many periods of the meter a window takes at least to be resolved.
    """
    edges = windows.start_ns.to_numpy(), windows.end_ns.to_numpy()
    energies: dict[str, Energy] = {}
    found: dict[str, Attributed] = {}
    for record in session.domains(segment):
        domain = parse_domain(record)
        curve = session.curves.get((segment, domain.domain))
        energy_of = _uncovered if curve is None else curve.energy
        period_s = np.full(len(windows), np.nan) if curve is None else curve.periods_s(*edges)
        energy = energies[domain.domain] = energy_of(*edges)
        found[domain.domain] = Attributed(
            *(domain.domain, domain, (domain.domain,), domain.label, domain.estimate),
            _with_idle(windows, energy, energy_of, period_s, resolve_periods),
        )
        yield found[domain.domain]
    parts = [found[record["domain"]] for record in session.headline(segment)]
    table = _with_idle(
        windows,
        _sum([energies[part.name] for part in parts], len(windows)),
        lambda *times: session.total(segment, *times),
        session.periods_s(segment, *edges),
        resolve_periods,
    )
    meter = " + ".join(part.meter for part in parts) or UNMETERED
    names = tuple(part.name for part in parts)
    yield Attributed(TOTAL, None, names, meter, any(part.estimate for part in parts), table)


def status_of(
    pooled_j: np.ndarray, duration_s: np.ndarray, period_s: np.ndarray, resolve_periods: float
) -> np.ndarray:
    """Of each window its place in `STATUS`: `not covered` (the meter was lost or does not reach the
    window; or there is no total, since what did the work has no meter), `unresolved` (shorter than
    `resolve_periods` periods of the meter: no energy of its own), or `ok`."""
    short = duration_s < resolve_periods * period_s
    return np.where(np.isnan(pooled_j), 0, np.where(short, 1, 2))


def _uncovered(start_ns: np.ndarray, end_ns: np.ndarray) -> Energy:
    missing = np.full(len(start_ns), np.nan)
    return Energy(missing, missing)


def _sum(parts: Sequence[Energy], length: int) -> Energy:
    """The sum over domains; NaN where one of them is: a sum without a part is no sum."""
    if not parts:
        return _uncovered(np.zeros(length), np.zeros(length))
    squares = sum(part.uncertainty_j**2 for part in parts)
    return Energy(sum(part.joules for part in parts), np.sqrt(squares))


def _with_idle(
    windows: pd.DataFrame,
    energy: Energy,
    energy_of: EnergyOf,
    period_s: np.ndarray,
    resolve_periods: float,
) -> pd.DataFrame:
    table = windows.assign(
        pooled_j=energy.joules, pooled_u_j=energy.uncertainty_j, period_s=period_s
    )
    beside_w, u_w = idle_power(table, energy_of)
    numbers = (table[name].to_numpy() for name in ("pooled_j", "duration_s", "period_s"))
    return table.assign(
        status=np.asarray(STATUS)[status_of(*numbers, resolve_periods)],
        idle_power_w=beside_w,
        idle_power_u_w=u_w,
        above_idle_j=table.pooled_j - beside_w * table.duration_s,
        above_idle_u_j=np.hypot(table.pooled_u_j, u_w * table.duration_s),
    )
