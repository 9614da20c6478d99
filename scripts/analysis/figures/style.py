"""How the figures look: colours that the colour-blind tell apart, hatches that print in grey."""

from __future__ import annotations

import textwrap

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
PHASES = {
    "prefill": {"color": ORANGE, "hatch": "//"},
    "decoding": {"color": BLUE, "hatch": ""},
    "checking": {"color": RED, "hatch": "xx"},
}
matplotlib.rcParams.update(
    {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "figure.titlesize": 11,
        "hatch.linewidth": 0.6,
        "legend.frameon": False,
    }
)


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def foot(fig: Figure, shown: pd.DataFrame, *notes: str, energy: bool = True) -> None:
    """What a reader must know of what is shown: its meters and whether they are any, and notes.

    Args:
        shown: Has the columns `meter` and `estimate`.
        energy: Whether the figure shows any.
    """
    lines = []
    if energy and len(shown):
        lines.append("Meter: " + "; ".join(dict.fromkeys(shown.meter)))
    if energy and shown.estimate.any():
        what = "no energy meter was read" if shown.estimate.all() else "where the meter says so"
        lines.append(f"ESTIMATE: {what}. Compare within this figure only.")
    lines += [note for note in notes if note]
    fig.supxlabel("\n".join(lines), fontsize=7.5, color="#444444", x=0.01, ha="left")


def tasks_note(generations: pd.DataFrame) -> str:
    """Whether the tasks of the generations were chosen by hand; empty where they are all."""
    if not generations.chosen.any():
        return ""
    return f"{chosen(generations)}: no pass@1, not the whole benchmark."


def chosen(generations: pd.DataFrame) -> str:
    """How the tasks were chosen, as far as the configuration says."""
    how = " and ".join(generations.chosen_by.dropna().unique()) or "hand, perhaps by outcome"
    return f"{generations.task.nunique()} tasks chosen by {how}"


def empty(axes: Axes, why: str) -> None:
    """Says in words why there is nothing to draw."""
    axes.axis("off")
    axes.text(0.5, 0.5, why, ha="center", va="center", wrap=True, transform=axes.transAxes)


def title(model: str, workload: str) -> str:
    return f"{model}, {workload}"


DOMAINS = {
    "gpu": {"color": BLUE, "hatch": "", "label": "GPU"},
    "cpu:package": {"color": ORANGE, "hatch": "//", "label": "CPU package"},
    "cpu:dram": {"color": GREEN, "hatch": "..", "label": "memory"},
    "cpu:estimate": {
        "color": GREY,
        "hatch": "//",
        "label": "CPU, ESTIMATE (utilisation x rated power)",
    },
}
MARKERS = "osD^vP"
COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")


def domain(name: str) -> dict[str, str]:
    """How a domain is drawn: all GPUs alike, all packages alike."""
    return next(
        (how for start, how in DOMAINS.items() if name.startswith(start)),
        {"color": RED, "hatch": "\\\\", "label": name},
    )


def lines(text: list[str], width: int, most: int) -> str:
    """Texts as a list under a figure: wrapped, and no more lines than fit."""
    wrapped = [
        line
        for each in text
        for line in textwrap.wrap(each, width, initial_indent="· ", subsequent_indent="  ")
    ]
    if len(wrapped) > most:
        wrapped = [*wrapped[: most - 1], "· and more: see the report"]
    return "\n".join(wrapped)
