"""Ratios with their intervals, energy beside that above idle and time: one line a comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures.drawing import style
from analysis.runtimes.wording import ABOVE_IDLE, ENERGY, TIME, provider, reasons

METRICS = {ENERGY: "energy", ABOVE_IDLE: "energy above idle", TIME: "time"}
WIDTH = 9.6
# Marks of an axis of ratios, by how many times its end its start may be.
MARKS = {
    1.6: np.arange(1, 40) / 10,
    4.0: np.array([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.2, 1.5, 2, 3, 4]),
    150.0: np.outer([0.01, 0.1, 1, 10, 100], [1, 2, 5]).ravel(),
    np.inf: 10.0 ** np.arange(-6, 7),
}
LINE = ["model", "batch", "name"]
NO_RATIO = "no energy is clearly above zero"
# An interval may reach so many times beyond the ratios: those of two rounds would leave no scale.
BEYOND = 2.0


def refuse_empty(comparisons: pd.DataFrame) -> None:
    """Refuses comparisons of which none has a ratio.

    Raises:
        NothingToShowError: With their reasons, each once.
    """
    if comparisons.ratio.isna().all():
        why = "; ".join(reasons(comparisons.to_dict("records")))
        raise style.NothingToShowError(f"nothing could be compared: {why}" if why else NO_RATIO)


def draw(
    comparisons: pd.DataFrame,
    name: Callable[[pd.Series], str],
    title: str,
    systems: pd.DataFrame,
) -> Figure:
    """The comparisons, grouped by model and batch; several of one name share a line. A metric of
    which none has a ratio has no panel.

    Args:
        name: What a comparison is called at the axis.
        title: What the ratio is.
        systems: Who was measured.

    Raises:
        NothingToShowError: None has a ratio.
    """
    refuse_empty(comparisons)
    known = comparisons[comparisons.ratio.notna()]
    metrics = {metric: word for metric, word in METRICS.items() if (known.metric == metric).any()}
    common = reasons(comparisons[comparisons.metric.isin(list(metrics))].to_dict("records"))
    table = comparisons.assign(
        name=[name(row) for _, row in comparisons.iterrows()],
        providers=[_providers(row) for _, row in comparisons.iterrows()],
    )
    # What has no ratio at all has no line: the list under the figure says why.
    table = table[table.groupby(LINE).ratio.transform("count") > 0]
    heads, places, at = {}, {}, 0.0
    for key, group in table.groupby(["model", "batch"], sort=False):
        heads[key] = at
        for line in group.name.unique():
            at += 1
            places[(*key, line)] = at
        at += 1.3
    fig = style.figure(WIDTH, 2.0 + 0.24 * at)
    panels = fig.subplots(1, len(metrics), sharex=True, sharey=True, squeeze=False)[0]
    _scale(panels[0], table)
    for axes, (metric, word) in zip(panels, metrics.items(), strict=True):
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
    for metric, word in METRICS.items():
        if metric not in metrics:
            rows = comparisons[comparisons.metric == metric].to_dict("records")
            why = [each for each in reasons(rows) if each not in common]
            note += f"\nNo panel of {word}: {'; '.join(why) or NO_RATIO}."
    if common:
        note += f"\nNot compared:\n{style.lines(common, 165, 8)}"
    shown = comparisons[(comparisons.reason == "") & (comparisons.meter != "")]
    style.footer(fig, shown, note, style.engines(systems))
    return fig


def _panel(axes: Axes, table: pd.DataFrame, places: dict[tuple, float], those: list[str]) -> None:
    axes.axvline(1, color="black", lw=0.9, ls="--")
    for key, line in table.groupby(LINE, sort=False):
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
            look = style.marker_style(number)
            spread = min(0.22, 0.66 / len(those)) * (number - (len(those) - 1) / 2)
            told_apart = row.p_holm < 1 - row.confidence
            axes.errorbar(
                row.ratio,
                places[key] + spread,
                xerr=style.bars(row.ratio, row.ratio_low, row.ratio_high),
                mfc=look["color"] if told_apart else "white",
                **look,
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
