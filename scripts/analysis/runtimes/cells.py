"""Rounds to cells: each metric of a (model, batch, runtime, provider) with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.columns import CELL, CELLS
from analysis.runtimes.rounds import ABOVE_IDLE
from analysis.statistics import rounds as over_rounds
from analysis.tabular import table

# (metric, unit, column): those of energy for each domain, the others once.
ENERGIES = (
    ("energy per inference", "J", "inference_j"),
    ("energy per inference above idle", "J", "inference_above_idle_j"),
    ("energy per sample", "J/sample", "sample_j"),
    ("energy per sample above idle", "J/sample", "sample_above_idle_j"),
    ("energy-delay product", "J·s", "energy_delay_js"),
    ("power", "W", "power_w"),
)
ONCE = (
    ("time per inference", "s", "inference_s"),
    ("throughput", "sample/s", "samples_per_s"),
    ("CPU share", "1", "cpu_share"),
)


def cells_table(rounds: pd.DataFrame, clean: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """One row a cell, domain and metric: `mean` over rounds (`rounds.mean`) and its interval.

    Without an interval, `why` says why. `windows` are those that have a value; a cell without any
    has a row and no figures. Flagged windows count, `flagged` says how many they are, and
    `clean_mean` what the others give. `between_cv` is how much the rounds differ, `within_cv` the
    windows of one round; `intraclass` which part of a window's variance is between rounds.

    Args:
        rounds: As of `rounds_table`.
        clean: The same of the windows without a flag, row by row.
    """
    rows: list[dict[str, Any]] = []
    for key, cell in rounds.groupby(list(CELL), sort=False, dropna=False):
        facts = dict(zip(CELL, key, strict=True)) | {"confidence": confidence}
        for domain, group in cell.groupby("domain", sort=False):
            about = {"domain": domain, **group.iloc[0][["sums", "meter", "estimate"]]}
            both = group, clean.loc[group.index]
            rows += [{**facts, **about, **_metric(*both, each, confidence)} for each in ENERGIES]
        about = {"domain": "", "sums": "", "meter": "", "estimate": False}
        total = cell[cell.domain == TOTAL]
        both = total, clean.loc[total.index]
        rows += [{**facts, **about, **_metric(*both, each, confidence)} for each in ONCE]
    return table(rows, CELLS)


def _metric(
    group: pd.DataFrame, without: pd.DataFrame, metric: tuple[str, str, str], confidence: float
) -> dict[str, Any]:
    name, unit, column = metric
    signed = column in ABOVE_IDLE
    means, numbers = group[column].to_numpy(), group["round"].to_numpy(int)
    found = over_rounds.mean(
        means,
        numbers,
        confidence=confidence,
        reading_u=group[f"{column}_u"].to_numpy(),
        signed=signed,
    )
    unflagged = over_rounds.mean(
        without[column].to_numpy(), numbers, confidence=confidence, signed=signed
    )
    sizes, clean_sizes = (each[f"{column}_windows"].to_numpy() for each in (group, without))
    variances = group[f"{column}_variance"].to_numpy()
    within = over_rounds.within(sizes, variances)
    known = means[~np.isnan(means)]
    between = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    size = abs(found.value) or math.nan
    return {
        "metric": name,
        "unit": unit,
        "mean": found.value,
        "low": found.low,
        "high": found.high,
        "reading_u": found.reading_u,
        "why": found.why,
        "windows": int(sizes.sum()),
        "rounds": found.rounds,
        "flagged": int(sizes.sum() - clean_sizes.sum()),
        "clean_mean": unflagged.value,
        "clean_rounds": unflagged.rounds,
        "between_cv": between / size,
        "within_cv": math.sqrt(within) / size,
        "intraclass": over_rounds.intraclass_of(sizes, means, variances),
    }
