"""Ratios with their intervals, energy beside that above idle and time: one line a comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures import style
from analysis.runtimes.words import ABOVE_IDLE, ENERGY, TIME, provider

METRICS = {ENERGY: "energy", ABOVE_IDLE: "energy above idle", TIME: "time"}
WIDTH = 9.6
# Marks of an axis of ratios, by how many times its end its start may be.
MARKS = {
    1.6: np.arange(1, 40) / 10,
    4.0: np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.2, 1.5, 2, 3, 4]),
    50.0: np.outer([0.01, 0.1, 1, 10, 100], [1, 2, 5]).ravel(),
    np.inf: 10.0 ** np.arange(-6, 7),
}
# An interval may reach so many times beyond the ratios: those of two rounds would leave no scale.
BEYOND = 2.0


def draw(comparisons: pd.DataFrame, name: Callable[[pd.Series], str], title: str) -> Figure:
    """The comparisons, grouped by model and batch; several of one name share a line.

    Args:
        name: What a comparison is called at the axis.
        title: What the ratio is.
    """
    reasons = list(filter(None, comparisons.reason.unique()))
    if (comparisons.reason != "").all():
        fig = style.figure(7.2, 3)
        why = style.lines(reasons, 95, 10)
        style.empty(fig.subplots(), f"nothing could be compared\n\n{why}")
        return fig
    table = comparisons.assign(
        name=[name(row) for _, row in comparisons.iterrows()],
        providers=[_providers(row) for _, row in comparisons.iterrows()],
    )
    heads, places, at = {}, {}, 0.0
    for key, group in table.groupby(["model", "batch"], sort=False):
        heads[key] = at
        for line in group.name.unique():
            at += 1
            places[(*key, line)] = at
        at += 1.3
    fig = style.figure(WIDTH, 2.0 + 0.24 * at)
    panels = fig.subplots(1, len(METRICS), sharex=True, sharey=True)
    _scale(panels[0], table)
    for axes, (metric, word) in zip(panels, METRICS.items(), strict=True):
        _panel(axes, table[table.metric == metric], places, list(table.providers.unique()))
        axes.set_xlabel(f"{word}:\n{title} [ratio]")
        for y in list(heads.values())[1:]:
            axes.axhline(y - 0.65, color="#dddddd", lw=0.8)
    for (model, batch), y in heads.items():
        style.head(panels[0], f"{model}, batch {batch}", y)
    panels[0].set_yticks(list(places.values()), [line for _, _, line in places], fontsize=8)
    panels[0].set_ylim(at - 0.6, -0.7)
    handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
    note = (
        f"Ratios of means over the rounds that both have; bars: {style.level(comparisons)}"
        " Student's intervals, paired by round; they may go on beyond the axis. Left of 1 is less."
        " Hollow: not told apart after Holm, or one round, which has no interval."
    )
    if reasons:
        note += f"\nNot compared:\n{style.lines(reasons, 165, 8)}"
    shown = comparisons[(comparisons.reason == "") & (comparisons.meter != "")]
    style.foot(fig, shown, note)
    return fig


def _panel(axes: Axes, table: pd.DataFrame, places: dict[tuple, float], those: list[str]) -> None:
    axes.axvline(1, color="black", lw=0.9, ls="--")
    for key, line in table.groupby(["model", "batch", "name"], sort=False):
        # Where one of several could not be compared, the list under the figure says so.
        if line.ratio.isna().all():
            compared = (line.reason == "").any()
            axes.annotate(
                "no ratio: near zero" if compared else "not compared",
                (0.02, places[key]),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=7,
                color="#777777",
            )
        for row in line[line.ratio.notna()].itertuples():
            number = those.index(row.providers)
            spread = 0.22 * (number - (len(those) - 1) / 2)
            told = row.p_holm < 1 - row.confidence
            axes.errorbar(
                row.ratio,
                places[key] + spread,
                xerr=style.bars(row.ratio, row.ratio_low, row.ratio_high),
                color=style.COLOURS[number],
                marker=style.MARKERS[number],
                mfc=style.COLOURS[number] if told else "white",
                ms=4.5,
                capsize=2,
                lw=1.1,
                ls="",
                label=row.providers,
            )
    axes.grid(axis="x", color="#eeeeee", lw=0.7)
    axes.set_axisbelow(True)


def _scale(axes: Axes, table: pd.DataFrame) -> None:
    """A logarithmic axis that holds all ratios, 1, and of the intervals what is near: half as much
    is as far as twice."""
    ratios = np.append(table.ratio.dropna(), [0.95, 1.05])
    edges = np.append(table[["ratio_low", "ratio_high"]].to_numpy().ravel(), ratios)
    edges = edges[~np.isnan(edges)]
    low = max(edges.min(), ratios.min() / BEYOND) / 1.06
    high = min(edges.max(), ratios.max() * BEYOND) * 1.06
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    marks = next(marks for span, marks in MARKS.items() if high / low <= span)
    axes.xaxis.set_major_locator(FixedLocator(marks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _providers(row: pd.Series) -> str:
    first, second = provider(row["first_provider"]), provider(row["second_provider"])
    return f"on {first}" if first == second else f"{first} against {second}"
