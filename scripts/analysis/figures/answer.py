"""Tokens before and after the answer: each task of the baseline, or means where they are many."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign

FIGURE = FigureSpec(
    title="Tokens before and after the answer",
    page="phases",
    order=90,
    category="Babbling",
    tables=("generations",),
    caption="""\
Output tokens before and after the answer, without suppression. The answer ends where the output
first passes the task's tests; where it never does, at the end of the target function. A next line
ends with its line. Of many models and workloads the figure shows means.
""",
)


def draw(campaign: Campaign) -> Figure:
    baseline = _scored(campaign.generations)
    if baseline.empty:
        raise style.NothingToShowError("no baseline output was judged")
    groups = list(baseline.groupby(["model", "workload"], sort=False))
    few = len(groups) <= style.FEW
    if few:
        fig, grid = style.task_panels([len(group) for _, group in groups])
        for axes, (key, group) in zip(grid, groups, strict=True):
            _tasks(axes, group)
            axes.set_title(style.wrapped(style.title(*key), 55))
    else:
        models = list(baseline.groupby("model", sort=False))
        heights = [0.6 + 0.32 * group.workload.nunique() for _, group in models]
        fig, grid = style.panels(heights, 1.5)
        for axes, (model, group) in zip(grid, models, strict=True):
            _means(axes, group)
            axes.set_title(style.wrapped(model, 50))
    for axes in grid[-2:]:
        axes.set_xlabel("output [tokens]" if few else "output [tokens] (means over tasks)")
    style.legend(fig)
    note = (
        "The answer ends where the output first passes the tests; where it never does, at the end"
        " of the target function. A next line ends with its line."
    )
    style.footer(fig, baseline, style.tasks_note(baseline), note, energy=False)
    return fig


def _scored(generations: pd.DataFrame) -> pd.DataFrame:
    """The baseline's first repetitions that have a verdict, with its `score` and the `babble`."""
    if generations.empty:
        return generations
    table = generations[(generations.condition == "baseline") & (generations.repetition == 0)]
    table = table[table.passed.notna() | table.similarity.notna()]
    return table.assign(
        # Where a line never ended, all of the output is the answer.
        babble=table.babble_tokens.astype("Float64").fillna(0).astype(float),
        score=table.passed.astype("Float64").fillna(table.similarity).astype(float),
    )


def _bars(axes: Axes, rows, before, after) -> None:
    # White edges would hide the bars where they are many.
    many = len(rows) > style.LABELLED
    look = {"height": 1, "lw": 0} if many else {"edgecolor": "white"}
    axes.barh(rows, before, color=style.BLUE, label="up to the answer", **look)
    look |= {"label": "after the answer (babbling)", "hatch": "" if many else "///"}
    axes.barh(rows, after, left=before, color=style.ORANGE, **look)


def _tasks(axes: Axes, group: pd.DataFrame) -> None:
    group = group.sort_values(["score", "output_tokens"], kind="stable")
    rows = range(len(group))
    _bars(axes, rows, group.output_tokens - group.babble, group.babble)
    judged = group.passed.notna().all()
    if style.labelled(axes, len(group)):
        marks = [style.verdict(row.passed, row.similarity) for row in group.itertuples()]
        names = [f"{t} {m}" for t, m in zip(group.task, marks, strict=True)]
        axes.set_yticks(rows, names, fontsize=8)
        return
    axes.set_yticks([])
    if judged:
        axes.set_ylabel("tasks: failing below,\npassing above")
        axes.axhline((group.score == 0).sum() - 0.5, color="black", lw=0.8)
    else:
        axes.set_ylabel("tasks, the most\nsimilar above")


def _means(axes: Axes, table: pd.DataFrame) -> None:
    groups = list(table.groupby("workload", sort=False))
    output = [group.output_tokens.mean() for _, group in groups]
    after = [group.babble.mean() for _, group in groups]
    rows = range(len(groups))
    _bars(axes, rows, [o - a for o, a in zip(output, after, strict=True)], after)
    for row, (_, group) in zip(rows, groups, strict=True):
        if group.passed.notna().all():
            verdict = f"{int(group.passed.sum())} of {len(group)} pass"
        else:
            verdict = f"similarity {group.similarity.mean():.2f}"
        words = f"  {output[row]:.0f} tokens; {verdict}"
        axes.text(output[row], row, words, va="center", fontsize=7.5)
    axes.set_yticks(rows, [workload for workload, _ in groups], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.7 * max(output))
