"""The study's tables beside these: ratios only, a panel a quantity, a line a model and workload."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases.drift import drift_note
from analysis.phases.footnotes import sample_sizes
from analysis.phases.published import BY_LAW

FIGURE = FigureSpec(
    title="Beside the paper",
    page="phases",
    order=80,
    category="Phases",
    tables=("published", "generations", "law"),
    caption="""\
Ratios of this campaign beside those of the study (arXiv 2602.05712). Its figures are transcribed
from public copies and not checked against the paper; its column of short answers does not add up by
its own formula. Joules of different GPUs are not compared. By the law: with intervals over the
lengths of the sweep, where a law was found.
""",
)

MARKS = [
    np.outer(10.0 ** np.arange(-6, 7), steps).ravel()
    for steps in ([1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7])
]


def draw(campaign: Campaign) -> Figure:
    table = campaign.published
    table = table if table.empty else table.dropna(subset=["ours", "theirs"])
    if table.empty:
        why = (
            "nothing can be compared: no model and workload of this campaign stands in the study's"
            " tables, or the meter resolved none of its ratios"
        )
        raise style.NothingToShowError(why)
    quantities = list(dict.fromkeys(table.quantity))
    ladder = style.ladder(list(zip(table.model, table.workload, strict=True)), 30)
    fig = style.figure(max(style.WIDTH, 3.2 + 2.5 * len(quantities)), 1.9 + 0.26 * ladder.bottom)
    panels = fig.subplots(1, len(quantities), squeeze=False, sharey=True)[0]
    for axes, quantity in zip(panels, quantities, strict=True):
        _panel(axes, table[table.quantity == quantity], ladder)
        axes.set_title(style.wrapped(quantity, 26), fontsize=9)
        axes.set_xlabel("ratio [1]")
    beside = table.set_index(["model", "workload"]).published_workload
    beside = beside[~beside.index.duplicated()]
    names = {
        key: key[1] if key[1].startswith(beside[key]) else f"{key[1]}\nbeside {beside[key]}"
        for key in ladder.rows
    }
    ladder.label(panels, names)
    style.legend(fig)
    notes = [
        "Published: the study (arXiv 2602.05712) on one NVIDIA A10, as public copies of its tables"
        " have it; not checked against the paper. Ratios only: joules of different GPUs are not"
        " compared.",
        "Grey lines join what is compared. Axes are logarithmic.",
    ]
    if table.low.notna().any():
        notes.append(f"Bars: intervals here, over {_samples(table)}; the study gives none.")
    if table.workload.str.endswith(BY_LAW).any():
        notes.append(
            "By the law: what the laws of a sweep make of the study's mean lengths of prompt and"
            " output, where a law was found."
        )
    generations = campaign.generations
    shown = generations[generations.model.isin(table.model)] if len(generations) else generations
    if len(shown):
        notes.insert(0, style.tasks_note(shown))
    style.footer(fig, shown if len(shown) else campaign.law, *notes, drift_note(table))
    return fig


def _samples(table: pd.DataFrame) -> str:
    """What the intervals rest on: each kind once."""
    bars = table[table.low.notna()]
    kinds = {by: part for by, part in bars.groupby(bars.workload.str.endswith(BY_LAW))}
    return " and ".join(sample_sizes(part) for part in kinds.values())


def _panel(axes: Axes, table: pd.DataFrame, ladder: style.Ladder) -> None:
    for row in table.itertuples():
        y = ladder.rows[(row.model, row.workload)]
        axes.hlines(y, row.ours, row.theirs, color=style.GREY, lw=1.3, zorder=1)
        axes.plot(
            row.theirs, y, "D", color=style.RED, mfc="white", ms=5, zorder=2, label="published"
        )
        by_law = row.workload.endswith(BY_LAW)
        axes.errorbar(
            row.ours,
            y,
            xerr=style.bars(row.ours, row.low, row.high),
            color=style.GREEN if by_law else style.BLUE,
            marker="s" if by_law else "o",
            ms=4.5,
            capsize=2,
            lw=1,
            ls="",
            zorder=3,
            label="by the law of a sweep here" if by_law else "measured here",
        )
    _scale(axes, table[["ours", "low", "high", "theirs"]].to_numpy(float).ravel())


def _scale(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis that holds all that is positive."""
    values = values[values > 0]
    low, high = values.min() / 1.15, values.max() * 1.15
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    # The coarsest marks of which three can be seen.
    for marks in MARKS:
        if ((marks > low) & (marks < high)).sum() >= 3:
            axes.xaxis.set_major_locator(FixedLocator(marks))
            break
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
