"""Runtimes against each other, by the three questions of the study. Pure functions on tables.

RQ1: frameworks, on one provider. RQ2: ONNX Runtime on its export, against the framework that the
export came from, on one provider; TensorRT, which no framework has, stands against CUDA. RQ3: one
export, provider against provider. After Alizadeh and Castor (arXiv 2402.13640).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.raw import TOTAL
from analysis.runtimes.cells import Bootstrap
from analysis.runtimes.columns import COMPARISONS, OMNIBUS
from analysis.runtimes.inferences import with_values
from analysis.runtimes.order import PROVIDERS
from analysis.runtimes.words import provider
from analysis.statistics import cliffs_delta, effect, holm, kruskal_wallis, mann_whitney_p
from analysis.tabular import table

# (metric, unit, column, whether a meter stands behind it)
METRICS = (
    ("energy per inference", "J", "inference_j", True),
    ("time per inference", "s", "inference_s", False),
)
FAMILY = ["question", "model", "batch", "metric"]


@dataclasses.dataclass(frozen=True, order=True)
class Subject:
    """A runtime on a provider: what is compared. `origin` is what an export came from."""

    title: str
    system: str
    origin: str | None
    provider: str


def subjects(sessions: Sequence[Mapping[str, Any]]) -> dict[str, list[Subject]]:
    """Those of each model, in the order of the sessions, also the excluded ones."""
    found: dict[str, dict[Subject, None]] = {}
    for facts in sessions:
        spec = facts["spec"]
        names = spec["title"], spec["system"], spec["origin"], spec["provider"]
        found.setdefault(spec["model"], {})[Subject(*names)] = None
    return {model: list(those) for model, those in found.items()}


def pairs(those: Sequence[Subject]) -> Iterator[tuple[str, str, Subject, Subject]]:
    """(question, within which, first, second): the first is compared with the second."""
    frameworks = [s for s in those if s.origin is None]
    exports = [s for s in those if s.origin is not None]
    for second, first in itertools.combinations(frameworks, 2):
        if first.provider == second.provider:
            yield "RQ1", first.provider, first, second
    for first, second in itertools.product(exports, frameworks):
        where = "cuda" if first.provider == "tensorrt" else first.provider
        if first.origin == second.system and where == second.provider:
            yield "RQ2", where, first, second
    for one, other in itertools.combinations(exports, 2):
        if (one.system, one.origin) == (other.system, other.origin):
            # The later of the providers is compared with the earlier.
            second, first = sorted((one, other), key=lambda s: PROVIDERS.index(s.provider))
            yield "RQ3", first.title, first, second


def comparisons_table(
    inferences: pd.DataFrame, sessions: Sequence[Mapping[str, Any]], bootstrap: Bootstrap
) -> pd.DataFrame:
    """One row a pair, batch and metric, energies under `total`: ratio, interval, p, effect.

    A pair that cannot be compared has a `reason` and no figures. Windows of one round are not
    independent, and the p values take them for it: they are too small, the more so the fewer
    rounds there are; the intervals know of rounds.
    """
    total = inferences[inferences.domain == TOTAL]
    cells = dict(list(total.groupby(["model", "batch", "runtime", "provider"])))
    excluded = {
        (f["spec"]["model"], f["spec"]["title"], f["spec"]["provider"]): f["excluded"]
        for f in sessions
        if f["excluded"]
    }
    batches: dict[str, dict[int, None]] = {}
    for facts in sessions:
        known = batches.setdefault(facts["spec"]["model"], {})
        known |= dict.fromkeys(facts["spec"]["batch_sizes"])
    rows = []
    for model, those in subjects(sessions).items():
        everything = itertools.product(batches[model], METRICS, pairs(those))
        for batch, (metric, unit, column, metered), (question, within, *sides) in everything:
            groups = [
                cells.get((model, batch, s.title, s.provider), inferences.iloc[:0]) for s in sides
            ]
            reasons = [
                _lacking(side, group, column, excluded.get((model, side.title, side.provider)))
                for side, group in zip(sides, groups, strict=True)
            ]
            reason = "; ".join(filter(None, reasons)) or _apart(*groups, metered)
            row = {
                "question": question,
                "within": within,
                "model": model,
                "batch": batch,
                "metric": metric,
                "unit": unit,
                "first": sides[0].title,
                "first_provider": sides[0].provider,
                "second": sides[1].title,
                "second_provider": sides[1].provider,
                "meter": "",
                "estimate": False,
                "effect": "",
                "confidence": bootstrap.confidence,
                "reason": reason,
            }
            if not reason:
                if metered:
                    row |= groups[0].iloc[0][["meter", "estimate"]]
                row |= _compared(*(with_values(group, column) for group in groups), bootstrap)
            rows.append(row)
    compared = table(rows, COMPARISONS)
    for _, family in compared.groupby(FAMILY, sort=False):
        compared.loc[family.index, "p_holm"] = holm(family.p.to_numpy())
    return compared


def _lacking(side: Subject, group: pd.DataFrame, column: str, excluded: Mapping | None) -> str:
    """Why there is nothing to compare of one side; empty where there is something."""
    name = f"{side.title} on {provider(side.provider)}"
    if group.empty:
        return f"{name}: {excluded['stage']}: {excluded['why']}" if excluded else f"no {name}"
    if group[column].isna().all():
        return f"{name}: no window has an energy ({', '.join(group.status.unique())})"
    return ""


def _apart(first: pd.DataFrame, second: pd.DataFrame, metered: bool) -> str:
    """Why two cells that have figures must not be compared; empty where they may be."""
    for column, what in (("machine", "machines"), ("meter", "meters"), ("sums", "domains")):
        names = [" and ".join(sorted(group[column].unique())) for group in (first, second)]
        if names[0] != names[1] and (metered or column == "machine"):
            return f"different {what}: {names[0]}; against {names[1]}"
    return ""


def _compared(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], how: Bootstrap
) -> dict[str, Any]:
    ratios = how.ratios(first, second)
    ratio, low, high = ratios["median"]
    of_means, of_means_low, of_means_high = ratios["mean"]
    delta = cliffs_delta(first[0], second[0])
    return {
        "first_median": float(np.median(first[0])),
        "second_median": float(np.median(second[0])),
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "difference_percent": 100 * (ratio - 1),
        "ratio_of_means": of_means,
        "ratio_of_means_low": of_means_low,
        "ratio_of_means_high": of_means_high,
        "p": mann_whitney_p(first[0], second[0]),
        "cliffs_delta": delta,
        "effect": effect(delta),
        "first_windows": len(first[0]),
        "second_windows": len(second[0]),
        "first_rounds": len(np.unique(first[1])),
        "second_rounds": len(np.unique(second[1])),
    }


def omnibus_table(inferences: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Kruskal-Wallis of each family: whether any of the runtimes that it compares differs.

    A family is split by what is compared within: one provider, or one export.
    """
    total = inferences[inferences.domain == TOTAL]
    cells = dict(list(total.groupby(["model", "batch", "runtime", "provider"])))
    columns = {metric: column for metric, _, column, _ in METRICS}
    rows = []
    compared = comparisons[comparisons.reason == ""]
    for key, family in compared.groupby([*FAMILY, "within"], sort=False):
        facts = dict(zip([*FAMILY, "within"], key, strict=True))
        first = zip(family["first"], family.first_provider, strict=True)
        second = zip(family["second"], family.second_provider, strict=True)
        names = list(dict.fromkeys(itertools.chain(second, first)))
        values = [
            with_values(cells[facts["model"], facts["batch"], *name], columns[facts["metric"]])[0]
            for name in names
        ]
        h, p, epsilon_squared = kruskal_wallis(*values)
        rows.append(
            {
                **facts,
                "groups": "; ".join(f"{title} on {provider(where)}" for title, where in names),
                "windows": sum(map(len, values)),
                "h": h,
                "p": p,
                "epsilon_squared": epsilon_squared,
                **family.iloc[0][["meter", "estimate"]],
            }
        )
    return table(rows, OMNIBUS)
