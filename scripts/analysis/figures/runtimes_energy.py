"""Energy of an inference by domain: for each model and batch, every runtime."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.campaign import Campaign
from analysis.raw import TOTAL
from analysis.runtimes.order import rank
from analysis.runtimes.words import exclusions, provider

ENERGY, ABOVE_IDLE = "energy per inference", "energy per inference above idle"


def draw(campaign: Campaign) -> Figure:
    cells = campaign.runtimes
    cells = cells[cells.metric.isin([ENERGY, ABOVE_IDLE])]
    excluded = campaign.excluded
    if cells.empty:
        return _nothing(excluded)
    models, batches = list(cells.model.unique()), sorted(cells.batch.unique())
    rows = {model: _rows(model, cells, excluded) for model in models}
    several = len({where for names in rows.values() for _, where in names}) > 1
    counts = [len(rows[model]) for model in models]
    fig = style.figure(3.2 + 2.4 * len(batches), 0.9 + sum(0.65 + 0.26 * n for n in counts))
    panels = fig.subplots(
        len(models), len(batches), squeeze=False, sharey="row", height_ratios=np.add(counts, 1.5)
    )
    for model, line in zip(models, panels, strict=True):
        for batch, axes in zip(batches, line, strict=True):
            part = cells[(cells.model == model) & (cells.batch == batch)]
            _panel(axes, part, excluded[excluded.model == model], rows[model])
            axes.set_title(f"{model}, batch {batch}")
        names = [
            f"{title}, {provider(where)}" if several else title for title, where in rows[model]
        ]
        line[0].set_yticks(range(len(names)), names)
        line[0].set_ylim(len(names) - 0.4, -0.6)
    for axes in panels[-1]:
        axes.set_xlabel("energy per inference [J]")
    handles = {h.get_label(): h for axes in fig.axes for h in axes.get_legend_handles_labels()[0]}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    level = style.level(cells)
    note = f"Means over windows; bars: {level} hierarchical bootstrap intervals of the sum."
    style.foot(fig, cells[cells.domain == TOTAL], note)
    return fig


def _nothing(excluded: pd.DataFrame) -> Figure:
    fig = style.figure(7.2, 3)
    why = style.lines(exclusions(excluded), 100, 12)
    style.empty(fig.subplots(), f"no inference was measured\n\n{why}")
    return fig


def _rows(model: str, cells: pd.DataFrame, excluded: pd.DataFrame) -> list[tuple[str, str]]:
    """(runtime, provider) of a model, also of those that were excluded."""
    whole = excluded[excluded.batch.isna() & (excluded.stage != "absent")]
    both = [table[table.model == model] for table in (cells, whole)]
    names = {pair for table in both for pair in zip(table.runtime, table.provider, strict=True)}
    return sorted(names, key=lambda name: rank(name[0], " from " in name[0], name[1]))


def _panel(
    axes: Axes, cells: pd.DataFrame, excluded: pd.DataFrame, rows: list[tuple[str, str]]
) -> None:
    for row, (runtime, where) in enumerate(rows):
        cell = cells[(cells.runtime == runtime) & (cells.provider == where)]
        energy = cell[cell.metric == ENERGY].set_index("domain")
        if energy.empty or pd.isna(energy["mean"][TOTAL]):
            out = excluded[(excluded.runtime == runtime) & (excluded.provider == where)]
            stage = out.stage.iloc[0] if len(out) else "no energy"
            said = {"metering": "not covered by the meter", "not measured": "not measured"}
            words = said.get(stage, f"excluded: {stage}")
            axes.text(0, row, f" {words}", va="center", fontsize=7, color="#555555")
            continue
        left = 0.0
        for name in energy.sums[TOTAL].split(" + "):
            width = energy["mean"][name]
            axes.barh(row, width, left=left, height=0.7, edgecolor="white", **style.domain(name))
            left += width
        total = energy.loc[TOTAL]
        reach = total["mean"]
        if pd.notna(total.mean_low):
            reach = total.mean_high
            xerr = [[total["mean"] - total.mean_low], [total.mean_high - total["mean"]]]
            axes.errorbar(total["mean"], row, xerr=xerr, color="black", capsize=2, lw=0.9)
        axes.text(reach, row, f" {total['mean']:.3g}", va="center", fontsize=7)
        above = cell[(cell.metric == ABOVE_IDLE) & (cell.domain == TOTAL)]
        # An estimate knows nothing of idle power: nothing can stand above it.
        if not total.estimate and above["mean"].notna().any():
            axes.plot(
                above["mean"],
                [row],
                marker="|",
                ms=9,
                mew=2.2,
                ls="",
                color="black",
                label="above idle",
            )
    axes.margins(x=0.18)
    axes.set_xlim(left=0)
