"""Windows and curves to energies: one row a window and domain. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.checks import disagreeing
from analysis.flags import flag_windows, union
from analysis.raw import TOTAL, RawSession

# What a generation is, besides its windows; kept out of the windows' table.
PAYLOAD = (
    *("text", "text_ends", "tokens", "token_ns", "prompt", "reference"),
    *("starts_ns", "firsts_ns", "ends_ns"),
    # And how a session was prepared.
    *("rates_per_s", "stable", "before", "reached", "temperatures_c", "reference_c"),
)
# What tells the windows of the study of phases apart.
PHASES_COLUMNS = (
    *("generation", "task", "condition", "repetition"),
    *("probe", "what", "prompt_tokens", "output_tokens", "count"),
)


def windows_table(
    session: RawSession,
    resolve_periods: float,
    *,
    facts: Sequence[str] | None = None,
    columns: Sequence[str] = PHASES_COLUMNS,
) -> pd.DataFrame:
    """Every window under every domain, and under `total`.

    Columns: the session and its `facts`; the window's own (segment, window, kind, `columns`,
    start_ns, end_ns); `domain`, `sums` (what the domain sums), `meter`, `estimate`; `duration_s`;
    `energy_j` with its standard uncertainty `energy_u_j`; `pooled_j`, which also short windows
    have and which only sums of adjacent windows may use; `above_idle_j`; `status`:
    `ok`, `unresolved` (shorter than `resolve_periods` periods of the meter: no energy of its own)
    or `not covered` (the meter was lost or does not reach the window); `flags` (`analysis.flags`),
    under `total` those of all that it sums.

    Args:
        facts: What to take from the session's configuration, by name; None takes the labels of the
            study of phases.
        columns: What a window may have of its own; missing where it has not.
    """
    windows = pd.DataFrame(
        [
            {"window": number, **{k: v for k, v in window.items() if k not in PAYLOAD}}
            for number, window in enumerate(session.windows)
        ]
    )
    for column in columns:
        if column not in windows:
            windows[column] = None
    windows["duration_s"] = (windows.end_ns - windows.start_ns) / 1e9
    parts = []
    for segment, group in windows.groupby("segment"):
        domains = session.domains(segment)
        tables = {d["domain"]: _under(group, session, segment, d) for d in domains}
        headline = [d["domain"] for d in session.headline(segment)]
        tables[TOTAL] = _total([tables[name] for name in headline])
        for table in tables.values():
            short = table.duration_s < resolve_periods * table.period_s
            status = np.where(table.pooled_j.isna(), "not covered", "ok")
            table["status"] = np.where((status == "ok") & short, "unresolved", status)
            table["energy_j"] = table.pooled_j.where(table.status == "ok")
            table["energy_u_j"] = table.pooled_u_j.where(table.status == "ok")
            table["above_idle_j"] = table.pooled_j - _idle_power_w(table) * table.duration_s
            parts.append(table)
        failed = disagreeing(session)
        for d in domains:
            table = tables[d["domain"]]
            table["flags"] = flag_windows(
                session, segment, d, table, (segment, d["domain"]) in failed
            )
        total = tables[TOTAL]
        summed = [tables[name]["flags"] for name in headline]
        own = total.status.map({"unresolved": "unresolved", "not covered": "meter lost"}).fillna("")
        total["flags"] = union([*summed, own])
    together = pd.concat(parts, ignore_index=True)
    spec = session.facts["spec"]
    told = session.labels if facts is None else {name: spec[name] for name in facts}
    together.insert(0, "session", session.name)
    for place, (name, value) in enumerate(told.items(), 1):
        if name in together:
            # A window says it too.
            together = together.drop(columns=name)
        together.insert(place, name, value)
    return together


def _under(group: pd.DataFrame, session: RawSession, segment: int, domain: dict) -> pd.DataFrame:
    table = group.copy()
    table["domain"] = table["sums"] = domain["domain"]
    table["meter"], table["estimate"] = domain["label"], domain["estimate"]
    curve = session.curves.get((segment, domain["domain"]))
    if curve is None:
        return table.assign(pooled_j=np.nan, pooled_u_j=np.nan, period_s=np.nan)
    edges = table.start_ns.to_numpy(), table.end_ns.to_numpy()
    energy = curve.energy(*edges)
    return table.assign(
        pooled_j=energy.joules, pooled_u_j=energy.uncertainty_j, period_s=curve.periods_s(*edges)
    )


def _total(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The sum over domains; NaN where one of them is: a sum without a part is no sum."""
    total = tables[0].copy()
    total["domain"] = TOTAL
    total["sums"] = " + ".join(table["sums"].iloc[0] for table in tables)
    total["meter"] = " + ".join(table["meter"].iloc[0] for table in tables)
    total["pooled_j"] = sum(table.pooled_j for table in tables)
    total["pooled_u_j"] = np.sqrt(sum(table.pooled_u_j**2 for table in tables))
    total["period_s"] = np.max([table.period_s for table in tables], axis=0)
    return total


def _idle_power_w(table: pd.DataFrame) -> float:
    """Mean power while idle; NaN where no idle was metered: above idle is then unknown."""
    idle = table[(table.kind == "idle") & table.pooled_j.notna()]
    return idle.pooled_j.sum() / idle.duration_s.sum() if len(idle) else np.nan
