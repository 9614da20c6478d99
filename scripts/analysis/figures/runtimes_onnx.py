"""What engines make of an export against the framework that it came from."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import ratios, style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.systems import engine

FIGURE = FigureSpec(
    title="Exports against the original framework",
    page="runtimes",
    order=30,
    category="Runtimes",
    tables=("comparisons", "systems"),
    caption="""\
An engine on the exported model over the framework that it was exported from, paired by round: left of
the line it takes less. Total energy and energy above idle can point in opposite directions. A provider
that no framework has stands against the framework where it computes: TensorRT's against CUDA's.
""",  # noqa: E501
)


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
