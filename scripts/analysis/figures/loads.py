"""Error of a window's energy against its length: our estimate, other tools, plain differences."""

from __future__ import annotations

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.meters.loads import DIFFERENCE, OURS

FIGURE = FigureSpec(
    title="Error against length",
    page="meters",
    order=10,
    category="Meters",
    tables=("loads",),
    dpi=150,
    caption="""\
Error of a window's energy, root mean square, against its length: our estimate, other tools in
windows of their own, and plain differences of a counter, on loads whose work is known. The truth is
what the same work takes from rest to rest, as the other windows of its length tell.
""",
)

LOOKS = {
    OURS: {"color": style.BLUE, "marker": "o"},
    "Zeus": {"color": style.ORANGE, "marker": "s"},
    "CodeCarbon": {"color": style.GREEN, "marker": "D"},
    DIFFERENCE: {"color": style.GREY, "marker": "x"},
}
TICKS_S = (0.02, 0.1, 0.5, 2, 10)


def draw(campaign: Campaign) -> Figure:
    """A panel a load; both axes logarithmic."""
    loads = campaign.loads
    if loads.empty:
        raise style.NothingToShowError("no window was long enough to say what a unit of work takes")
    if not (loads.rms_off > 0).any():
        raise style.NothingToShowError(
            "no length of window was repeated to hold one against others"
        )
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
        panel.set_xlim(0.8 * loads.length_s.min(), 1.25 * loads.length_s.max())
        panel.set_xticks([t for t in TICKS_S if t >= loads.length_s.min()], minor=False)
        panel.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda percent, _: f"{percent:g}"))
        panel.title.set_fontsize(9.5)
        panel.grid(axis="y", lw=0.3)
    axes[0][0].set_ylabel("error, root mean square, %")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, ncol=len(labels), loc="upper center", frameon=False, fontsize=8.5
    )
    note = f"{loads.meter.iloc[0]}. Against what the same work takes from rest to rest."
    figure.text(0.01, 0.01, note, fontsize=7.5)
    figure.tight_layout(rect=(0, 0.04, 1, 0.93))
    return figure
