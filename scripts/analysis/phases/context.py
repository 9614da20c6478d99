"""What a decoded token costs along the context: the slope, and the last token against the first.

Pure functions on tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import TOKEN
from analysis.phases.law import SWEEP
from analysis.raw import RawSession
from analysis.statistics import bounds, line, ratio_of_sums
from analysis.tabular import table

SLOPE = {
    **dict.fromkeys(("model", "workload"), "str"),
    **dict.fromkeys(("slope", "low", "high", "intercept", "r2"), "float"),
    **dict.fromkeys(("points", "from_tokens", "to_tokens"), "int"),
    **dict.fromkeys(("source", "meter"), "str"),
    "estimate": "bool",
    "confidence": "float",
}
ENDS = {
    **dict.fromkeys(("model", "workload"), "str"),
    **dict.fromkeys(("first_j", "last_j"), "float"),
    "width": "int",
    **dict.fromkeys(("value", "low", "high"), "float"),
    "outputs": "int",
    "resolved": "bool",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
ALL = "all workloads"
WIDTH = 16


def context_table(
    position: pd.DataFrame,
    facts: pd.DataFrame,
    law: pd.DataFrame,
    *,
    confidence: float,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """The slope of each workload, and of all of a model's together, in joules per token per 1,000
    tokens of context: least squares over stretches of outputs (`source`), resampled by task; and
    that of each sweep, which is its law's.

    An output's first stretch borders on the prefill, whose power a slow counter spreads into it:
    it is left out.

    Args:
        position: See `generations.token_energy_table`.
        facts: Generations, for the meter.
        law: See `law.law_tables`.
    """
    known = position[position.position > 1].dropna(subset=["joules"])
    known = known.assign(each=known.joules / known.tokens)
    groups = [(model, w, part) for (model, w), part in known.groupby(["model", "workload"])]
    groups += [
        (model, ALL, part) for model, part in known.groupby("model") if part.workload.nunique() > 1
    ]
    rows = []
    for model, workload, part in groups:
        if part.context.nunique() < 3:
            continue
        own = facts[facts.model == model].iloc[0]
        rows.append(
            {
                "model": model,
                "workload": workload,
                **_slope(part, confidence, resamples, seed),
                "source": "outputs",
                "meter": own.meter,
                "estimate": own.estimate,
                "confidence": confidence,
            }
        )
    return table([*rows, *_swept(law)], SLOPE)


def _swept(law: pd.DataFrame) -> list[dict[str, Any]]:
    """The slopes of the laws, per 1,000 tokens."""
    rows = []
    for _, terms in law[law.phase == TOKEN].groupby("model", sort=False):
        base, slope = (terms[terms.term == term].iloc[0] for term in "de")
        rows.append(
            {
                **slope.to_dict(),
                **{name: 1000 * slope[name] for name in ("low", "high")},
                "workload": SWEEP,
                "slope": 1000 * slope["value"],
                "intercept": base["value"],
                "source": SWEEP,
            }
        )
    return rows


def _slope(part: pd.DataFrame, confidence: float, resamples: int, seed: int) -> dict[str, Any]:
    """The line through energies a token against context."""
    x, y = part.context.to_numpy() / 1000, part.each.to_numpy()
    sums = pd.DataFrame({"n": 1.0, "x": x, "y": y, "xx": x * x, "xy": x * y})
    tasks = sums.groupby(part.workload.to_numpy() + "/" + part.task.to_numpy()).sum().to_numpy()
    slope, intercept = line(tasks.sum(axis=0))
    drawn = np.random.default_rng(seed).integers(0, len(tasks), (resamples, len(tasks)))
    low, high = bounds(line(tasks[drawn].sum(axis=1))[0], confidence)
    if len(tasks) < 2:
        low = high = np.nan
    scatter = ((y - y.mean()) ** 2).sum()
    off = ((y - intercept - slope * x) ** 2).sum()
    return {
        "slope": slope,
        "low": low,
        "high": high,
        "intercept": intercept,
        "r2": 1 - off / scatter if scatter > 0 else np.nan,
        "points": len(y),
        "from_tokens": round(part.context.min()),
        "to_tokens": round(part.context.max()),
    }


def ends_of(session: RawSession, resolve_periods: float) -> list[dict[str, Any]]:
    """For each long enough output of the baseline, the energy of its first and of its last decoded
    tokens, of one sequence; those within a period of the meter of either end are left out, for its
    readings there hold what came before or behind."""
    rows = []
    for window in session.windows:
        if window["kind"] != "generation" or window["condition"] != "baseline":
            continue
        times = np.asarray(window["token_ns"])
        period_ns = session.period_s(window["segment"]) * 1e9
        inner = times[(times >= times[0] + period_ns) & (times <= times[-1] - period_ns)]
        if len(inner) < 2 * WIDTH + 1:
            continue
        starts, ends = inner[[0, -1 - WIDTH]], inner[[WIDTH, -1]]
        first, last = session.total(window["segment"], starts, ends).joules
        rows.append(
            {
                **session.labels,
                "task": window["task"],
                "first_j": first / WIDTH / session.batch,
                "last_j": last / WIDTH / session.batch,
                "resolved": (ends - starts).min() >= resolve_periods * period_ns,
                "meter": session.meter(),
                "estimate": session.estimate,
            }
        )
    return rows


def ends_table(
    rows: list[dict[str, Any]], bound: Callable[..., tuple[float, float, float]], confidence: float
) -> pd.DataFrame:
    """The last tokens of the outputs of a workload over the first, less 1."""
    outputs = pd.DataFrame(rows)
    found = []
    for (model, workload), part in (
        outputs.groupby(["model", "workload"], sort=False) if rows else ()
    ):
        known = part.dropna(subset=["first_j", "last_j"])
        tasks = known.groupby("task")[["first_j", "last_j"]].mean()
        value, low, high = bound(ratio_of_sums, tasks.last_j.to_numpy(), tasks.first_j.to_numpy())
        found.append(
            {
                "model": model,
                "workload": workload,
                "first_j": tasks.first_j.mean(),
                "last_j": tasks.last_j.mean(),
                "width": WIDTH,
                "value": value - 1,
                "low": low - 1,
                "high": high - 1,
                "outputs": len(known),
                "resolved": bool(part.resolved.mean() > 0.5),
                "meter": part.meter.iloc[0],
                "estimate": part.estimate.iloc[0],
                "confidence": confidence,
            }
        )
    return table(found, ENDS)
