"""Energy per decoded token along the output: a panel a model, a line a workload."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases.drift import drift_note

FIGURE = FigureSpec(
    title="Energy per token along the output",
    page="phases",
    order=30,
    category="Phases",
    tables=("position", "generations"),
    caption="""\
Energy per decoded token along the output, pooled over generations: the context grows, and with it
the work of each token.
""",
)


def draw(campaign: Campaign) -> Figure:
    table = campaign.position
    if table.empty:
        raise style.NothingToShowError("no baseline output is long enough")
    table = table[table.resolved].dropna(subset=["joules"])
    if table.empty:
        raise style.NothingToShowError("the meter resolved no part of an output")
    table = table.assign(each=table.joules / table.tokens)
    models = list(table.groupby("model", sort=False))
    looks = style.marker_styles(table.workload)
    fig, grid = style.panels([2.6 if len(models) == 1 else 2.1] * len(models), 1.2)
    for number, (axes, (model, group)) in enumerate(zip(grid, models, strict=True)):
        _panel(axes, group, looks)
        axes.set_title(style.wrapped(f"{model} ({_outputs(group)} outputs)", 55))
        if number % 2 == 0:
            axes.set_ylabel("energy per decoded\ntoken [J/token]")
    for axes in grid[-2:]:
        axes.set_xlabel(f"position in the output [tokens] (means over {table.tokens.iloc[0]})")
    style.legend(fig)
    note = "Means over outputs that reach so far."
    if len(models) > 1:
        note += " The axes differ."
    style.footer(
        fig, campaign.generations, style.tasks_note(campaign.generations), note, drift_note(table)
    )
    return fig


def _outputs(group: pd.DataFrame) -> int:
    return len(group[["session", "generation"]].drop_duplicates())


def _panel(axes: Axes, table: pd.DataFrame, looks: dict[str, dict[str, str]]) -> None:
    for workload, group in table.groupby("workload", sort=False):
        bins = group.groupby("position").each.agg(["mean", "size"]).reset_index()
        bins = bins[bins["size"] > 1] if (bins["size"] > 1).any() else bins
        axes.plot(
            bins.position + group.tokens.iloc[0] / 2,
            bins["mean"],
            lw=1,
            ms=4 if len(bins) < 30 else 2.5,
            label=workload,
            **looks[workload],
        )
    axes.set_ylim(bottom=0)
