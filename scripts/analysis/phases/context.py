"""What a decoded token costs along the context: the slope, and the last token against the first.

Pure functions on tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import RawSession
from analysis.phases.estimators import TOKEN
from analysis.phases.law import SWEEP
from analysis.phases.summary import ONE_PROCESS, cells_of
from analysis.statistics import prompts
from analysis.statistics.estimate import PROMPTS
from analysis.tabular import table

SLOPE = {
    **dict.fromkeys(("model", "workload"), "str"),
    **dict.fromkeys(("slope", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks"), "int"),
    **dict.fromkeys(("intercept", "r2"), "float"),
    **dict.fromkeys(("points", "from_tokens", "to_tokens"), "int"),
    "found": "bool",
    **dict.fromkeys(("source", "meter"), "str"),
    "estimate": "bool",
    "confidence": "float",
}
ENDS = {
    **dict.fromkeys(("model", "workload"), "str"),
    **dict.fromkeys(("first_j", "last_j"), "float"),
    "width": "int",
    **dict.fromkeys(("value", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks", "outputs", "unresolved"), "int"),
    "resolved": "bool",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
ALL = "all workloads"
WIDTH = 16


def context_table(
    position: pd.DataFrame, facts: pd.DataFrame, law: pd.DataFrame, *, confidence: float
) -> pd.DataFrame:
    """The slope of each workload, and of all of a model's together, in joules per token per 1,000
    tokens of context: least squares over stretches of outputs within rounds (`source`); and that of
    each sweep, which is its law's.

    Stretches of one task in one round are one observation. A slope in joules is of its process, so
    one round gives no interval. `found` is whether the interval leaves zero out, and of a sweep
    whether there is a law.

    An output's first stretch borders on the prefill, whose power a slow counter spreads into it: it
    is left out, and so are stretches that the meter does not resolve.

    Args:
        position: See `generations.token_energy_table`.
        facts: Generations, for the meter.
        law: See `law.law_tables`.
    """
    known = position[(position.position > 1) & position.resolved].dropna(subset=["joules"])
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
                **_slope(part, confidence),
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
                "tasks": slope.lengths,
                "slope": 1000 * slope["value"],
                "intercept": base["value"],
                "source": SWEEP,
            }
        )
    return rows


def _slope(part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """The line through energies a token against context, each round with a level of its own."""
    x, y = part.context / 1000, part.each
    dx, dy = (side - side.groupby(part["round"]).transform("mean") for side in (x, y))
    sums = pd.DataFrame(
        {
            "round": part["round"],
            "task": part.workload + "/" + part.task,
            "above": dx * dy,
            "below": dx * dx,
        }
    )
    cells = sums.groupby(["round", "task"], sort=False).sum().reset_index()
    made = prompts.cells(cells["round"], cells.task, cells.above, cells.below)
    found = prompts.mean(made, confidence=confidence, signed=True)
    scatter = float((dy**2).sum())
    off = float(((dy - found.value * dx) ** 2).sum())
    return {
        "slope": found.value,
        "low": found.low,
        "high": found.high,
        "sampled": found.unit,
        "why": found.why,
        "rounds": found.rounds,
        "tasks": found.prompts,
        "intercept": y.mean() - found.value * x.mean(),
        "r2": 1 - off / scatter if scatter > 0 else np.nan,
        "points": len(y),
        "from_tokens": round(part.context.min()),
        "to_tokens": round(part.context.max()),
        "found": bool(found.low > 0 or found.high < 0),
    }


def ends_of(session: RawSession, resolve_periods: float) -> list[dict[str, Any]]:
    """For each long enough output of the baseline, the energy of its first and of its last decoded
    tokens, of one sequence; those within a period of the meter of either end are left out, for its
    readings there hold what came before or behind."""
    rows = []
    for segment in dict.fromkeys(window["segment"] for window in session.windows):
        period_ns = session.period_s(segment) * 1e9
        kept = []
        for window in session.windows:
            if window["segment"] != segment or window["kind"] != "generation":
                continue
            if window["condition"] != "baseline":
                continue
            times = np.asarray(window["token_ns"])
            inner = times[(times >= times[0] + period_ns) & (times <= times[-1] - period_ns)]
            if len(inner) >= 2 * WIDTH + 1:
                kept.append((window, inner[[0, -1 - WIDTH]], inner[[WIDTH, -1]]))
        if not kept:
            continue
        windows, starts, ends = zip(*kept, strict=True)
        starts, ends = np.array(starts), np.array(ends)
        joules = session.total(segment, starts.ravel(), ends.ravel()).joules.reshape(-1, 2)
        resolved = (ends - starts).min(axis=1) >= resolve_periods * period_ns
        shared = {"round": session.facts["spec"]["round"], "meter": session.meter()}
        shared |= {**session.labels, "estimate": session.estimate}
        rows += [
            {
                **shared,
                "task": window["task"],
                "first_j": first / WIDTH / session.batch,
                "last_j": last / WIDTH / session.batch,
                "resolved": bool(is_resolved),
            }
            for window, (first, last), is_resolved in zip(windows, joules, resolved, strict=True)
        ]
    return rows


def ends_table(rows: list[dict[str, Any]], *, confidence: float) -> pd.DataFrame:
    """The last tokens of the outputs of a workload over the first, less 1; of outputs whose ends
    the meter resolves. Both are of one process: one round has an interval over its tasks."""
    outputs = pd.DataFrame(rows)
    found = []
    for (model, workload), part in (
        outputs.groupby(["model", "workload"], sort=False) if rows else ()
    ):
        known = part[part.resolved].dropna(subset=["first_j", "last_j"])
        made = cells_of(known, "last_j", "first_j")
        over = prompts.within(made, confidence=confidence)
        tasks = known.groupby("task")[["first_j", "last_j"]].mean()
        found.append(
            {
                "model": model,
                "workload": workload,
                "first_j": tasks.first_j.mean(),
                "last_j": tasks.last_j.mean(),
                "width": WIDTH,
                "value": over.value - 1,
                "low": over.low - 1,
                "high": over.high - 1,
                "sampled": ONE_PROCESS if over.unit == PROMPTS else over.unit,
                "why": over.why,
                "rounds": over.rounds,
                "tasks": over.prompts,
                "outputs": len(known),
                "unresolved": len(part) - len(known),
                "resolved": len(known) > 0,
                "meter": part.meter.iloc[0],
                "estimate": part.estimate.iloc[0],
                "confidence": confidence,
            }
        )
    return table(found, ENDS)
