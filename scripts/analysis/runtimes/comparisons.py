"""Runtimes against each other, paired by round. Pure functions on tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes import wording
from analysis.runtimes.columns import COMPARISONS
from analysis.runtimes.pairs import Pair, excluded_why, planned_pairs, why_incomparable, why_missing
from analysis.runtimes.rounds import ABOVE_IDLE
from analysis.statistics import ranks
from analysis.statistics import rounds as over_rounds
from analysis.tabular import table

# (metric, unit, column, whether a meter stands behind it)
METRICS = (
    (wording.ENERGY, "J", "inference_j", True),
    (wording.ABOVE_IDLE, "J", "inference_above_idle_j", True),
    (wording.TIME, "s", "inference_s", False),
)
# All tests that answer one question: models, batches and providers together.
FAMILY = ["question", "metric"]
# What may be nothing has no ratio: energies above idle that are fewer standard uncertainties.
CLEAR = 2.0
BLANK = {name: "" for name, kind in COMPARISONS.items() if kind == "str"} | {"estimate": False}
NO_IDLE = "an estimate knows nothing of idle power"


@dataclasses.dataclass(frozen=True)
class How:
    """The campaign's settings.

    Attributes:
        margin: Two runtimes whose ratio lies within 1/(1 + margin) and 1 + margin are equivalent.
    """

    confidence: float = 0.95
    margin: float = 0.05


def comparisons_table(
    rounds: pd.DataFrame,
    clean: pd.DataFrame,
    sessions: Sequence[Mapping[str, Any]],
    how: How,
    pairs: Callable[[Sequence[Mapping[str, Any]]], Iterable[Pair]] = planned_pairs,
) -> pd.DataFrame:
    """One row a pair, batch and metric, energies under `total`.

    `ratio` with Student's interval, `p` that it is 1 and `equivalence_p` that it lies beyond the
    margin, over the `rounds` that both have; of one round the ratio alone, and `why`. Energies
    above idle that are not clearly above zero in every round have no ratio but a `difference` in
    joules. `reading_u` is what reading the meters and idle alone adds, in the unit of either.
    `p_holm` and `equivalence_p_holm` are adjusted over the `family`. Columns with `clean_` in front
    are of windows without a flag. `verdict` is what can be said; `flags_words` says where it hangs
    on flagged windows, `opposite` where energy and energy above idle disagree. A pair that cannot
    be compared has a `reason` and no figures.

    Args:
        rounds, clean: As of `cells_table`.
        pairs: Who is compared with whom; by default by the questions of the study.
    """
    total = rounds[rounds.domain == TOTAL]
    cells = dict(list(total.groupby(["model", "batch", "runtime", "provider"])))
    out = excluded_why(sessions)
    rows = []
    for pair in pairs(sessions):
        sides = [cells.get(key) for key in pair.keys]
        for metric in METRICS:
            row = BLANK | pair.columns | {"confidence": how.confidence, "margin": how.margin}
            rows.append(row | _row(pair, sides, clean, metric, out, how))
    compared = _with_verdicts(table(rows, COMPARISONS))
    return compared.assign(opposite=_opposite(compared))


def _row(
    pair: Pair, sides: list[pd.DataFrame | None], clean: pd.DataFrame, metric, out, how: How
) -> dict[str, Any]:
    name, unit, column, metered = metric
    row = {"metric": name, "unit": unit}
    reasons = [
        why_missing(who, cell, column, out.get((pair.model, who.title, who.provider)))
        for who, cell in zip((pair.first, pair.second), sides, strict=True)
    ]
    reason = "; ".join(filter(None, reasons)) or why_incomparable(*sides, metered)
    if not reason and column in ABOVE_IDLE and any(cell.estimate.any() for cell in sides):
        reason = NO_IDLE
    if reason:
        return row | {"reason": reason}
    if metered:
        row |= sides[0].iloc[0][["meter", "estimate"]]
    without = [clean.loc[cell.index] for cell in sides]
    windows = [int(cell[f"{column}_windows"].sum()) for cell in sides]
    unflagged = [int(cell[f"{column}_windows"].sum()) for cell in without]
    found = compare(*sides, column, how)
    again = compare(*without, column, how)
    return row | {
        **found,
        **{f"clean_{key}": again[key] for key in wording.CLEAN},
        "first_windows": windows[0],
        "second_windows": windows[1],
        "first_rounds": int(sides[0][column].notna().sum()),
        "second_rounds": int(sides[1][column].notna().sum()),
        "windows": sum(windows),
        "flagged": sum(windows) - sum(unflagged),
    }


def compare(first: pd.DataFrame, second: pd.DataFrame, column: str, how: How) -> dict[str, Any]:
    """One cell over another in one quantity, before any correction for the number of tests.

    Args:
        first, second: Their rounds, as of `rounds_table`.
    """
    (numbers, *sides), (others, *other_sides) = (
        _rounds_with_value(cell, column) for cell in (first, second)
    )
    numbers, at, to = np.intersect1d(numbers, others, return_indices=True)
    (above, *us), (below, *other_us) = ([a[at] for a in sides], [a[to] for a in other_sides])
    us = (*us, *other_us)
    signed = column in ABOVE_IDLE and not all(
        np.all((side > 0) & (side > CLEAR * u)) for side, u in zip((above, below), us, strict=True)
    )
    off = over_rounds.paired(above, numbers, below, numbers, signed=signed)[1]
    equivalence_p = math.nan
    if signed:
        found = over_rounds.difference(off, confidence=how.confidence, reading_u=np.hypot(*us))
        name = "difference"
    else:
        reading = {"reading_u": _share_u((above, below), us) if len(off) else 0.0}
        found = over_rounds.ratio(
            above, numbers, below, numbers, confidence=how.confidence, **reading
        )
        equivalence_p = over_rounds.equivalent(off, how.margin, **reading)
        name = "ratio"
    several = len(off) > 1
    size = ranks.rank_biserial(off) if several else math.nan
    sides = [
        over_rounds.mean(side, numbers, confidence=how.confidence, signed=signed).value
        for side in (above, below)
    ]
    return {
        "first_mean": sides[0],
        "second_mean": sides[1],
        "ratio": math.nan,
        "ratio_low": math.nan,
        "ratio_high": math.nan,
        "difference": math.nan,
        "difference_low": math.nan,
        "difference_high": math.nan,
        name: found.value,
        f"{name}_low": found.low,
        f"{name}_high": found.high,
        "difference_percent": math.nan if signed else 100 * (found.value - 1),
        "reading_u": found.reading_u,
        "rounds": found.rounds,
        "freedom": found.freedom,
        "p": found.p if several else math.nan,
        "equivalence_p": equivalence_p,
        "rank_biserial": size,
        "effect": ranks.effect(size),
        "why": found.why,
    }


def _rounds_with_value(
    cell: pd.DataFrame, column: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rounds, means, uncertainties of reading) of the rounds of a cell that have a value."""
    means = cell[column].to_numpy()
    known = ~np.isnan(means)
    return cell["round"].to_numpy(int)[known], means[known], cell[f"{column}_u"].to_numpy()[known]


