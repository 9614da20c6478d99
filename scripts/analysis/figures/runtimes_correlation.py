"""Energy against time: one point a round of a cell, one panel a provider and meter."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.energy.raw import TOTAL
from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.correlation import POOLED, WITHIN
from analysis.runtimes.rounds import rounds_table
from analysis.runtimes.wording import provider

FIGURE = FigureSpec(
    title="Energy against time",
    page="runtimes",
    order=50,
    category="Runtimes",
    tables=("inferences", "correlation", "systems"),
    caption="""\
Energy against time of an inference, one point a round, which is a process of its own. The
correlation over all cells (a model, batch and runtime, by its mean over rounds) mostly reflects
that models and batches differ; that within cells is of what rounds differ by from the others of
their cell. Where energy is an estimate both are close to a tautology.
""",
)

# From that many times on an axis is marked by powers of ten.
WIDE = 300
TAUTOLOGY = (
    "Where energy is the estimate, utilisation x rated power, it is time times a constant on a busy"
    " processor:\nthe correlation is then close to a tautology and says nothing of measured energy."
)


def draw(campaign: Campaign) -> Figure:
    inferences = campaign.inferences
    total = rounds_table(inferences[inferences.domain == TOTAL])
    total = total[(total[["inference_j", "inference_s"]] > 0).all(axis=1)]
    if total.empty:
        raise style.NothingToShowError("no window of inference has an energy")
    if len(total) == 1:
        raise style.NothingToShowError("one round of one cell: nothing to hold against each other")
    groups = list(total.groupby(["provider", "meter"], sort=False))
    fig = style.figure(7.2, 1.7 + 3.2 * len(groups) + 0.06 * total.runtime.nunique())
    looks = _marker_styles(total)
    panels = fig.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axes, ((where, meter), group) in zip(panels, groups, strict=True):
        _panel(axes, group, looks)
        rho = campaign.correlation
        rho = rho[(rho.provider == where) & (rho.meter == meter)].set_index("scope")
        axes.set_title(f"{provider(where)}: {_rho(rho, POOLED)}; within cells: {_rho(rho, WITHIN)}")
        axes.set_ylabel("energy per inference [J]")
    panels[-1].set_xlabel("time per inference [s]")
    handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3, fontsize=8)
    level = style.level(campaign.correlation)
    notes = [
        f"One point a round. ρ: Spearman; brackets: {level} intervals. Over all cells (a model,"
        " batch and runtime, by its mean over rounds) it mostly reflects that models and batches"
        " differ. Within cells: what rounds differ by from the others of their cell."
    ]
    if total.estimate.any():
        notes.append(TAUTOLOGY)
    style.footer(fig, total, *notes, style.engines(campaign.systems))
    return fig


def _marker_styles(total: pd.DataFrame) -> dict[str, dict]:
    """A colour and a marker for each runtime: what is of one framework has its colour, what an
    engine makes of an export its marker, hollow. Where there are more than colours, all differ."""
    names = total[["runtime", "system", "origin"]].drop_duplicates()
    names = names.assign(framework=names.origin.fillna(names.system), export=names.origin.notna())
    names = names.sort_values(["framework", "export", "runtime"])
    frameworks, engines = (list(names[key].drop_duplicates()) for key in ("framework", "system"))
    few = len(frameworks) <= len(style.COLOURS) and len(engines) <= len(style.MARKERS)
    looks = {}
    for number, row in enumerate(names.itertuples()):
        look = style.marker_style(number)
        if few:
            look["color"] = style.COLOURS[frameworks.index(row.framework)]
            look["marker"] = style.MARKERS[engines.index(row.system)]
        colour = look.pop("color")
        face = "none" if row.export and few else colour
        looks[row.runtime] = look | {"edgecolors": colour, "facecolors": face}
    return looks


def _panel(axes: Axes, group: pd.DataFrame, looks: dict[str, dict]) -> None:
    for runtime in looks:
        cell = group[group.runtime == runtime]
        axes.scatter(
            cell.inference_s, cell.inference_j, s=24, lw=0.9, label=runtime, **looks[runtime]
        )
    for axis, values in ((axes.xaxis, group.inference_s), (axes.yaxis, group.inference_j)):
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        marks = (1,) if values.max() > WIDE * values.min() else (1, 2, 5)
        axis.set_major_locator(LogLocator(subs=marks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    _name_cells(axes, group)


def _name_cells(axes: Axes, group: pd.DataFrame) -> None:
    """Names in the two corners that the points leave free: the dear half above them, the cheap
    half below, each in the order of its energies, so that no two lines cross."""
    cells = sorted(group.groupby(["model", "batch"]), key=lambda cell: cell[1].inference_j.median())
    cheap = (len(cells) + 1) // 2
    right = 1 - 0.0105 * max(len(f"{model}, batch {batch}") for (model, batch), _ in cells)
    for number, ((model, batch), cell) in enumerate(cells):
        above = number >= cheap
        step = 0.5 / max(cheap, 5)
        top, low = 0.96 - step * (len(cells) - 1 - number), 0.05 + step * number
        axes.annotate(
            f"{model}, batch {batch}",
            (cell.inference_s.median(), cell.inference_j.median()),
            xytext=(0.02, top) if above else (right, low),
            textcoords="axes fraction",
            ha="left",
            va="center",
            fontsize=7.5,
            color="#444444",
            arrowprops={
                "arrowstyle": "-",
                "lw": 0.5,
                "color": "#999999",
                "shrinkB": 4,
                "relpos": (1 if above else 0, 0.5),
            },
        )


def _rho(table: pd.DataFrame, scope: str) -> str:
    row = table.loc[scope]
    if pd.isna(row.rho):
        return f"no ρ, {row.why}"
    interval = "" if pd.isna(row.rho_low) else f" [{row.rho_low:.2g}, {row.rho_high:.2g}]"
    what = "cells" if scope == POOLED else "differences"
    return f"ρ = {row.rho:.2g}{interval}, {row.units} {what}"
