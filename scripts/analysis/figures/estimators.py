"""Estimators of a phase beside each other: attribution, repetition, difference, pooling."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases import footnotes
from analysis.phases.drift import drift_note
from analysis.phases.estimators import ATTRIBUTION, DIFFERENCE, PHASES, POOLING, REPETITION

FIGURE = FigureSpec(
    title="Four estimators of a phase",
    page="phases",
    order=40,
    category="Phases",
    tables=("estimators",),
    caption="""\
Energy of a prefill and of a decoded token, estimated in four ways for each probed prompt, over the
headline: by attribution (whole generations, cut where the phase ends), by repetition (windows of
nothing but that phase), by difference (the whole less the other phase), and by pooling (what all
whole generations together say that each phase draws). Means over rounds; one round gives no interval.
""",  # noqa: E501
)

LOOKS = {
    ATTRIBUTION: {"color": style.BLUE, "marker": "o"},
    REPETITION: {"color": style.ORANGE, "marker": "s"},
    DIFFERENCE: {"color": style.GREEN, "marker": "D"},
    POOLING: {"color": style.PURPLE, "marker": "^"},
}
# Up to so many prompts each has a line of its own; beyond, those of a workload share one.
MANY = 44
# How far from the headline, in shares of it, the axis reaches at least and at most.
NEAR, FAR = 0.1, 1.0
KEYS = ["model", "workload", "task", "output_tokens"]


def draw(campaign: Campaign) -> Figure:
    table = campaign.estimators
    if table.empty or table.value.isna().all():
        why = "no phase was probed" if table.empty else "no probe was covered by the meter"
        raise style.NothingToShowError(why)
    table = table.sort_values(["prompt_tokens", "output_tokens"], kind="stable")
    order = list(dict.fromkeys(campaign.estimators.model))
    table = table.iloc[np.argsort(table.model.map(order.index), kind="stable")]
    each = len(table.drop_duplicates(KEYS)) <= MANY
    table = table.assign(
        head=table.model + ", " + table.workload if each else table.model,
        row=_prompt(table) if each else table.workload,
    )
    ladder = style.ladder(list(zip(table["head"], table.row, strict=True)))
    fig = style.figure(style.WIDE, 1.7 + 0.26 * ladder.bottom)
    panels = fig.subplots(1, 2, sharey=True)
    for axes, phase in zip(panels, PHASES, strict=True):
        _panel(axes, table[table.phase == phase], ladder)
        axes.set_title(f"energy of a {phase}")
        axes.set_xlabel("over the headline's [1]; its energy at the right")
    names = {key: _name(key, table, each) for key in ladder.rows}
    ladder.label(panels, names)
    style.legend(fig)
    level = style.level(table)
    notes = [
        f"{footnotes.interval_note(table, level)} Hollow: too short for the meter, not resolved."
        " Triangles at an edge: beyond it."
    ]
    if not each:
        notes.append("All probed prompts of a workload share its line.")
    style.footer(fig, table, *notes, drift_note(table))
    return fig


def _prompt(table: pd.DataFrame) -> pd.Series:
    tokens = table.prompt_tokens.astype(str) + " + " + table.output_tokens.astype(str)
    # A swept prompt is called by its length.
    named = table.task.where(~table.task.str.startswith("sweep/"), "")
    return (named + " (" + tokens + " tokens)").str.strip()


def _name(key: tuple[str, str], table: pd.DataFrame, each: bool) -> str:
    if each:
        return key[1].removeprefix("(").removesuffix(")") if key[1].startswith("(") else key[1]
    part = table[(table["head"] == key[0]) & (table.row == key[1])]
    prompts = len(part.drop_duplicates(KEYS))
    low, high = part.prompt_tokens.min(), part.prompt_tokens.max()
    tokens = f"{low}" if low == high else f"{low} to {high}"
    return f"{key[1]} ({prompts} of {tokens} tokens)"


def _panel(axes: Axes, table: pd.DataFrame, ladder: style.Ladder) -> None:
    axes.axvline(1, color="black", lw=0.8, ls="--")
    headline = table[table.headline].set_index(KEYS)["value"]
    over = headline.reindex(pd.MultiIndex.from_frame(table[KEYS])).to_numpy()
    table = table.assign(**{c: table[c] / over for c in ("value", "low", "high")}, joules=over)
    limit = _limit(table[table.resolved])
    alone = table.groupby(["head", "row"]).size().max() <= len(LOOKS)
    for key, line in table.groupby(["head", "row"], sort=False):
        y = ladder.rows[key]
        prompts = list(line.groupby(["task", "output_tokens"], sort=False))
        for number, (_, prompt) in enumerate(prompts):
            shift = 0.2 * (number - (len(prompts) - 1) / 2) / len(prompts)
            for row in prompt.itertuples():
                _mark(axes, row, y + shift, limit, 5 if alone else 3)
        known = line.joules.dropna()
        words = style.joules(known) if len(known) else "not resolved"
        axes.text(1.02, y, words, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(1 - 1.08 * limit, 1 + 1.08 * limit)


def _mark(axes: Axes, row, y: float, limit: float, size: float) -> None:
    if pd.isna(row.value):
        return
    look = LOOKS[row.estimator]
    y += 0.2 * (list(LOOKS).index(row.estimator) - (len(LOOKS) - 1) / 2)
    if abs(row.value - 1) > limit:
        edge, marker = (1 + limit, ">") if row.value > 1 else (1 - limit, "<")
        look = {**look, "marker": marker}
        axes.plot(edge, y, mfc="none", ls="", ms=size, **look)
        return
    axes.errorbar(
        row.value,
        y,
        xerr=style.bars(row.value, row.low, row.high),
        mfc=look["color"] if row.resolved else "none",
        ms=size,
        capsize=1.5,
        lw=0.9,
        ls="",
        label=row.estimator if row.resolved else f"{row.estimator}, not resolved",
        **look,
    )
    if row.headline:
        axes.plot(
            row.value, y, "o", mfc="none", mec="black", mew=0.9, ms=size + 4, label="headline"
        )


def _limit(resolved: pd.DataFrame) -> float:
    reach = (resolved[["value", "low", "high"]] - 1).abs().to_numpy().ravel()
    reach = reach[np.isfinite(reach)]
    return float(np.clip(1.1 * reach.max(initial=0), NEAR, FAR))
