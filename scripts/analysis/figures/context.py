"""Energy per decoded token against the length of the context: a panel a model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases import footnotes
from analysis.phases.context import ALL
from analysis.phases.drift import drift_note
from analysis.phases.estimators import TOKEN
from analysis.phases.law import SWEEP

FIGURE = FigureSpec(
    title="Energy per decoded token against context",
    page="phases",
    order=60,
    category="Phases",
    tables=("context", "position", "generations", "law_points", "law"),
    caption="""\
Energy per decoded token against the tokens that stand before it, with fitted lines. Slopes in words
are joules of one token for each 1,000 tokens of context, with what their intervals rest on. Where a
sweep gives no law, it says so and draws none.
""",
)

# More points than this are thinned out, evenly and always alike.
POINTS = 600


def draw(campaign: Campaign) -> Figure:
    points = _points(campaign)
    if points.empty:
        why = "no output is long enough, and no sweep was measured"
        raise style.NothingToShowError(why)
    if points.context.nunique() == 1:
        raise style.NothingToShowError("only one length of context was measured")
    models = list(points.groupby("model", sort=False))
    names = [name for name in dict.fromkeys(points.workload) if name != SWEEP]
    looks = style.marker_styles(names) | {SWEEP: {"color": "black", "marker": "x"}}
    fig, grid = style.panels([3.2 if len(models) == 1 else 2.4] * len(models), 1.2)
    for number, (axes, (model, group)) in enumerate(zip(grid, models, strict=True)):
        _panel(axes, group, looks)
        fits = campaign.context
        fits = _selected(fits[fits.model == model]) if len(fits) else fits
        slopes = [_line(axes, fit, looks) for fit in fits.itertuples()]
        axes.set_title(
            "\n".join([style.wrapped(model, 60), *slopes]), fontsize=8.5, linespacing=1.35
        )
        axes.set_ylim(0, 1.15 * np.quantile(group.each, 0.99))
        if number % 2 == 0:
            axes.set_ylabel("energy per decoded\ntoken [J/token]")
    for axes in grid[-2:]:
        axes.set_xlabel("context: tokens of the prompt and of the output so far [tokens]")
    style.legend(fig, markerscale=1.8)
    notes = ["Points: means over the tokens of a bin of one output, and windows of a sweep."]
    if len(models) > 1:
        notes[0] += " The axes differ."
    notes.append("Slopes: what their intervals rest on is said behind them.")
    style.footer(fig, points, *notes, drift_note(campaign.context))
    return fig


def _points(campaign: Campaign) -> pd.DataFrame:
    """Model, workload, context, each; with the meter that it was read by."""
    columns = ["model", "workload", "context", "each", "meter", "estimate"]
    parts = []
    outputs = campaign.position
    if len(outputs):
        outputs = outputs[outputs.resolved]
        meters = campaign.generations.drop_duplicates("session").set_index("session")
        outputs = outputs.assign(
            each=outputs.joules / outputs.tokens,
            meter=outputs.session.map(meters.meter),
            estimate=outputs.session.map(meters.estimate),
        )
        parts.append(outputs)
    swept = campaign.law_points
    swept = swept[swept.phase == TOKEN] if len(swept) else swept
    if len(swept):
        law = campaign.law.drop_duplicates("model").set_index("model")
        meters = {name: swept.model.map(law[name]) for name in ("meter", "estimate")}
        parts.append(swept.assign(workload=SWEEP, each=swept.measured_j, **meters))
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat([p[columns] for p in parts], ignore_index=True).dropna(subset=["each"])


def _panel(axes: Axes, points: pd.DataFrame, looks: dict[str, dict[str, str]]) -> None:
    for workload, group in points.groupby("workload", sort=False):
        every = max(1, len(group) // POINTS)
        look = looks[workload]
        axes.plot(
            group.context[::every],
            group.each[::every],
            ls="",
            ms=4.5 if workload == SWEEP else 3,
            alpha=1 if workload == SWEEP else 0.45,
            mew=1.2 if workload == SWEEP else 0,
            zorder=3 if workload == SWEEP else 2,
            # Thousands of points make a heavy PDF.
            rasterized=len(group) > POINTS // 2,
            label=workload,
            **look,
        )


def _selected(fits: pd.DataFrame) -> pd.DataFrame:
    """The fit over all outputs, else each workload's, and the sweep's."""
    outputs = fits[fits.source == "outputs"]
    if (outputs.workload == ALL).any():
        outputs = outputs[outputs.workload == ALL]
    return pd.concat([outputs, fits[fits.source == SWEEP]]).dropna(subset=["slope"])


def _line(axes: Axes, fit, looks: dict[str, dict[str, str]]) -> str:
    """Draws a fitted line and says its slope in words, and how far it can be trusted."""
    sweep = fit.source == SWEEP
    if sweep and not fit.found:
        return style.wrapped(f"{SWEEP}: {fit.why}", 78)
    ends = np.array([fit.from_tokens, fit.to_tokens])
    name = SWEEP if sweep else fit.workload
    colour = looks[name]["color"] if name in looks else style.RED
    axes.plot(
        ends,
        fit.intercept + fit.slope * ends / 1000,
        color=colour,
        ls="--" if sweep else "-",
        lw=1.6,
        zorder=4,
        label="line through the sweep" if sweep else "line through the outputs",
    )
    slope = style.si_interval(fit.slope, fit.low, fit.high, "J")
    text = f"{name}: {slope} a token more for each 1,000 tokens ({_basis(fit, sweep)})"
    return style.wrapped(text, 78)


def _basis(fit, sweep: bool) -> str:
    if sweep:
        return f"{fit.tasks} lengths{' within one round' if fit.rounds == 1 else ''}"
    rests = footnotes.sample_size(fit._asdict())
    return rests if fit.found or pd.isna(fit.low) else f"not told from none; {rests}"
