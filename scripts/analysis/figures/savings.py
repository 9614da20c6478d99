"""With against without suppression, checks included: one line a task."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.campaign import Campaign

LABELLED = 40


def draw(campaign: Campaign) -> Figure:
    pairs = campaign.pairs.dropna(subset=["total_j_baseline", "total_j_suppressed"])
    groups = list(pairs.groupby(["model", "workload"], sort=False))
    tallest = max((group.task.nunique() for _, group in groups), default=1)
    fig = style.figure(7.2, min(2.0 + 0.22 * tallest, 14))
    if not groups:
        style.empty(fig.subplots(), "no task was measured both with and without suppression")
        return fig
    panels = fig.subplots(1, len(groups), squeeze=False)[0]
    for axes, (key, group) in zip(panels, groups, strict=True):
        _panel(axes, group)
        shares = campaign.savings.set_index(["model", "workload", "scope"])
        row = shares.loc[(*key, "all tasks")]
        axes.set_title(
            f"{style.title(*key)}\nsaved {row.saved_share:.1%}{_interval(row)} over these tasks,"
            " checks charged"
        )
    handles, labels = panels[-1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    style.foot(fig, campaign.generations, style.tasks_note(campaign.generations))
    return fig


def _interval(row) -> str:
    if pd.isna(row.saved_share_low):
        return ""
    return f" [{row.saved_share_low:.1%}, {row.saved_share_high:.1%}]"


def _panel(axes: Axes, pairs) -> None:
    numbers = ["total_j_baseline", "total_j_suppressed", "check_j_suppressed"]
    tasks = pairs.groupby("task")[numbers].mean().sort_values("total_j_baseline")
    passed = pairs.groupby("task").passed_suppressed.any()
    rows = np.arange(len(tasks))
    without, with_checks = tasks.total_j_baseline, tasks.total_j_suppressed
    axes.hlines(rows, with_checks, without, color=style.GREY, lw=1.5)
    axes.scatter(without, rows, color=style.ORANGE, marker="o", s=28, zorder=3, label="baseline")
    axes.scatter(
        with_checks,
        rows,
        color=style.BLUE,
        marker="D",
        s=24,
        zorder=3,
        label="suppressed, with its checks",
    )
    axes.scatter(
        tasks.check_j_suppressed, rows, color=style.RED, marker="x", s=18, label="of it, the checks"
    )
    if len(tasks) <= LABELLED:
        names = [f"{t} {'passes' if passed[t] else 'fails'}" for t in tasks.index]
        axes.set_yticks(rows, names)
    else:
        axes.set_yticks([])
        axes.set_ylabel("tasks")
    axes.set_xlim(left=0)
    axes.set_xlabel("energy of the generation [J]")
