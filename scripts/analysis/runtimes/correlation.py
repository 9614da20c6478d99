"""Energy against time: Spearman's rank correlation of cells, and of rounds within them. Pure
functions on tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.columns import CORRELATION
from analysis.statistics import ranks
from analysis.tabular import table

CELL = ["model", "batch", "runtime"]
BOTH = ["inference_j", "inference_s"]
POOLED, BATCH, WITHIN = "all cells", "model and batch", "within cells"


def correlation_table(rounds: pd.DataFrame, clean: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """rho of energy and time per inference, for each provider and meter, in three scopes.

    `all cells`: the unit is a cell, by its mean over rounds; it mostly reflects that a large batch
    takes more of both than a small one. `model and batch`: likewise of one model and batch, so the
    runtimes differ. `within cells`: what rounds differ by from the others of their cell; windows
    are repeats. `units` is how many of either there are, `least_p` the smallest p that so many
    could give, and `why` says why there is no rho. `clean_rho` is of windows without a flag. Where
    `estimate` is true, energy is utilisation x rated power: on a busy processor that is time times
    a constant, and the correlation is close to a tautology.

    Args:
        rounds, clean: As of `cells_table`.
    """
    total = rounds[(rounds.domain == TOTAL) & (rounds[BOTH] > 0).all(axis=1)]
    rows = []
    for (provider, meter), group in total.groupby(["provider", "meter"], sort=False):
        about = {"provider": provider, "meter": meter, "estimate": group.estimate.iloc[0]}
        for scope, part in _scopes(group):
            whole = scope != BATCH
            without = clean.loc[part.index]
            without = without[(without[BOTH] > 0).all(axis=1)]
            rows.append(
                {
                    "scope": scope,
                    **about,
                    "model": "" if whole else part.model.iloc[0],
                    "batch": None if whole else part.batch.iloc[0],
                    **_correlated(part, scope, confidence),
                    "clean_rho": _correlated(without, scope, confidence)["rho"],
                    "confidence": confidence,
                }
            )
    return table(rows, CORRELATION)


def _scopes(group: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield POOLED, group
    yield WITHIN, group
    for _, part in group.groupby(["model", "batch"], sort=False):
        yield BATCH, part


def _correlated(rounds: pd.DataFrame, scope: str, confidence: float) -> dict[str, Any]:
    cells = rounds.groupby(CELL, sort=False)
    logs, sizes = np.log(rounds[BOTH]), cells.size()
    least_p = 0.0
    if scope == WITHIN:
        units, cell = int((sizes - 1).sum()), cells.ngroup().to_numpy()
        several = int((sizes > 1).sum())
        least_p = min(1.0, 2.0 ** (1 - several))
        pairs = (logs[name].to_numpy() for name in BOTH)
        found = ranks.correlation_within(*pairs, cell, confidence=confidence)
        what = f"fewer than {ranks.FEWEST} cells with two rounds"
        few = several < ranks.FEWEST
    else:
        means = logs.groupby([rounds[name] for name in CELL], sort=False).mean()
        units = len(means)
        found = ranks.correlation(*(means[name].to_numpy() for name in BOTH), confidence=confidence)
        what = f"fewer than {ranks.FEWEST} cells"
        few = units < ranks.FEWEST
    rho, low, high, p = found
    return {
        "cells": len(sizes),
        "rounds": len(rounds),
        "units": units,
        "rho": rho,
        "rho_low": low,
        "rho_high": high,
        "p": p,
        "least_p": least_p,
        "why": what if few else "" if rho == rho else "one of the two never changes",
    }
