"""How much more a decoded token costs behind a longer prompt: a line a workload."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases import footnotes
from analysis.phases.drift import drift_note

FIGURE = FigureSpec(
    title="Amplification of the decoded token",
    page="phases",
    order=50,
    category="Phases",
    tables=("amplification",),
    caption="""\
How much more a decoded token costs than in the reference workload of the same model, rounds paired;
of one round there is no interval. The law is fitted to a sweep of prompt lengths alone; the study's
figure is of another GPU.
""",
)


def draw(campaign: Campaign) -> Figure:
    table = campaign.amplification
    if table.empty:
        why = "no model was measured on a second workload to compare with"
        raise style.NothingToShowError(why)
    table = table.dropna(subset=["value"])
    if table.empty:
        raise style.NothingToShowError("the meter resolved no decoded token of two workloads")
    table = table.assign(head=table.model + " over " + table.reference)
    ladder = style.ladder(list(zip(table["head"], table.workload, strict=True)), 44)
    fig = style.figure(9.2, 1.7 + 0.23 * ladder.bottom)
    axes = fig.subplots()
    for row in table.itertuples():
        _mark(axes, row, ladder.rows[(row.head, row.workload)])
    axes.axvline(0, color="black", lw=0.8, ls="--")
    names = {
        (row.head, row.workload): f"{row.workload} ({row.context:.0f} over"
        f" {row.reference_context:.0f} tokens of context)"
        for row in table.itertuples()
    }
    ladder.label([axes], names)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel("energy per decoded token over the reference's, minus 1 [%]")
    style.legend(fig)
    level = style.level(table)
    notes = [footnotes.interval_note(table, level)]
    if table.predicted.notna().any():
        notes.append(
            "Predicted: by the law that a sweep of prompt lengths gives for the model; bars:"
            f" {level} intervals over the lengths of the sweep."
        )
    if table.published.notna().any():
        notes.append(
            "Published: of the study (arXiv 2602.05712), on another GPU, as public copies of its"
            " tables have it."
        )
    style.footer(fig, table, *notes, drift_note(table))
    return fig


def _mark(axes: Axes, row, y: float) -> None:
    axes.errorbar(
        row.value,
        y,
        xerr=style.bars(row.value, row.low, row.high),
        color=style.BLUE,
        marker="o",
        ms=5,
        capsize=2.5,
        lw=1.2,
        ls="",
        label="measured",
    )
    marks = {"ls": "", "ms": 5.5, "mew": 1.3, "zorder": 3}
    if pd.notna(row.predicted):
        axes.errorbar(
            row.predicted,
            y + 0.2,
            xerr=style.bars(row.predicted, row.predicted_low, row.predicted_high),
            color=style.GREEN,
            marker="x",
            lw=1,
            label="predicted by the law",
            **marks,
        )
    if pd.notna(row.published):
        look = {"color": style.RED, "marker": "D", "label": "published", "mfc": "none"}
        axes.plot(row.published, y, **marks, **look)
    text = f"{row.value:+.1%}"
    text += (
        f" [{100 * row.low:+.1f}, {100 * row.high:+.1f}]" if pd.notna(row.low) else ", one round"
    )
    axes.text(1.02, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
