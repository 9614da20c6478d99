"""Energy by phase: mean joules a generation, a panel a model, a bar a workload and condition."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases import footnotes
from analysis.phases.drift import drift_note

FIGURE = FigureSpec(
    title="Energy by phase",
    page="phases",
    order=20,
    category="Phases",
    tables=("summary", "generations"),
    caption="""\
Mean energy of a generation by phase. The prefill includes the first output token. Where the meter
does not resolve a prefill it is taken from many in a row, by repetition, and decoding is the rest.
Checks are charged to the suppressed condition. The bar is over rounds, each a process of its own, and
prompts; one round has none.
""",  # noqa: E501
)

PARTS = {"prefill": "prefill energy", "decoding": "decoding energy", "checking": "checking energy"}
# The room that a bar's words take, in inches.
WORDS = 1.5


def draw(campaign: Campaign) -> Figure:
    summary = campaign.summary
    if summary.empty:
        raise style.NothingToShowError("no output was generated: there are only probes of phases")
    if summary.value[summary.metric == "energy per generation"].isna().all():
        raise style.NothingToShowError("the meter resolved no generation")
    models = list(summary.groupby("model", sort=False))
    step = 0.32 if len(models) == 1 else 0.27
    heights = [0.7 + step * len(_bars(group)) for _, group in models]
    fig, grid = style.panels(heights, 1.3)
    for axes, (model, group) in zip(grid, models, strict=True):
        _panel(axes, group)
        axes.set_title(style.wrapped(model, 42))
    level = style.level(summary)
    for axes in grid[-2:]:
        axes.set_xlabel("energy per generation [J]")
    style.legend(fig)
    totals = summary[summary.metric == "energy per generation"]
    notes = [f"Means over rounds and tasks. {footnotes.interval_note(totals, level, 'Black bar')}"]
    if len(models) > 1:
        notes[0] += " The axes differ."
    if (summary.estimator == "repetition").any():
        notes.append(
            "By repetition: the meter does not resolve one prefill, so it is from many in a row;"
            " decoding is the rest of the total."
        )
    style.footer(
        fig,
        campaign.generations,
        style.tasks_note(campaign.generations),
        *notes,
        drift_note(summary),
    )
    return fig


def _bars(summary: pd.DataFrame) -> list[tuple[str, str]]:
    return list(dict.fromkeys(zip(summary.workload, summary.condition, strict=True)))


def _panel(axes: Axes, summary: pd.DataFrame) -> None:
    table = summary.set_index(["workload", "condition", "metric"])
    names, places, reaches, at, before = [], [], [], 0.0, None
    for workload, condition in _bars(summary):
        # The conditions of a workload stand together.
        at += 0.0 if before is None else 1.0 if workload == before else 1.35
        before = workload
        names.append(f"{workload}, {condition}")
        places.append(at)
        reaches.append(_bar(axes, at, table.loc[(workload, condition)]))
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(at + 0.6, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    # Behind the longest bar there is room for its words, whatever the panel's width.
    wide = axes.get_figure().get_figwidth() / (2 if len(axes.get_figure().axes) > 1 else 1)
    axes.set_xlim(0, (max(reaches) or 1) * (1 + WORDS / max(wide - WORDS - 1.6, 1)))


def _bar(axes: Axes, at: float, metrics: pd.DataFrame) -> float:
    """One bar and its words; returns how far it reaches."""
    whole = metrics.loc["energy per generation"]
    if pd.isna(whole.value):
        axes.text(0, at, "  not resolved by the meter", va="center", fontsize=7.5)
        return 0.0
    parts = {part: metrics.value.get(metric, float("nan")) for part, metric in PARTS.items()}
    repeated = metrics.estimator.get("prefill energy") == "repetition"
    if repeated and pd.notna(parts["prefill"]):
        # The parts of the attribution would add up to another sum.
        parts["decoding"] = whole.value - parts["prefill"] - parts["checking"]
    left = 0.0
    for part, value in parts.items():
        if pd.notna(value):
            look = {"height": 0.72, "edgecolor": "white", "label": part, **style.PHASES[part]}
            axes.barh(at, value, left=left, **look)
            left += value
    xerr = style.bars(whole.value, whole.low, whole.high)
    if xerr is not None:
        axes.errorbar(whole.value, at, xerr=xerr, color="black", capsize=2.5, lw=1)
    reach = whole.value if pd.isna(whole.high) else whole.high
    share = metrics.value.get("prefill share", float("nan"))
    text = "prefill not resolved" if pd.isna(share) else f"prefill {share:.1%}"
    if repeated and pd.notna(share):
        text += " by repetition"
    axes.text(reach, at, f"  {text}", va="center", fontsize=7.5)
    return reach
