"""Any engine over any other of one network, batch and place: what the comparisons say, both ways
round. Pure functions on tables; nothing is tested here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.providers import place
from analysis.runtimes.wording import ENERGY, TIME, provider, reasons

# What a table of ratios shows, and how the page calls it.
SHOWN = {ENERGY: "energy", TIME: "time"}
GROUP = ["model", "batch", "place"]
SIDES = ["first", "first_provider", "second", "second_provider"]
# By column, the one that takes its place when a comparison is turned round.
OTHERS = dict(zip(SIDES, SIDES[2:] + SIDES[:2], strict=True)) | {
    "first_mean": "second_mean",
    "second_mean": "first_mean",
}
EXPORTS = "exports of different frameworks are not held against each other"


def both_ways(compared: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of two engines in one `place`, and the same turned round: ratios and their
    intervals inverted, and what is tested of them unchanged."""
    known = compared.assign(place=compared.first_provider.map(place))
    known = known[known.place == compared.second_provider.map(place)]
    turned = known.rename(columns=OTHERS)[known.columns]
    ends = ("ratio_low", "ratio_high"), ("difference_low", "difference_high")
    turned = turned.assign(
        ratio=1 / known.ratio,
        **{one: 1 / known[other] for one, other in (ends[0], ends[0][::-1])},
        difference=-known.difference,
        **{one: -known[other] for one, other in (ends[1], ends[1][::-1])},
    )
    return pd.concat([known.assign(turned=False), turned.assign(turned=True)], ignore_index=True)


def reference(rows: pd.DataFrame, order: list[tuple[str, str]], trusted: set[str]) -> tuple:
    """Whom the others of one network, batch and place are held against: who can be compared with
    most of them; of several the one that parity was checked against, else the first.

    Args:
        rows: Of `both_ways`.
        order: (runtime, provider) of each, in order.
        trusted: Titles that others were checked against.
    """
    known = rows[rows.ratio.notna() & (rows.metric == TIME)]
    counts = known.groupby(SIDES[2:]).size()

    def key(who: tuple[str, str]) -> tuple:
        plain = who[1] == place(who[1])
        return -counts.get(who, 0), who[0] not in trusted, not plain, order.index(who)

    return min(order, key=key)


@dataclasses.dataclass(frozen=True)
class Matrix:
    """All engines of one network, batch and place.

    Attributes:
        names: (runtime, provider) of each that has a figure, in order.
        means: By (runtime, provider) and metric, its mean in the metric's unit.
        ratios: By row, column and metric, the row over the column, as of a table of comparisons.
        left_out: Why others, or other pairs, have none; one line a reason.
    """

    model: str
    batch: int
    place: str
    names: list[tuple[str, str]]
    means: dict[tuple, float]
    ratios: dict[tuple, dict[str, Any]]
    left_out: list[str]

    @property
    def best(self) -> list[str]:
        """Of each metric, who has the lowest mean, and from how many of the others a test tells
        it."""
        lines = []
        for metric, word in SHOWN.items():
            means = {who: self.means.get((who, metric), np.nan) for who in self.names}
            known = {who: mean for who, mean in means.items() if mean == mean}
            if not known:
                continue
            least = min(known, key=known.__getitem__)
            rows = [self.ratios.get((least, who, metric)) for who in self.names if who != least]
            rows = [row for row in rows if row]
            lower = sum(row["ratio"] < 1 and row["told"] for row in rows)
            lines.append(
                f"least mean {word}: {label(least)}, told apart from {lower} of {len(rows)} others"
            )
        return lines


def label(who: tuple[str, str]) -> str:
    """A runtime, and its provider where that is not the plain one of its place."""
    title, where = who
    return title if where == place(where) else f"{title}, {provider(where)}"


def matrices(
    compared: pd.DataFrame, runtimes: pd.DataFrame, systems: pd.DataFrame
) -> Iterator[Matrix]:
    """One for each network, batch and place in which two engines have been compared, or could not
    be and say why.

    Args:
        compared: Comparisons of all questions.
        runtimes: As of `cells_table`.
        systems: As of `systems_table`; their order is the order of the names.
    """
    rows = both_ways(compared)
    order = list(zip(systems.runtime, systems.provider, strict=True))
    cells = runtimes[runtimes.metric.isin(list(SHOWN)) & runtimes.domain.isin([TOTAL, ""])]
    keys = zip(cells.model, cells.batch, cells.runtime, cells.provider, cells.metric, strict=True)
    means = dict(zip(keys, cells["mean"], strict=True))
    for (model, batch, where), group in rows.groupby(GROUP, sort=False):
        known = group[group.metric.isin(list(SHOWN)) & group.ratio.notna()]
        with_figures = set(zip(known["first"], known.first_provider, strict=True))
        names = [who for who in order if who in with_figures]
        yield Matrix(
            model=model,
            batch=int(batch),
            place=where,
            names=names,
            means={
                (who, metric): means.get((model, batch, *who, metric), np.nan)
                for who in names
                for metric in SHOWN
            },
            ratios={
                _key(row): row | {"told": row["p_holm"] < 1 - row["confidence"]}
                for row in known.to_dict("records")
            },
            left_out=_left_out(group, names),
        )


def _key(row: Mapping[str, Any]) -> tuple:
    first, first_where, second, second_where = (row[side] for side in SIDES)
    return (first, first_where), (second, second_where), row["metric"]


def _left_out(group: pd.DataFrame, names: list[tuple[str, str]]) -> list[str]:
    """Reasons of what has no ratio, once each."""
    lacking = group[group.metric.isin(list(SHOWN)) & (group.reason != "") & ~group.turned]
    texts = reasons(lacking.to_dict("records"))
    exports = [title for title, _ in names if " from " in title]
    several = len({title.partition(" from ")[2] for title in exports}) > 1
    return [*texts, *([EXPORTS] if several else [])]
