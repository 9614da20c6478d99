"""One row a probe: the energy of what it repeats, and of its phases by attribution.

A probe is one window of the same work over and over, long enough for a slow counter. Pure functions
on tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.pooling import pool
from analysis.energy.raw import TOTAL, RawSession
from analysis.tabular import table

PROBES = {
    "session": "str",
    "model": "str",
    "workload": "str",
    "benchmark": "str",
    "batch": "int",
    "published_model": "str",
    "round": "int",
    "segment": "int",
    "window": "int",
    "task": "str",
    "what": "str",
    "repetition": "int",
    "prompt_tokens": "int",
    "output_tokens": "int",
    "count": "int",
    "duration_s": "float",
    "meter": "str",
    "estimate": "bool",
    "status": "str",
    "flags": "str",
    "energy_j": "float",
    "energy_u_j": "float",
    "each_s": "float",
    "each_j": "float",
    "each_u_j": "float",
    "attributed_prefill_j": "float",
    "attributed_prefill_u_j": "float",
    "attributed_prefill_status": "str",
    "attributed_token_j": "float",
    "attributed_token_u_j": "float",
    "attributed_token_status": "str",
    "pooled_prefill_j": "float",
    "pooled_prefill_u_j": "float",
    "pooled_token_j": "float",
    "pooled_token_u_j": "float",
}


def probes_table(
    session: RawSession, windows: pd.DataFrame, resolve_periods: float
) -> pd.DataFrame:
    """The probes of one session, energies under `total` and of one sequence of the batch.

    `energy_j` is the window's; `each_j` and `each_s` are one prefill's, one decoded token's or one
    whole generation's. They are NaN where `status` is not `ok`. `attributed_*` are means over the
    generations of a window, split on the curve where each first token was known: what looking at
    generations alone would give. Their status is that of a single generation. `pooled_*` are of all
    generations of a prompt and length together, and stand in the first of their windows.

    Args:
        windows: See `windows.windows_table`.
        resolve_periods: How many periods of the meter a phase must last to be told apart.
    """
    total = windows[(windows.domain == TOTAL) & (windows.kind == "probe")]
    rows = []
    for window in total.to_dict("records"):
        raw = session.windows[window["window"]]
        steps = raw["output_tokens"] - 1 if raw["what"] == "decode" else 1
        each = raw["count"] * steps
        shared = each * session.batch
        row = {
            "session": session.name,
            **session.labels,
            "round": session.facts["spec"]["round"],
            **{name: raw[name] for name in ("segment", "task", "what", "repetition", "count")},
            **{name: raw[name] for name in ("prompt_tokens", "output_tokens")},
            "window": window["window"],
            "duration_s": window["duration_s"],
            "meter": session.meter(),
            "estimate": session.estimate,
            "status": window["status"],
            "flags": window["flags"],
            "energy_j": window["energy_j"] / session.batch,
            "energy_u_j": window["energy_u_j"] / session.batch,
            "each_s": window["duration_s"] / each,
            "each_j": window["energy_j"] / shared,
            "each_u_j": window["energy_u_j"] / shared,
        }
        if raw["what"] == "generation":
            row |= _attributed(session, raw, resolve_periods)
        rows.append(row)
    alike = defaultdict(list)
    for row in rows:
        if row["what"] == "generation":
            alike[row["segment"], row["task"], row["output_tokens"]].append(row)
    for group in alike.values():
        group[0] |= _pooled(session, [session.windows[row["window"]] for row in group])
    return table(rows, PROBES)


def _pooled(session: RawSession, windows: list[Mapping[str, Any]]) -> dict[str, float]:
    """Both phases by what all generations of the windows draw together (`energy.pooling`)."""
    starts, firsts, ends = (
        np.concatenate([window[name] for window in windows])
        for name in ("starts_ns", "firsts_ns", "ends_ns")
    )
    inside = [window["start_ns"] for window in windows], [window["end_ns"] for window in windows]
    segment, steps = windows[0]["segment"], max(1, windows[0]["output_tokens"] - 1)
    found: dict[str, float] = {}
    for domain in session.headline(segment):
        curve = session.curves.get((segment, domain["domain"]))
        made = curve and pool(curve, {"prefill": (starts, firsts), "token": (firsts, ends)}, inside)
        if not made:
            return {}
        for phase, units in (("prefill", 1), ("token", steps)):
            shared = units * session.batch
            before = found.get(f"pooled_{phase}_j", 0.0), found.get(f"pooled_{phase}_u_j", 0.0)
            found[f"pooled_{phase}_j"] = before[0] + made[phase].each_j / shared
            found[f"pooled_{phase}_u_j"] = float(np.hypot(before[1], made[phase].each_u_j / shared))
    return found


def _attributed(
    session: RawSession, window: Mapping[str, Any], resolve_periods: float
) -> dict[str, Any]:
    """Both phases of the generations of a window, from the curve between their marks.

    The generations meet the counter at different moments: their edges count as independent. The
    two phases share an edge. Where a prefill is too short to be told apart, interpolation spreads
    its energy over its neighbours, and pooling any number of alike generations does not take that
    away: then the decoding is not resolved either.
    """
    edges = [np.asarray(window[name]) for name in ("starts_ns", "firsts_ns", "ends_ns")]
    shortest_s = resolve_periods * session.period_s(window["segment"])
    found: dict[str, Any] = {}
    resolved = True
    for phase, start_ns, end_ns, units in (
        ("prefill", *edges[:2], 1),
        ("token", *edges[1:], max(1, window["output_tokens"] - 1)),
    ):
        energy = session.total(window["segment"], start_ns, end_ns)
        resolved = resolved and np.median(end_ns - start_ns) / 1e9 >= shortest_s
        covered = not np.isnan(energy.joules).any()
        status = "not covered" if not covered else "ok" if resolved else "unresolved"
        shared = len(start_ns) * units * session.batch
        found |= {
            f"attributed_{phase}_j": energy.joules.sum() / shared,
            f"attributed_{phase}_u_j": np.sqrt(np.sum(energy.uncertainty_j**2)) / shared,
            f"attributed_{phase}_status": status,
        }
    return found
