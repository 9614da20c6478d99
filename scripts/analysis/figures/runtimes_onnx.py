"""What engines make of an export against the framework that it came from."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import ratios, style
from analysis.figures.campaign import Campaign
from analysis.runtimes.systems import engine


def draw(campaign: Campaign) -> Figure:
    table = campaign.comparisons
    table = table[table.question == "RQ2"]
    if table.empty:
        why = "no export was measured beside the framework that it came from"
        raise style.NothingToShowError(why)
    engines = list(dict.fromkeys(map(engine, table["first"])))
    if len(engines) == 1:
        title = f"{engines[0]} / original"
        return ratios.draw(table, lambda row: row.second, title, campaign.systems)

    def name(row) -> str:
        return f"{engine(row['first'])} / {row['second']}"

    return ratios.draw(table, name, "engine / original", campaign.systems)
