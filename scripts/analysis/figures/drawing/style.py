"""How the figures look: colours that the colour-blind tell apart, hatches that print in grey."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.runtimes.systems import versions

matplotlib.use("Agg")

# Inches: a figure of one panel, and of two columns.
WIDTH, WIDE = 7.2, 10.5
# Up to so many models and workloads every task is shown; beyond, means.
FEW = 12
# Up to so many tasks of a panel have their names. Inches: the tallest figure, a panel without them.
LABELLED = 40
TALLEST, UNNAMED = 14.0, 2.2
# How the configuration calls tasks that nobody chose.
SAMPLE = "a random sample"
PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}

# Okabe and Ito's palette (https://jfly.uni-koeln.de/color/).
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
PURPLE = "#CC79A7"
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


class NothingToShowError(ValueError):
    """A figure that would be empty; the message is one line and says why."""


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def panels(heights: Sequence[float], extra: float = 1.2) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each height, in inches: one alone, several in two columns.

    Args:
        extra: What legend and footer take.
    """
    if len(heights) <= 1:
        fig = figure(WIDTH, extra + sum(heights))
        return fig, [fig.subplots()]
    rows = [max(heights[at : at + 2]) for at in range(0, len(heights), 2)]
    fig = figure(WIDE, extra + sum(rows))
    grid = fig.subplots(len(rows), 2, squeeze=False, height_ratios=rows).ravel()
    for axes in grid[len(heights) :]:
        axes.remove()
    return fig, list(grid[: len(heights)])


