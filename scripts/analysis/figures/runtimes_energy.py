"""Energy of an inference by domain: for each model and batch, every runtime."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.energy.raw import TOTAL
from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.order import rank
from analysis.runtimes.systems import FROM
from analysis.runtimes.wording import provider

FIGURE = FigureSpec(
    title="Energy of an inference by domain",
    page="runtimes",
    order=10,
    category="Runtimes",
    tables=("runtimes", "excluded", "systems"),
    caption="""\
Mean energy of one inference by domain, over rounds, for each model and batch; a cell of one round
has no interval. The axes differ. The black mark is the part above idle; an estimate has none.
""",
)

ENERGY, ABOVE_IDLE = "energy per inference", "energy per inference above idle"

# An axis reaches so many times beyond the longest bar.
BEYOND = 2.0


def draw(campaign: Campaign) -> Figure:
    cells = campaign.runtimes
    cells = cells[cells.metric.isin([ENERGY, ABOVE_IDLE])]
    excluded = campaign.excluded
    if cells.empty:
        raise style.NothingToShowError("no inference was measured")
    if cells["mean"].isna().all():
        raise style.NothingToShowError("no window of inference has an energy")
    models, batches = list(cells.model.unique()), sorted(cells.batch.unique())
    rows = {model: _rows(model, cells, excluded) for model in models}
    several = len({where for names in rows.values() for _, where in names}) > 1
    counts = [len(rows[model]) for model in models]
    fig = style.figure(3.2 + 2.4 * len(batches), 0.9 + sum(0.65 + 0.26 * n for n in counts))
    panels = fig.subplots(
        len(models), len(batches), squeeze=False, sharey="row", height_ratios=np.add(counts, 1.5)
    )
    for model, line in zip(models, panels, strict=True):
        for batch, axes in zip(batches, line, strict=True):
            part = cells[(cells.model == model) & (cells.batch == batch)]
            _panel(axes, part, excluded[excluded.model == model], rows[model])
            axes.set_title(f"{model}, batch {batch}")
        names = [
            f"{title}, {provider(where)}" if several else title for title, where in rows[model]
        ]
        line[0].set_yticks(range(len(names)), names)
        line[0].set_ylim(len(names) - 0.4, -0.6)
    for axes in panels[-1]:
        axes.set_xlabel("energy per inference [J]")
    handles = {h.get_label(): h for axes in fig.axes for h in axes.get_legend_handles_labels()[0]}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    level = style.level(cells)
    note = (
        f"Means over rounds, each a process of its own; bars: {level} Student's intervals of the"
        " sum, which may go on beyond the axis; of one round none."
    )
    style.footer(fig, cells[cells.domain == TOTAL], note, style.engines(campaign.systems))
    return fig


def _rows(model: str, cells: pd.DataFrame, excluded: pd.DataFrame) -> list[tuple[str, str]]:
    """(runtime, provider) of a model, also of those that were excluded."""
    whole = excluded[excluded.batch.isna() & (excluded.stage != "absent")]
    both = [table[table.model == model] for table in (cells, whole)]
    names = {pair for table in both for pair in zip(table.runtime, table.provider, strict=True)}
    return sorted(names, key=lambda name: rank(name[0], FROM in name[0], name[1]))


def _panel(
    axes: Axes, cells: pd.DataFrame, excluded: pd.DataFrame, rows: list[tuple[str, str]]
) -> None:
    # Two rounds can give an interval beside which nothing else would be seen.
    whole = cells[(cells.metric == ENERGY) & (cells.domain == TOTAL)]
    most = BEYOND * whole["mean"].max()
    for row, (runtime, where) in enumerate(rows):
        cell = cells[(cells.runtime == runtime) & (cells.provider == where)]
        energy = cell[cell.metric == ENERGY].set_index("domain")
        if energy.empty or pd.isna(energy["mean"][TOTAL]):
            out = excluded[(excluded.runtime == runtime) & (excluded.provider == where)]
            stage = out.stage.iloc[0] if len(out) else "no energy"
            labels = {"metering": "not covered by the meter", "not measured": "not measured"}
            words = labels.get(stage, f"excluded: {stage}")
            axes.text(0, row, f" {words}", va="center", fontsize=7, color="#555555")
            continue
        left, parts = 0.0, energy["mean"][energy.sums[TOTAL].split(" + ")]
        # Geometric means of parts do not quite add up to that of their sum.
        for name, width in (parts * energy["mean"][TOTAL] / parts.sum()).items():
            axes.barh(row, width, left=left, height=0.7, edgecolor="white", **style.domain(name))
            left += width
        total = energy.loc[TOTAL]
        reach = total["mean"]
        if pd.notna(total.low):
            reach = min(total.high, most)
            xerr = [[total["mean"] - total.low], [total.high - total["mean"]]]
            axes.errorbar(total["mean"], row, xerr=xerr, color="black", capsize=2, lw=0.9)
        # A bar of an interval may go on behind it.
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        text = f" {total['mean']:.3g}"
        axes.text(reach, row, text, va="center", fontsize=7, bbox=ground)
        above = cell[(cell.metric == ABOVE_IDLE) & (cell.domain == TOTAL)]
        # An estimate knows nothing of idle power: nothing can stand above it.
        if not total.estimate and above["mean"].notna().any():
            axes.plot(
                above["mean"],
                [row],
                marker="|",
                ms=9,
                mew=2.2,
                ls="",
                color="black",
                label="above idle",
            )
    axes.margins(x=0.18)
    right = axes.get_xlim()[1]
    axes.set_xlim(0, right if pd.isna(most) else min(right, 1.18 * most))
