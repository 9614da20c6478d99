"""Engine against engine: every runtime over one of its place, the same for a network and batch."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import ratios, style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.matrix import GROUP, both_ways, label, reference

FIGURE = FigureSpec(
    title="Engine against engine",
    page="runtimes",
    order=20,
    category="Runtimes",
    tables=("comparisons", "engines", "systems", "parity"),
    caption="""\
Every engine over one of its place, for the same network and batch, paired by round: left of the line it
takes less. The other is the one that most can be held against; it is named under the axis, or with each
where there are several. Engines that run exports are compared under one export only. Any over any other:
the report's tables, and tables/engines.parquet.
""",  # noqa: E501
)


def draw(campaign: Campaign) -> Figure:
    table = over_one(campaign)
    if table.empty:
        raise style.NothingToShowError("no two engines were measured in one place")
    ratios.refuse_empty(table)
    against = table.against.unique()

    def name(row) -> str:
        own = label((row["first"], row["first_provider"]))
        return own if len(against) == 1 else f"{own} / {row['against']}"

    title = against[0] if len(against) == 1 else "another engine"
    return ratios.draw(table, name, f"engine / {title}", campaign.systems)


def over_one(campaign: Campaign) -> pd.DataFrame:
    """The comparisons with one reference for each network, batch and place, named in `against`; it
    is always the second."""
    compared = pd.concat([campaign.comparisons, campaign.engines], ignore_index=True)
    rows = both_ways(compared)
    systems, parity = campaign.systems, campaign.parity
    order = list(zip(systems.runtime, systems.provider, strict=True))
    trusted = set(parity.against[parity.pair == "framework"])
    parts = [rows.iloc[:0].assign(against="")]
    for _, group in rows.groupby(GROUP, sort=False):
        there = set(zip(group["first"], group.first_provider, strict=True))
        title, where = reference(group, [who for who in order if who in there], trusted)
        mine = group[(group.second == title) & (group.second_provider == where)]
        first = list(zip(mine["first"], mine.first_provider, strict=True))
        places = pd.Series([order.index(who) for who in first], index=mine.index)
        mine = mine.loc[places.sort_values(kind="stable").index]
        parts.append(mine.assign(against=label((title, where))))
    return pd.concat(parts, ignore_index=True)
