"""Energy per decoded token along the output."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.campaign import Campaign

MARKERS = "os^Dv"
COLOURS = (style.BLUE, style.RED, style.GREEN, style.ORANGE, style.GREY)


def draw(campaign: Campaign) -> Figure:
    table = campaign.position.dropna(subset=["joules"])
    fig = style.figure(7.2, 3.6)
    axes = fig.subplots()
    if table.empty:
        style.empty(axes, "no baseline output is long enough")
        return fig
    table = table.assign(each=table.joules / table.tokens)
    for number, ((model, workload), group) in enumerate(table.groupby(["model", "workload"])):
        bins = group.groupby("position").each.agg(["mean", "sem", "size"]).reset_index()
        bins = bins[bins["size"] > 1] if (bins["size"] > 1).any() else bins
        middle = bins.position + table.tokens.iloc[0] / 2
        axes.errorbar(
            middle,
            bins["mean"],
            yerr=1.96 * np.nan_to_num(bins["sem"]),
            capsize=2,
            lw=1,
            marker=MARKERS[number % 5],
            ms=4,
            color=COLOURS[number % 5],
            label=f"{style.title(model, workload)} ({group.generation.nunique()} outputs)",
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"position in the output [tokens] (means over {table.tokens.iloc[0]} tokens)")
    axes.set_ylabel("energy per decoded token [J/token]")
    fig.legend(loc="outside upper center", ncols=2)
    note = "Bars: 95 % of the mean over outputs that reach so far."
    style.foot(fig, campaign.generations, style.tasks_note(campaign.generations), note)
    return fig
