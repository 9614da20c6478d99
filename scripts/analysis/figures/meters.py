"""Error of a window's energy against its length: our estimate, other tools, plain differences."""

from __future__ import annotations

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.meters.loads import DIFFERENCE, OURS

LOOKS = {
    OURS: {"color": style.BLUE, "marker": "o"},
    "Zeus": {"color": style.ORANGE, "marker": "s"},
    "CodeCarbon": {"color": style.GREEN, "marker": "D"},
    DIFFERENCE: {"color": style.GREY, "marker": "x"},
}


def draw(loads: pd.DataFrame) -> Figure:
    """A panel a load; both axes logarithmic."""
    if loads.empty:
        return style.nothing("no window was long enough to say what a unit of work takes")
    names = list(dict.fromkeys(loads.load))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.1 * len(names) + 0.6, 3.4), sharey=True, squeeze=False
    )
    for panel, name in zip(axes[0], names, strict=True):
        group = loads[loads.load == name]
        for tool, look in LOOKS.items():
            part = group[(group.tool == tool) & (group.rms_off > 0)].sort_values("length_s")
            if len(part):
                panel.plot(part.length_s, 100 * part.rms_off, ms=4.5, lw=1.1, label=tool, **look)
        panel.axhline(1, color="black", lw=0.6, ls=":")
        panel.set(xscale="log", yscale="log", title=name, xlabel="length of the window, s")
        panel.title.set_fontsize(9.5)
        panel.grid(axis="y", lw=0.3)
    axes[0][0].set_ylabel("error, root mean square, %")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, ncol=len(labels), loc="upper center", frameon=False, fontsize=8.5
    )
    note = f"{loads.meter.iloc[0]}. Against the energy of a unit of the same work in long windows."
    figure.text(0.01, 0.01, note, fontsize=7.5)
    figure.tight_layout(rect=(0, 0.04, 1, 0.93))
    return figure
