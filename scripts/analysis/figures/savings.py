"""With against without suppression, checks included: each task, or means where they are many."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases import footnotes
from analysis.phases.drift import drift_note

FIGURE = FigureSpec(
    title="With against without suppression",
    page="phases",
    order=100,
    category="Babbling",
    tables=("pairs", "savings", "generations"),
    caption="""\
Energy of each task with and without suppression; of many models and workloads, means. Both are of
one process, so one round has an interval, over its prompts. Pairs of which the meter does not resolve
one side are left out. Stopping on the tests that also score is selection: it can add passes, and the
report says how many. Tasks chosen by their outcome give no pass@1.
""",  # noqa: E501
)

NUMBERS = ["total_j_baseline", "total_j_suppressed", "check_j_suppressed"]


def draw(campaign: Campaign) -> Figure:
    pairs = campaign.pairs
    if pairs.empty:
        why = "no task was measured both with and without suppression"
        raise style.NothingToShowError(why)
    pairs = pairs[pairs.resolved].dropna(subset=["total_j_baseline", "total_j_suppressed"])
    if pairs.empty:
        raise style.NothingToShowError("the meter resolved no pair of outputs of a task")
    shares = campaign.savings.set_index(["model", "workload", "scope"])
    groups = list(pairs.groupby(["model", "workload"], sort=False))
    if len(groups) <= style.FEW:
        fig, grid = style.task_panels([group.task.nunique() for _, group in groups], 0.2)
        for axes, (key, group) in zip(grid, groups, strict=True):
            _tasks(axes, group)
            row = shares.loc[(*key, "all tasks")]
            saving = (
                f"saved {row.saved_share:.1%}{_interval(row)} over these tasks, checks charged"
                f" ({footnotes.sample_size(row)})"
            )
            title = f"{style.wrapped(style.title(*key), 54)}\n{style.wrapped(saving, 54)}"
            axes.set_title(title, fontsize=9)
    else:
        models = list(pairs.groupby("model", sort=False))
        heights = [0.6 + 0.36 * group.workload.nunique() for _, group in models]
        fig, grid = style.panels(heights, 1.3)
        for axes, (model, group) in zip(grid, models, strict=True):
            _means(axes, group, shares.loc[model])
            axes.set_title(style.wrapped(model, 50))
    for axes in grid[-2:]:
        axes.set_xlabel("energy of the generation [J]")
    style.legend(fig)
    note = "" if len(groups) <= style.FEW else "Means over tasks; saved: checks are charged."
    left = int(campaign.savings[campaign.savings.scope == "all tasks"].unresolved.sum())
    if left:
        note += f" {left} pairs are left out: the meter does not resolve both of their outputs."
    chosen = style.tasks_note(campaign.generations)
    style.footer(fig, campaign.generations, chosen, note.strip(), drift_note(campaign.savings))
    return fig


def _interval(row) -> str:
    if pd.isna(row.saved_share_low):
        return ""
    return f" [{row.saved_share_low:.1%}, {row.saved_share_high:.1%}]"


def _draw_pairs(axes: Axes, rows, table: pd.DataFrame) -> None:
    without, with_checks = table.total_j_baseline, table.total_j_suppressed
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
    checks = table.check_j_suppressed
    axes.scatter(checks, rows, color=style.RED, marker="x", s=18, label="of it, the checks")


def _tasks(axes: Axes, pairs: pd.DataFrame) -> None:
    columns = [*NUMBERS, "similarity_suppressed"]
    tasks = pairs.groupby("task")[columns].mean().sort_values("total_j_baseline")
    passed = pairs.groupby("task").passed_suppressed.agg(lambda each: each.any(skipna=True))
    known = pairs.groupby("task").passed_suppressed.count() > 0
    rows = np.arange(len(tasks))
    _draw_pairs(axes, rows, tasks)
    if style.labelled(axes, len(tasks)):
        names = [
            f"{task} {style.verdict(passed[task] if known[task] else pd.NA, similarity)}"
            for task, similarity in tasks.similarity_suppressed.items()
        ]
        axes.set_yticks(rows, names, fontsize=8)
    else:
        axes.set_yticks([])
        axes.set_ylabel("tasks")
    axes.set_xlim(left=0)


def _means(axes: Axes, pairs: pd.DataFrame, shares: pd.DataFrame) -> None:
    groups = pairs.groupby(["workload", "task"], sort=False)[NUMBERS].mean()
    means = groups.groupby("workload", sort=False).mean()
    rows = np.arange(len(means))
    _draw_pairs(axes, rows, means)
    for row, (workload, mean) in zip(rows, means.iterrows(), strict=True):
        share = shares.loc[(workload, "all tasks")]
        text = f"   saved {share.saved_share:.0%}"
        if pd.notna(share.saved_share_low):
            text += f" [{share.saved_share_low:.0%}, {share.saved_share_high:.0%}]"
        reach = max(mean.total_j_baseline, mean.total_j_suppressed)
        axes.text(reach, row, text, va="center", fontsize=7.5)
    axes.set_yticks(rows, means.index, fontsize=8)
    axes.set_ylim(len(means) - 0.4, -0.6)
    axes.set_xlim(0, 1.55 * means[["total_j_baseline", "total_j_suppressed"]].to_numpy().max())
