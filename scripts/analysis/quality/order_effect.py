"""Whether a window's energy depends on where in its session it was measured, or on what came before
it: the random order is there so that such an effect favours none, and this says if there is one.

Pure functions on raw sessions and tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import RawSession
from analysis.energy.repeated import Repeated, repeated
from analysis.statistics import rounds
from analysis.statistics.ranks import holm
from analysis.statistics.trends import Course, course, explained, plain_slope, trend
from analysis.tabular import table

# Of a window, by metric, what a unit of it took.
METRICS = {"energy per unit": "unit_j", "time per unit": "unit_s"}
ALPHA = 0.05
# The row of what all sessions have in common.
ALL = "all sessions"
ORDER = {
    "session": "str",
    "metric": "str",
    "estimate": "bool",
    "windows": "int",
    "cells": "int",
    "slope": "float",
    "slope_low": "float",
    "slope_high": "float",
    "serial": "float",
    "p": "float",
    "p_holm": "float",
    "before": "str",
    "before_groups": "int",
    "before_p": "float",
    "before_p_holm": "float",
    "family": "str",
    "why": "str",
    "confidence": "float",
}


def order_rows(session: RawSession, resolve_periods: float, confidence: float) -> list[dict]:
    """One row a metric of one session, without the p that are adjusted over sessions.

    `windows` and `cells` are those that are repeated and have a value; `slope` is how much the
    metric changes from the first of them to the last, as a share, each cell having a mean of its
    own, with its interval and `p`; `serial` how far neighbours are alike (`statistics.trends`).
    `before_p`: whether windows differ by what came before them (`before`: the batch size, or the
    condition or kind of probe) beyond that. NaN where there are too few, and `why`.
    """
    windows = repeated(session, resolve_periods)
    cells = np.array([each.cell for each in windows], dtype=object)
    before = np.array([_before(*pair) for pair in zip([None, *windows], windows, strict=False)])
    rows = []
    for metric, unit in METRICS.items():
        values = np.array([getattr(each, unit) for each in windows], dtype=float)
        made = course(values, cells, np.arange(len(windows)))
        found, serial = trend(made, confidence=confidence)
        rows.append(
            {
                "session": session.name,
                "metric": metric,
                "estimate": session.estimate and unit == "unit_j",
                "windows": len(made.y),
                "cells": made.cells,
                "slope": found.value,
                "slope_low": found.low,
                "slope_high": found.high,
                "serial": serial,
                "plain": plain_slope(made),
                "p": found.p,
                "why": found.why,
                "confidence": confidence,
                **_after(made, before[made.kept] if len(before) else before),
            }
        )
    return rows


def order_table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """The rows of all sessions, with the p adjusted over them after Holm, of each metric apart.

    Where there are several, a last row says what they have in common (`ALL`): the mean of their
    slopes, each session one value; it also tells of sessions that are too short by themselves.
    """
    rows = list(rows)
    rows += [found for metric in METRICS if (found := _in_common(rows, metric))]
    for metric in METRICS:
        same = [row for row in rows if row["metric"] == metric]
        for p in ("p", "before_p"):
            for row, adjusted in zip(same, holm([row[p] for row in same]), strict=True):
                row[f"{p}_holm"] = adjusted
        tests = int(sum(not np.isnan(row["p"]) for row in same))
        for row in same:
            row["family"] = f"{metric}, drift: {tests} tests"
    return table(rows, ORDER)


def _in_common(rows: list[dict[str, Any]], metric: str) -> dict[str, Any] | None:
    own = [row for row in rows if row["metric"] == metric and not np.isnan(row["plain"])]
    if len(own) < 3:
        return None
    found = rounds.difference([row["plain"] for row in own], confidence=own[0]["confidence"])
    slopes = [np.expm1(edge) for edge in (found.value, found.low, found.high)]
    return {
        "session": ALL,
        "metric": metric,
        "estimate": any(row["estimate"] for row in own),
        "windows": sum(row["windows"] for row in own),
        "cells": sum(row["cells"] for row in own),
        **dict(zip(("slope", "slope_low", "slope_high"), slopes, strict=True)),
        "serial": np.nan,
        "p": found.p,
        "why": "",
        "before": "",
        "before_groups": 0,
        "before_p": np.nan,
        "confidence": own[0]["confidence"],
    }


def order_lines(order: pd.DataFrame) -> list[str]:
    """What the table says, one line a metric."""
    lines = []
    for metric, group in order.groupby("metric", sort=False):
        tested = group[group.p.notna() | group.before_p.notna()]
        if tested.empty:
            lines.append(f"{metric}: too few repeated windows to tell")
            continue
        found = [*_found(tested), *_found_before(tested)]
        sessions = group[group.session != ALL]
        alone = int((sessions.p.notna() | sessions.before_p.notna()).sum())
        count = f"{alone} of {len(sessions)} sessions have enough windows of their own"
        if (group.session == ALL).any():
            count += "; all together tested too"
        if not found:
            lines.append(f"{metric}: no order effect is told (p ≥ {ALPHA} after Holm; {count})")
        else:
            lines.append(f"{metric}: an order effect in {'; in '.join(found)} ({count})")
    return lines


def describe_drifts(order: pd.DataFrame) -> dict[str, str]:
    """By session, the drift that a reader of any of its figures must know of, in words."""
    found: dict[str, list[str]] = {}
    for row in order[order.p_holm < ALPHA].itertuples():
        found.setdefault(row.session, []).append(f"{row.metric} {row.slope:+.0%}")
    return {
        session: f"drift over the session: {', '.join(those)}" for session, those in found.items()
    }


def _found(tested: pd.DataFrame) -> list[str]:
    return [
        f"{row.session}, {'rising' if row.slope > 0 else 'falling'} with the position:"
        f" {row.slope:+.1%} [{row.slope_low:+.1%}, {row.slope_high:+.1%}] over the session"
        f" (p {row.p_holm:.2g})"
        for row in tested[tested.p_holm < ALPHA].itertuples()
    ]


def _found_before(tested: pd.DataFrame) -> list[str]:
    return [
        f"{row.session}, by the {row.before} before (p {row.before_p_holm:.2g})"
        for row in tested[tested.before_p_holm < ALPHA].itertuples()
    ]


def _before(last: Repeated | None, each: Repeated) -> str:
    """What of the window before may matter to this one; blank for the first of a segment."""
    if last is None or last.window["segment"] != each.window["segment"]:
        return ""
    window = last.window
    return str(window.get("condition") or window.get("what") or window["batch"])


def _after(made: Course, before: np.ndarray) -> dict[str, Any]:
    names, sizes = np.unique(before, return_counts=True)
    # What came before one window only says nothing of itself.
    enough = [name for name, size in zip(names, sizes, strict=True) if name and size > 1]
    kept = np.isin(before, enough)
    part = course(np.exp(made.y[kept]), made.at[kept], made.x[kept])
    numbers = all(name.isdecimal() for name in names if name)
    return {
        "before": "batch size" if numbers else "condition or probe",
        "before_groups": len(enough),
        "before_p": explained(part, before[kept][part.kept]) if len(part.y) else np.nan,
    }
