"""How far the runtimes compute the same: errors of each checked pair against the tolerance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.accounts import DEVICE
from analysis.runtimes.wording import provider

FIGURE = FigureSpec(
    title="Do they compute the same?",
    page="runtimes",
    order=60,
    category="Runtimes",
    tables=("parity", "runtimes", "systems"),
    caption="""\
How far outputs differ, relative to the largest output, for two batch sizes each. What is right of
the tolerance was not measured.
""",
)

# An error of exactly zero has no place on a logarithmic axis: it stands at the left, and says so.
LEAST = 1e-9


def draw(campaign: Campaign) -> Figure:
    parity = campaign.parity
    if parity.empty:
        raise style.NothingToShowError("no pair was checked")
    heads, places, at = {}, {}, 0.0
    for model, group in parity.groupby("model", sort=False):
        heads[model] = at
        for index in group.index:
            at += 1
            places[index] = at
        at += 1.3
    fig = style.figure(7.2, 1.6 + 0.19 * max(at, 6))
    axes = fig.subplots()
    _panel(axes, parity, places)
    names = [_name(check) for check in parity.itertuples()]
    axes.set_yticks(list(heads.values()) + [places[index] for index in parity.index])
    axes.set_yticklabels([*heads, *names], fontsize=7.5)
    for mark in axes.yaxis.get_major_ticks()[: len(heads)]:
        mark.tick1line.set_visible(False)
        mark.label1.set_fontweight("bold")
    axes.set_ylim(at - 0.6, -0.7)
    fig.legend(loc="outside upper center", ncols=3)
    style.footer(fig, campaign.runtimes, style.engines(campaign.systems), energy=False)
    return fig


def _panel(axes: Axes, parity: pd.DataFrame, places: dict[int, float]) -> None:
    rows = np.array([places[index] for index in parity.index])
    colours = np.where(parity.passed, style.BLUE, style.RED)
    for column, batch, marker, filled in (
        ("first_batch_error", "first_batch", "o", True),
        ("last_batch_error", "last_batch", "s", False),
    ):
        known = parity[column].notna().to_numpy()
        sizes = ", ".join(map(str, sorted(parity[batch].dropna().unique())))
        axes.scatter(
            np.maximum(parity[column][known], LEAST),
            rows[known],
            marker=marker,
            s=24,
            edgecolors=colours[known],
            facecolors=colours[known] if filled else "none",
            zorder=3,
        )
        if known.any():
            face = style.BLUE if filled else "none"
            look = {"marker": marker, "s": 24, "edgecolors": style.BLUE, "facecolors": face}
            axes.scatter([], [], **look, label=f"batch {sizes}")
    axes.scatter(parity.tolerance, rows, marker="|", s=90, color="black", lw=1.6, label="tolerance")
    axes.set_xscale("log")
    least, most = axes.get_xlim()
    for row, check in zip(rows, parity.itertuples(), strict=True):
        if words := _annotation(check):
            at = np.nanmax([check.tolerance, check.first_batch_error, check.last_batch_error])
            axes.annotate(
                words,
                (at, row),
                xytext=(8, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color="#444444" if check.passed else style.RED,
            )
    axes.set_xlim(least, most * 100)
    axes.grid(axis="x", color="#eeeeee", lw=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("relative error of the output [1]")


def _name(check) -> str:
    if check.pair == DEVICE:
        return f"{check.subject}, as measured on {provider(check.provider)} / {check.against}"
    return f"{check.subject} / {check.against}"


def _annotation(check) -> str:
    if check.passed:
        return "identical" if check.worst_error == 0 else ""
    return "FAILED" if pd.notna(check.worst_error) else "FAILED: nothing to compare"
