"""Whether a window's energy depends on where in its session it was measured, or on what came before
it: the random order is there so that such an effect favours none, and this says if there is one.

Pure functions on raw sessions and tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.raw import RawSession
from analysis.repeated import Repeated, repeated
from analysis.statistics import holm, kruskal_wallis, spearman
from analysis.tabular import table

# Of a window, by metric, what a unit of it took.
METRICS = {"energy per unit": "unit_j", "time per unit": "unit_s"}
# Fewer windows cannot show a trend: of three, the most extreme ranks have p = 1/3.
FEWEST = 5
ALPHA = 0.05
ORDER = {
    "session": "str",
    "metric": "str",
    "estimate": "bool",
    "windows": "int",
    "cells": "int",
    "rho": "float",
    "rho_p": "float",
    "rho_p_holm": "float",
    "slope": "float",
    "slope_low": "float",
    "slope_high": "float",
    "before": "str",
    "before_groups": "int",
    "before_h": "float",
    "before_p": "float",
    "before_p_holm": "float",
    "confidence": "float",
}


def order_rows(session: RawSession, resolve_periods: float, confidence: float) -> list[dict]:
    """One row a metric of one session, without the p that are adjusted over sessions.

    Each window stands over the mean of its own cell, minus 1; a cell with one window says nothing.

    `windows` and `cells` are those that count; `rho` is Spearman's with the position in the
    session; `slope` is how much the metric changes from the first of its windows to the last, as a
    share, with its interval (least squares, Student's); `before_h` and `before_p` are those of a
    Kruskal-Wallis test between the windows by what came before them (`before`: the batch size, or
    the condition or kind of probe), of which each must have come before two at least. NaN where
    there are too few.
    """
    windows = repeated(session, resolve_periods)
    rows = []
    for metric, unit in METRICS.items():
        known = _relative(windows, [getattr(each, unit) for each in windows])
        row: dict[str, Any] = {"session": session.name, "metric": metric}
        row |= {"estimate": session.estimate and unit == "unit_j", "confidence": confidence}
        row |= {"windows": len(known), "cells": known.cell.nunique()}
        rows.append(row | _trend(known, confidence) | _after(known))
    return rows


def order_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The rows of all sessions, with the p adjusted over them after Holm, of each metric apart."""
    rows = list(rows)
    for metric in METRICS:
        same = [row for row in rows if row["metric"] == metric]
        for p in ("rho_p", "before_p"):
            for row, adjusted in zip(same, holm([row[p] for row in same]), strict=True):
                row[f"{p}_holm"] = adjusted
    return table(rows, ORDER)


def words(order: pd.DataFrame) -> list[str]:
    """What the table says, one line a metric."""
    lines = []
    for metric, group in order.groupby("metric", sort=False):
        tested = group[group.rho_p.notna() | group.before_p.notna()]
        if tested.empty:
            lines.append(f"{metric}: too few repeated windows to tell")
            continue
        found = [*_found(tested), *_found_before(tested)]
        count = f"{len(tested)} of {len(group)} sessions with enough windows"
        if not found:
            lines.append(f"{metric}: no order effect shows (p ≥ {ALPHA} after Holm; {count})")
        else:
            lines.append(f"{metric}: an order effect in {'; in '.join(found)} ({count})")
    return lines


def _found(tested: pd.DataFrame) -> list[str]:
    return [
        f"{row.session}, {'rising' if row.rho > 0 else 'falling'} with the position:"
        f" {row.slope:+.1%} over the session (rho {row.rho:.2f}, p {row.rho_p_holm:.2g})"
        for row in tested[tested.rho_p_holm < ALPHA].itertuples()
    ]


def _found_before(tested: pd.DataFrame) -> list[str]:
    return [
        f"{row.session}, by the {row.before} before (p {row.before_p_holm:.2g})"
        for row in tested[tested.before_p_holm < ALPHA].itertuples()
    ]


def _relative(windows: Sequence[Repeated], values: Sequence[float | None]) -> pd.DataFrame:
    """Position, cell, what came before, and the value over its cell's mean minus 1, of the windows
    that have one and are not alone in their cell."""
    before = [None, *windows]
    made = pd.DataFrame(
        {
            "position": np.arange(len(windows)),
            "cell": [each.cell for each in windows],
            "before": [
                _kind(last) if last and last.window["segment"] == each.window["segment"] else None
                for last, each in zip(before, windows, strict=False)
            ],
            "value": pd.Series(values, dtype=float),
        }
    ).dropna(subset=["value"])
    cells = made.groupby("cell").value
    made = made[(cells.transform("size") > 1) & (cells.transform("mean") > 0)]
    return made.assign(value=made.value / made.groupby("cell").value.transform("mean") - 1)


def _kind(each: Repeated) -> str:
    """What of a window may matter to the next."""
    window = each.window
    return str(window.get("condition") or window.get("what") or window["batch"])


def _trend(known: pd.DataFrame, confidence: float) -> dict[str, float]:
    missing = dict.fromkeys(("rho", "rho_p", "slope", "slope_low", "slope_high"), np.nan)
    position, value = known.position.to_numpy(float), known.value.to_numpy()
    if len(known) < FEWEST or np.ptp(value) == 0:
        return missing
    rho, p = spearman(position, value)
    fit = stats.linregress((position - position[0]) / np.ptp(position), value)
    half = fit.stderr * stats.t.ppf((1 + confidence) / 2, len(known) - 2)
    slope = {"slope": fit.slope, "slope_low": fit.slope - half, "slope_high": fit.slope + half}
    return {"rho": rho, "rho_p": p, **slope}


def _after(known: pd.DataFrame) -> dict[str, Any]:
    groups = [g.value.to_numpy() for _, g in known.groupby("before") if len(g) > 1]
    numbers = known.before.dropna().astype(str).str.isdecimal()
    found = {"before": "batch size" if numbers.all() else "condition or probe"}
    if len(groups) < 2 or sum(map(len, groups)) < FEWEST:
        return found | {"before_groups": len(groups), "before_h": np.nan, "before_p": np.nan}
    h, p, _ = kruskal_wallis(*groups)
    return found | {"before_groups": len(groups), "before_h": h, "before_p": p}
