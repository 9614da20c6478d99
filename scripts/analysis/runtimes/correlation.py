"""Energy against time over windows: Spearman's rank correlation. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.raw import TOTAL
from analysis.runtimes.cells import Bootstrap
from analysis.runtimes.columns import CORRELATION
from analysis.statistics import bounds, draws, spearman, spearman_rows
from analysis.tabular import table

# Below that many windows no correlation is given.
ENOUGH = 10
CELL = ["model", "batch", "runtime"]
POOLED, BATCH, WITHIN = "all cells", "model and batch", "within cells"


def correlation_table(inferences: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """rho of energy and time per inference, for each provider and meter, in three scopes.

    `all cells`: every window; mostly reflects that cells differ, a large batch from a small one.
    `model and batch`: the windows of one model and batch, so the runtimes differ. `within cells`:
    energy and time over the median of their own cell, so only repetitions differ. Where
    `estimate` is true, energy is utilisation x rated power: on a busy processor that is time
    times a constant, and the correlation is close to a tautology.

    The intervals keep the cells and resample rounds, then windows, within each.
    """
    total = inferences[inferences.domain == TOTAL].dropna(subset=["inference_j", "inference_s"])
    rows = []
    for (provider, meter), group in total.groupby(["provider", "meter"], sort=False):
        for scope, part in _scopes(group.reset_index(drop=True)):
            if len(part) < ENOUGH:
                continue
            rho, p = spearman(part.inference_j.to_numpy(), part.inference_s.to_numpy())
            low, high = _interval(part, bootstrap)
            whole = scope != BATCH
            rows.append(
                {
                    "scope": scope,
                    "provider": provider,
                    "model": "" if whole else part.model.iloc[0],
                    "batch": None if whole else part.batch.iloc[0],
                    "windows": len(part),
                    "cells": part.groupby(CELL).ngroups,
                    "rho": rho,
                    "rho_low": low,
                    "rho_high": high,
                    "p": p,
                    "meter": meter,
                    "estimate": part.estimate.iloc[0],
                    "confidence": bootstrap.confidence,
                }
            )
    return table(rows, CORRELATION)


def _scopes(group: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield POOLED, group
    medians = group.groupby(CELL)[["inference_j", "inference_s"]].transform("median")
    yield WITHIN, group.assign(**(group[list(medians)] / medians))
    for _, part in group.groupby(["model", "batch"], sort=False):
        yield BATCH, part.reset_index(drop=True)


def _interval(part: pd.DataFrame, bootstrap: Bootstrap) -> tuple[float, float]:
    randoms = bootstrap.randoms()
    drawn = [
        cell.index.to_numpy()[draws(cell["round"].to_numpy(int), bootstrap.resamples, randoms)]
        for _, cell in part.groupby(CELL, sort=False)
    ]
    rows = np.concatenate(drawn, axis=1)
    energy, time = (part[c].to_numpy()[rows] for c in ("inference_j", "inference_s"))
    return bounds(spearman_rows(energy, time), bootstrap.confidence)
