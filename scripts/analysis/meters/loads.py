"""How far off energies of short windows are, on loads whose work is known. Pure functions.

On a real machine nobody knows the truth; but a unit of the same work takes the same energy in a
window of 20 ms as in one of 10 s. So the long windows say what it takes, and the short ones how far
off a meter, an estimate or a tool is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.attribution import windows_table
from analysis.pooling import pooled
from analysis.raw import TOTAL, RawSession
from analysis.tabular import table

OURS, DIFFERENCE = "this workflow", "counter difference"
TITLES = {"zeus": "Zeus", "codecarbon": "CodeCarbon"}
# Of windows as long as this the energy of a unit is taken for the truth.
LONG_S = 4.0
LOADS = {
    **dict.fromkeys(("load", "tool", "meter"), "str"),
    "estimate": "bool",
    "length_s": "float",
    "windows": "int",
    "known": "int",
    "resolved": "int",
    **dict.fromkeys(("unit_s", "unit_j", "unit_u_j"), "float"),
    **dict.fromkeys(("bias", "median_off", "rms_off", "coverage"), "float"),
}
WINDOWS = ("load", "what", "length_s", "tool", "repetition", "units", "tool_j")


def load_windows(session: RawSession, resolve_periods: float) -> pd.DataFrame:
    """The windows of all loads under `total`, with what the counter's plain difference is."""
    windows = windows_table(session, resolve_periods, facts=("session",), columns=WINDOWS)
    windows = windows[(windows.domain == TOTAL) & (windows.kind == "load")].copy()
    windows["difference_j"] = np.nan
    for segment, group in windows.groupby("segment"):
        windows.loc[group.index, "difference_j"] = _differences(session, segment, group)
    return windows.reset_index(drop=True)


def loads_table(windows: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """One row a (load, tool, length of window).

    `unit_j` is the energy of a unit in our estimate of the load's long windows, with its standard
    uncertainty; `bias`, `median_off` and `rms_off` are relative to it, `coverage` says how often
    our interval at `confidence`, widened by that uncertainty, holds it. Other tools have windows of
    their own.
    """
    factor = float(stats.norm.ppf((1 + confidence) / 2))
    rows: list[dict[str, Any]] = []
    for load, group in windows.groupby("what", sort=False):
        own = group[group.tool == "none"]
        long = own[(own.duration_s >= LONG_S) & own.pooled_j.notna()]
        if long.empty:
            continue
        each = (long.pooled_j / long.units).to_numpy(float)
        unit_j = float(long.pooled_j.sum() / long.units.sum())
        scatter = float(np.std(each, ddof=1) / len(each) ** 0.5) if len(each) > 1 else np.nan
        reading = float(np.sqrt((long.pooled_u_j**2).sum()) / long.units.sum())
        facts = {"load": load, "unit_j": unit_j, "unit_u_j": float(np.hypot(scatter, reading))}
        facts |= {"meter": own.meter.iloc[0], "estimate": bool(own.estimate.iloc[0])}
        for length_s, part in own.groupby("length_s"):
            about = {**facts, "length_s": length_s, "windows": len(part)}
            about["unit_s"] = float(part.duration_s.sum() / part.units.sum())
            about["resolved"] = int((part.status == "ok").sum())
            true_j = part.units * unit_j
            off = part.pooled_j - true_j
            slack = np.sqrt(part.pooled_u_j**2 + (part.units * facts["unit_u_j"]) ** 2)
            inside = (off.abs() <= factor * slack)[part.pooled_j.notna()]
            rows.append(about | {"tool": OURS, "coverage": inside.mean()} | _off(off / true_j))
            if part.difference_j.notna().any():
                plain = (part.difference_j - true_j) / true_j
                rows.append(about | {"tool": DIFFERENCE} | _off(plain))
        for (tool, length_s), part in group[group.tool != "none"].groupby(["tool", "length_s"]):
            true_j = part.units * unit_j
            about = {**facts, "length_s": length_s, "windows": len(part), "resolved": 0}
            about["unit_s"] = float(part.duration_s.sum() / part.units.sum())
            said = pd.to_numeric(part.tool_j)
            rows.append(about | {"tool": TITLES[tool]} | _off((said - true_j) / true_j))
    return table(rows, LOADS)


def _off(relative: pd.Series) -> dict[str, Any]:
    known = relative.dropna().to_numpy(float)
    if not len(known):
        return {"known": 0}
    return {
        "known": len(known),
        "bias": float(known.mean()),
        "median_off": float(np.median(np.abs(known))),
        "rms_off": float(np.sqrt(np.mean(known**2))),
    }


def _differences(session: RawSession, segment: int, group: pd.DataFrame) -> np.ndarray:
    """What reading the counters before and after would have given."""
    total = np.zeros(len(group))
    for domain in session.headline(segment):
        curve = session.curves.get((segment, domain["domain"]))
        if curve is None:
            return np.full(len(group), np.nan)
        total = total + curve.shown(group.end_ns) - curve.shown(group.start_ns)
    return total


def phases_of_loads(session: RawSession) -> Iterator[dict[str, Any]]:
    """The short phases of `prefill-decode`: pooled over all its windows, and as interpolation has
    them; one row a phase."""
    windows = [w for w in session.windows if w["kind"] == "load" and w.get("starts_ns")]
    if not windows:
        return
    segment = windows[0]["segment"]
    edges = [
        np.concatenate([w[name] for w in windows]) for name in ("starts_ns", "firsts_ns", "ends_ns")
    ]
    inside = [w["start_ns"] for w in windows], [w["end_ns"] for w in windows]
    spans = {"prefill": (edges[0], edges[1]), "decode": (edges[1], edges[2])}
    for domain in session.headline(segment):
        curve = session.curves.get((segment, domain["domain"]))
        made = curve and pooled(curve, spans, inside)
        if not made:
            continue
        for phase, (starts, ends) in spans.items():
            energy = curve.energy(starts, ends)
            seconds = (ends - starts) / 1e9
            yield {
                "domain": domain["domain"],
                "phase": phase,
                "count": len(starts),
                "each_s": float(seconds.mean()),
                "pooled_j": made[phase].each_j,
                "pooled_u_j": made[phase].each_u_j,
                "pooled_w": made[phase].each_j / float(seconds.mean()),
                "interpolated_j": float(np.nanmean(energy.joules)),
            }
