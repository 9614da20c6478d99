"""ONNX Runtime against the framework that its model came from."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import ratios, style
from analysis.figures.campaign import Campaign


def draw(campaign: Campaign) -> Figure:
    table = campaign.comparisons
    table = table[table.question == "RQ2"]
    if table.empty:
        fig = style.figure(7.2, 2.2)
        why = "no export was measured beside the framework that it came from"
        style.empty(fig.subplots(), why)
        return fig
    return ratios.draw(table, lambda row: row.second, "ONNX Runtime / original")
