"""How far off energies of short windows are, on loads whose work is known. Pure functions.

On a real machine nobody knows the truth. But what a window and the unit before it take from rest to
rest is seen whole, however slow and late a sensor is: so that says what a unit takes in windows of
that length (in longer ones the board is warmer, and it is more), and the edges how far off a meter,
an estimate or a tool is. No window is judged by a truth that it defined itself: what a unit takes
in it, all the others of that length tell (leave one out).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.energy.pooling import pool
from analysis.energy.raw import TOTAL, RawSession
from analysis.quality.windows import windows_table
from analysis.tabular import table

OURS, DIFFERENCE = "this workflow", "counter difference"
TITLES = {"zeus": "Zeus", "codecarbon": "CodeCarbon"}
# From rest to rest: so long before the first unit and behind the last; over so much of it at either
# end the power is taken for that of rest.
MARGIN_S, REST_S = 0.15, 0.06
LOADS = {
    **dict.fromkeys(("load", "tool", "meter"), "str"),
    "estimate": "bool",
    "length_s": "float",
    "windows": "int",
    "known": "int",
    "resolved": "int",
    **dict.fromkeys(("unit_s", "unit_j", "unit_u_j"), "float"),
    **dict.fromkeys(("bias", "median_off", "rms_off"), "float"),
    **dict.fromkeys(("judged", "inside"), "int"),
    "coverage": "float",
}
PHASES = {
    **dict.fromkeys(("domain", "phase"), "str"),
    "count": "int",
    "each_s": "float",
    **dict.fromkeys(("pooled_j", "pooled_u_j", "pooled_w", "interpolated_j"), "float"),
}
WINDOWS = ("load", "lead_ns", "what", "length_s", "tool", "repetition", "units", "tool_j")


def load_windows(session: RawSession, resolve_periods: float) -> pd.DataFrame:
    """The windows of all loads under `total`, with what the counter's plain difference is, and what
    they take by rest to rest (`true_j`)."""
    windows = windows_table(session, resolve_periods, facts=("session",), columns=WINDOWS)
    windows = windows[(windows.domain == TOTAL) & (windows.kind == "load")].copy()
    windows["difference_j"] = windows["rest_w"] = windows["above_j"] = np.nan
    for segment, group in windows.groupby("segment"):
        windows.loc[group.index, "difference_j"] = _differences(session, segment, group)
        rest_w, above_j = _rest_to_rest(session, segment, group)
        windows.loc[group.index, ["rest_w", "above_j"]] = np.stack([rest_w, above_j], axis=1)
    return windows.reset_index(drop=True)


def loads_table(windows: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """One row a (load, tool, length of window).

    `unit_j` is the energy of a unit from rest to rest, over the windows of that length that no
    other tool measures, with its standard uncertainty; `bias`, `median_off` and `rms_off` are of
    windows, each relative to what it takes by all such windows but itself. Other tools have windows
    of their own, and so all of them. `inside` of `judged` windows (`coverage`) have an interval of
    ours, at `confidence` and widened by what that truth is uncertain by, that holds it; a truth
    needs two other windows to have an uncertainty.
    """
    rows: list[dict[str, Any]] = []
    for (load, length_s), group in windows.groupby(["what", "length_s"], sort=False):
        own = group[(group.tool == "none") & group.above_j.notna()]
        if len(own) < 2:
            continue
        unit_s = float(own.duration_s.sum() / own.units.sum())
        of_all = _units(own)
        about = {
            **{"load": load, "length_s": length_s, "unit_s": unit_s, "unit_u_j": of_all.u_j},
            "unit_j": of_all.above_j + float(own.rest_w.mean()) * unit_s,
            **{"meter": own.meter.iloc[0], "estimate": bool(own.estimate.iloc[0])},
        }
        others = [_units(own.drop(index=at)) for at in own.index]
        true = _true_j(own, np.asarray([each.above_j for each in others]), own)
        off = own.pooled_j - true
        held = _held(own, off, others, confidence)
        counts = {"windows": len(own), "resolved": int((own.status == "ok").sum())}
        ours = counts | {"tool": OURS, "judged": len(held), "inside": int(held.sum())}
        coverage = float(held.mean()) if len(held) else np.nan
        rows.append(about | ours | {"coverage": coverage} | _error_statistics(off / true))
        none = {"resolved": 0, "judged": 0, "inside": 0}
        if own.difference_j.notna().any():
            plain = _error_statistics((own.difference_j - true) / true)
            rows.append(about | counts | none | {"tool": DIFFERENCE} | plain)
        for tool, part in group[group.tool != "none"].groupby("tool"):
            true = _true_j(part, of_all.above_j, own)
            errors = _error_statistics((pd.to_numeric(part.tool_j) - true) / true)
            rows.append(about | none | {"windows": len(part), "tool": TITLES[tool]} | errors)
    return table(rows, LOADS)


class _Units(NamedTuple):
    """What a unit takes above rest: joules, their standard uncertainty (NaN from one window), and
    the degrees of freedom of that."""

    above_j: float
    u_j: float
    freedom: int


def _units(own: pd.DataFrame) -> _Units:
    """By windows and the unit before each: above rest a unit takes the same, and what the board
    takes at rest goes with the time."""
    units = own.units + 1
    scatter = np.std(own.above_j / units, ddof=1) if len(own) > 1 else np.nan
    above_j = float(own.above_j.sum() / units.sum())
    return _Units(above_j, float(scatter / len(own) ** 0.5), len(own) - 1)


def _true_j(part: pd.DataFrame, above_j: float | np.ndarray, own: pd.DataFrame) -> pd.Series:
    """What windows take, if a unit takes so much above rest."""
    rest_w = part.rest_w.fillna(own.rest_w.mean())
    return part.units * above_j + rest_w * part.duration_s


def _held(
    own: pd.DataFrame, off: pd.Series, others: Sequence[_Units], confidence: float
) -> np.ndarray:
    """Of the windows that can be judged, whether our interval holds the truth. Its factor is that
    of the degrees of freedom of both uncertainties together (Welch and Satterthwaite; GUM, JCGM
    100:2008, G.4.1)."""
    truth_j = own.units.to_numpy() * np.asarray([each.u_j for each in others])
    variance = own.pooled_u_j.to_numpy() ** 2 + truth_j**2
    judged = (np.isfinite(variance) & off.notna().to_numpy()) & (variance > 0)
    variance, truth_j = variance[judged], truth_j[judged]
    of_truth = np.asarray([each.freedom for each in others])[judged]
    with np.errstate(divide="ignore"):
        freedom = np.minimum(variance**2 * of_truth / truth_j**4, 1e9)
    factor = stats.t.ppf((1 + confidence) / 2, freedom)
    return np.abs(off.to_numpy()[judged]) <= factor * np.sqrt(variance)


def _error_statistics(relative: pd.Series) -> dict[str, Any]:
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
        total = total + curve.readout(group.end_ns) - curve.readout(group.start_ns)
    return total


def _rest_to_rest(
    session: RawSession, segment: int, group: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Power at rest around each window in watts, and the energy above it of the window and the unit
    before it, in joules."""
    margin, rest = round(MARGIN_S * 1e9), round(REST_S * 1e9)
    lead = group.lead_ns.to_numpy(dtype=np.int64)
    first, last = lead - margin, group.end_ns.to_numpy() + margin
    before = session.total(segment, first, first + rest).joules / REST_S
    behind = session.total(segment, last - rest, last).joules / REST_S
    rest_w = (before + behind) / 2
    whole_j = session.total(segment, first, last).joules
    return rest_w, whole_j - rest_w * (last - first) / 1e9


def phases_table(session: RawSession) -> pd.DataFrame:
    """The short phases of `prefill-decode`: pooled over all its windows, and as interpolation has
    them; one row a phase."""
    return table(list(_phases(session)), PHASES)


def _phases(session: RawSession) -> Iterator[dict[str, Any]]:
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
        made = curve and pool(curve, spans, inside)
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
