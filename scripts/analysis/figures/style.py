"""How the figures look: colours that the colour-blind tell apart, hatches that print in grey."""

from __future__ import annotations

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


def foot(fig: Figure, generations: pd.DataFrame, note: str = "", energy: bool = True) -> None:
    """What a reader must know of the generations shown: the meter, whether it is one, and
    whether the tasks were chosen by hand."""
    lines = []
    if energy:
        lines.append("Meter: " + "; ".join(dict.fromkeys(generations.meter)))
    if energy and generations.estimate.any():
        lines.append("ESTIMATE: no energy meter was read. Compare within this figure only.")
    if generations.chosen.any():
        lines.append(f"{chosen(generations)}: no pass@1, not the whole benchmark.")
    if note:
        lines.append(note)
    fig.supxlabel("\n".join(lines), fontsize=7.5, color="#444444", x=0.01, ha="left")


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