def _share_u(sides: Sequence[np.ndarray], us: Sequence[np.ndarray]) -> float:
    """Relative standard uncertainty of reading a ratio of one round."""
    shares = [(u / side) ** 2 for side, u in zip(sides, us, strict=True)]
    return float(np.sqrt(np.mean(np.sum(shares, axis=0))))


def _with_verdicts(compared: pd.DataFrame) -> pd.DataFrame:
    """The table with p adjusted within each family, its name, and the verdicts."""
    for (question, metric), family in compared.groupby(FAMILY, sort=False):
        for p in ("p", "equivalence_p"):
            every, clean = family[p].to_numpy(), family[f"clean_{p}"].to_numpy()
            compared.loc[family.index, f"{p}_holm"] = ranks.holm(every)
            # The family is the same: what has too few clean rounds makes no other p smaller.
            of_as_many = np.where(np.isnan(clean) & ~np.isnan(every), 1.0, clean)
            adjusted = np.where(np.isnan(clean), np.nan, ranks.holm(of_as_many))
            compared.loc[family.index, f"clean_{p}_holm"] = adjusted
        tests = int(family.p.notna().sum())
        name = f"{question}, {metric}: {tests} test{'' if tests == 1 else 's'}"
        compared.loc[family.index, "family"] = name
    rows = compared.to_dict("records")
    return compared.assign(
        verdict=pd.Series([wording.verdict(row) for row in rows], dtype="str"),
        clean_verdict=pd.Series(
            [wording.verdict(wording.clean(row)) if not row["reason"] else "" for row in rows],
            dtype="str",
        ),
        flags_words=pd.Series([wording.sensitivity(row) for row in rows], dtype="str"),
    )


def _opposite(compared: pd.DataFrame) -> pd.Series:
    """Of each row of energy, whether that above idle points the other way, in words."""
    keys = ["question", "model", "batch", "first", "first_provider", "second", "second_provider"]
    texts = pd.Series("", index=compared.index, dtype="str")
    energies = compared[compared.metric.isin([wording.ENERGY, wording.ABOVE_IDLE])]
    for _, pair in energies.groupby(keys, sort=False):
        rows = {row["metric"]: row for row in pair.to_dict("records")}
        texts[pair.index] = wording.opposite(rows[wording.ENERGY], rows[wording.ABOVE_IDLE])
    return texts
