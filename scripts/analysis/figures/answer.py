"""Tokens before and after the answer, for each task of the baseline."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.campaign import Campaign

LABELLED = 40


def draw(campaign: Campaign) -> Figure:
    generations = campaign.generations
    baseline = generations[(generations.condition == "baseline") & (generations.repetition == 0)]
    baseline = baseline.dropna(subset=["passed"])
    groups = list(baseline.groupby(["model", "workload"], sort=False))
    tallest = max((len(group) for _, group in groups), default=1)
    fig = style.figure(7.2, min(1.8 + 0.22 * tallest, 14))
    if not groups:
        style.empty(fig.subplots(), "no baseline output was judged")
        return fig
    for axes, (key, group) in zip(
        fig.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
    ):
        group = group.sort_values(["passed", "output_tokens"], kind="stable")
        rows = range(len(group))
        before = group.output_tokens - group.babble_tokens
        axes.barh(rows, before, color=style.BLUE, edgecolor="white", label="up to the answer")
        axes.barh(
            rows,
            group.babble_tokens,
            left=before,
            color=style.ORANGE,
            hatch="///",
            edgecolor="white",
            label="after the answer (babbling)",
        )
        if len(group) <= LABELLED:
            marks = ["passes" if p else "fails" for p in group.passed]
            axes.set_yticks(rows, [f"{t} {m}" for t, m in zip(group.task, marks, strict=True)])
        else:
            axes.set_ylabel("tasks: failing below, passing above")
            axes.axhline((~group.passed).sum() - 0.5, color="black", lw=0.8)
            axes.set_yticks([])
        axes.set_xlabel("output [tokens]")
        axes.set_title(style.title(*key))
    handles, labels = axes.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=2)
    note = (
        "The answer ends where the output first passes the tests; where it never does, at the end"
        " of the target function."
    )
    style.foot(fig, baseline, style.tasks_note(baseline), note, energy=False)
    return fig
