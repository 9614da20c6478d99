"""Windows to cells: each metric of a (model, batch, runtime, provider) with its intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.raw import TOTAL
from analysis.runtimes.columns import CELL, CELLS
from analysis.runtimes.inferences import with_values
from analysis.statistics import bounds, draws
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
MIDDLES: dict[str, Callable[..., np.ndarray]] = {"mean": np.mean, "median": np.median}


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """The campaign's settings of the hierarchical bootstrap."""

    confidence: float = 0.95
    resamples: int = 5000
    seed: int = 0

    def middles(self, values: np.ndarray, rounds: np.ndarray) -> dict[str, float]:
        """Mean and median with their intervals; NaN where there is too little for one."""
        if not len(values):
            return {}
        found = {name: float(middle(values)) for name, middle in MIDDLES.items()}
        if len(values) < 2:
            return found
        drawn = values[draws(rounds, self.resamples, self.randoms())]
        for name, middle in MIDDLES.items():
            low, high = bounds(middle(drawn, axis=1), self.confidence)
            found |= {f"{name}_low": low, f"{name}_high": high}
        return found

    def ratios(
        self, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
    ) -> dict[str, tuple[float, float, float]]:
        """First over second, as (value, low, high), of the means and of the medians."""
        alone = min(len(first[0]), len(second[0])) < 2
        randoms = self.randoms()
        drawn = [v[draws(r, self.resamples, randoms)] for v, r in (first, second)]
        found = {}
        for name, middle in MIDDLES.items():
            above, below = (middle(each, axis=1) for each in drawn)
            limits = (np.nan, np.nan) if alone else bounds(above / below, self.confidence)
            found[name] = (float(middle(first[0]) / middle(second[0])), *limits)
        return found

    def randoms(self) -> np.random.Generator:
        """The same numbers for each cell: a cell does not depend on those before it."""
        return np.random.default_rng(self.seed)


def cells_table(inferences: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """One row a (model, batch, runtime, provider), domain and metric.

    `windows` are those that have a value; a cell without any has a row and no figures. Flagged
    windows count, and `flagged` says how many they are. With one round the intervals hold the
    spread within one process only.
    """
    rows: list[dict[str, Any]] = []
    for key, cell in inferences.groupby(list(CELL), sort=False, dropna=False):
        facts = dict(zip(CELL, key, strict=True)) | {"confidence": bootstrap.confidence}
        for domain, group in cell.groupby("domain", sort=False):
            about = {"domain": domain, **group.iloc[0][["sums", "meter", "estimate"]]}
            rows += [{**facts, **about, **row} for row in _metrics(group, ENERGIES, bootstrap)]
        about = {"domain": "", "sums": "", "meter": "", "estimate": False}
        total = cell[cell.domain == TOTAL]
        rows += [{**facts, **about, **row} for row in _metrics(total, ONCE, bootstrap)]
    return table(rows, CELLS)


def _metrics(group: pd.DataFrame, metrics: tuple, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    rows = []
    for metric, unit, column in metrics:
        values, rounds = with_values(group, column)
        rows.append(
            {
                "metric": metric,
                "unit": unit,
                **bootstrap.middles(values, rounds),
                "windows": len(values),
                "rounds": len(np.unique(rounds)),
                "flagged": int(group.flagged[group[column].notna()].sum()),
            }
        )
    return rows