def task_panels(counts: Sequence[int], more: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Panels of a row a task; where they would be too tall, of a fixed height and without names.

    Args:
        more: Inches that a panel's title takes beyond its first line.
    """
    named = [0.8 + more + 0.2 * min(count, LABELLED) for count in counts]
    if sum(named) <= (1 if len(counts) == 1 else 2) * TALLEST:
        return panels(named)
    return panels([UNNAMED + more] * len(counts))


def labelled(axes: Axes, tasks: int) -> bool:
    """Whether each of so many tasks can have its name in the panel."""
    fig = axes.get_figure()
    rows = axes.get_gridspec().get_height_ratios()
    share = rows[axes.get_subplotspec().rowspan.start] / sum(rows)
    return tasks <= LABELLED and 0.15 * tasks <= share * fig.get_figheight() - 0.8


def verdict(passed, similarity) -> str:
    """How an output was judged, in a word or two."""
    if pd.notna(passed):
        return "passes" if passed else "fails"
    return "not judged" if pd.isna(similarity) else f"similarity {similarity:.2f}"


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Rows under heads, downwards: where each is.

    Attributes:
        heads: Of each head, in wrapped words.
        rows: By (head, row).
        bottom: Behind the last.
    """

    heads: dict[str, float]
    rows: dict[tuple[str, str], float]
    bottom: float

    def label(self, panels: Sequence[Axes], names: dict[tuple[str, str], str]) -> None:
        """Names the rows at the first of panels that share them, and parts the heads."""
        for axes in panels:
            for words, y in list(self.heads.items())[1:]:
                top = y - 0.4 * words.count("\n")
                axes.axhline(top - 0.7, color="#dddddd", lw=0.8)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", color="#eeeeee", lw=0.7)
            axes.set_axisbelow(True)
        for words, y in self.heads.items():
            head(panels[0], words, y)
        places = list(self.rows.values())
        panels[0].set_yticks(places, [names[key] for key in self.rows], fontsize=8)
        panels[0].set_ylim(self.bottom - 0.4, -0.8)


def ladder(keys: Sequence[tuple[str, str]], width: int = 34) -> Ladder:
    """Places for rows, given as (head, row) with the heads together."""
    heads, rows, at = {}, {}, 0.0
    for head in dict.fromkeys(head for head, _ in keys):
        words = wrapped(head, width)
        half = 0.4 * words.count("\n")
        heads[words] = at + half
        at += 2 * half
        for key in dict.fromkeys(key for key in keys if key[0] == head):
            at += 1
            rows[key] = at
        at += 1.35
    return Ladder(heads, rows, at - 0.35)


def legend(fig: Figure, **keywords) -> None:
    """One legend above all panels, each label once, in as many columns as fit."""
    found = {}
    for axes in fig.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        # A label's widest letters, its mark and the gap to the next, in inches.
        each = 0.08 * max(map(len, found)) + 0.8
        ncols = min(len(found), int(fig.get_figwidth() / each))
        fig.legend(
            found.values(), found.keys(), loc="outside upper center", ncols=ncols, **keywords
        )


def marker_style(number: int) -> dict[str, str]:
    """A colour and a marker; as pairs, different for 72 numbers."""
    count = len(COLOURS)
    marker = MARKERS[(number + number // count) % len(MARKERS)]
    return {"color": COLOURS[number % count], "marker": marker}


def marker_styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A look for each name, in order."""
    return {name: marker_style(number) for number, name in enumerate(dict.fromkeys(names))}


def bars(value, low, high) -> np.ndarray | None:
    """An interval as matplotlib wants it; None where there is none."""
    if pd.isna(low) or pd.isna(high):
        return None
    return np.maximum([[value - low], [high - value]], 0)


def si(value: float, unit: str) -> str:
    """A value with the prefix that makes it readable: 0.0041, J gives 4.1 mJ."""
    return si_interval(value, math.nan, math.nan, unit)


def _short(value: float) -> str:
    """Three significant digits, and all before the point."""
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def si_interval(value: float, low: float | None, high: float | None, unit: str) -> str:
    """The same with an interval, all under one prefix; without where there is none."""
    low, high = (math.nan if edge is None else edge for edge in (low, high))
    size = abs(value)
    exponent = 0
    if size > 0 and math.isfinite(size) and not 0.1 <= size < 1000:
        exponent = min(max(3 * math.floor(math.log10(size) / 3), -12), 9)
    shown = [_short(each / 10.0**exponent) for each in (value, low, high)]
    interval = "" if pd.isna(low) else f" [{shown[1]}, {shown[2]}]"
    return f"{shown[0]}{interval} {PREFIXES[exponent]}{unit}"


def footer(fig: Figure, shown: pd.DataFrame, *notes: str, energy: bool = True) -> None:
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
    lines += [line for note in notes for line in note.split("\n") if line]
    width = int(18 * fig.get_figwidth())
    lines = [textwrap.fill(line, width, subsequent_indent="  ") for line in lines]
    fig.supxlabel("\n".join(lines), fontsize=7.5, color="#444444", x=0.01, ha="left")


def engines(systems: pd.DataFrame) -> str:
    """The engines behind a figure, with the versions that ran."""
    text = versions(systems)
    return f"Engines: {text}." if text else ""


def tasks_note(generations: pd.DataFrame) -> str:
    """Whether the tasks of the generations were chosen by hand; empty where they are all."""
    if not generations.chosen.any():
        return ""
    return f"{selection(generations)}: no pass@1, not the whole benchmark."


def selection(generations: pd.DataFrame) -> str:
    """How the tasks were chosen, as far as the configuration says."""
    tasks = f"{generations.task.nunique()} tasks"
    how = " and ".join(generations.chosen_by.dropna().unique()) or "hand, perhaps by outcome"
    return f"{how} of {tasks}" if how == SAMPLE else f"{tasks} chosen by {how}"


def level(table: pd.DataFrame) -> str:
    """The level of a table's intervals, in words."""
    return f"{100 * table.confidence.iloc[0]:g} %"


def head(axes: Axes, words: str, y: float) -> None:
    """Heads the rows below a height, left of the axis."""
    axes.annotate(
        words,
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontweight="bold",
        fontsize=8,
    )


def title(model: str, workload: str) -> str:
    return f"{model}, {workload}"


def wrapped(text: str, width: int) -> str:
    """A text in lines of so many characters; names are not broken at their hyphens."""
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def joules(values: Sequence[float]) -> str:
    """Values as a range in words: 4.1 mJ, or 4.1 to 5.2 mJ."""
    low, high = min(values), max(values)
    if math.isclose(low, high, rel_tol=0.005):
        return si(high, "J")
    prefix = si(high, "J").rpartition(" ")[2]
    scale = next(10.0**e for e, p in PREFIXES.items() if p + "J" == prefix)
    return f"{low / scale:.3g} to {high / scale:.3g} {prefix}"


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
MARKERS = "osD^vPX*<>hd"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#56B4E9")


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
