"""The law behind the phases: energy against length, its fit, and what the fit leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.polynomial.polynomial import polyval

from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign
from analysis.phases.drift import drift_note
from analysis.phases.estimators import PREFILL, TOKEN
from analysis.phases.law import coefficients

FIGURE = FigureSpec(
    title="The law of prefill and decoding",
    page="phases",
    order=70,
    category="Phases",
    tables=("law", "law_points"),
    caption="""\
Energy of a prefill against its prompt, and of a decoded token against its context, over a sweep of
lengths, with the fitted law; below each, what the fit leaves. The law holds between the lengths
that were measured, and is quoted with its R², its lack of fit, and what its last term becomes when a
length is left out. Where a law explains too little, or its slope may be none, no law was found.
""",  # noqa: E501
)

# Models that share axes.
TOGETHER = 4
X = {PREFILL: "prompt_tokens", TOKEN: "context"}
TITLES = {
    PREFILL: "prefill: E = a + b n + c n², n tokens of prompt",
    TOKEN: "decoded token: E = d + e n, n tokens of context",
}
LABELS = {PREFILL: "energy of a prefill [J]", TOKEN: "energy of a decoded token [J]"}
AXES = {PREFILL: "prompt [tokens]", TOKEN: "context [tokens]"}


def draw(campaign: Campaign) -> Figure:
    points = campaign.law_points
    points = points if points.empty else points.dropna(subset=["measured_j"])
    if points.empty:
        why = "no sweep of prompt lengths was measured, so no law can be fitted"
        raise style.NothingToShowError(why)
    if points.prompt_tokens.nunique() == 1:
        why = f"only one length of prompt was measured: {points.prompt_tokens.iloc[0]} tokens"
        raise style.NothingToShowError(why)
    models = list(dict.fromkeys(points.model))
    parts = [models[at : at + TOGETHER] for at in range(0, len(models), TOGETHER)]
    looks = {name: style.marker_style(number) for part in parts for number, name in enumerate(part)}
    fig = style.figure(11, 1.0 + sum(3.6 + 0.26 * len(part) for part in parts))
    ratios = [ratio for _ in parts for ratio in (3, 1)]
    grid = fig.subplots(2 * len(parts), 2, squeeze=False, height_ratios=ratios)
    for number, part in enumerate(parts):
        for column, phase in enumerate((PREFILL, TOKEN)):
            pair = grid[2 * number : 2 * number + 2, column]
            _pair(*pair, points[(points.phase == phase)], campaign.law, part, phase, looks)
    level = style.level(campaign.law)
    notes = [
        "Least squares of relative residuals through the median window of each length and round;"
        f" brackets: {level} intervals over lengths"
        + (" within one round" if (campaign.law["rounds"] == 1).all() else " and rounds")
        + ". Below: measured over fitted, minus 1."
    ]
    style.footer(fig, campaign.law, *notes, drift_note(campaign.law))
    return fig


def _pair(
    above: Axes,
    below: Axes,
    points: pd.DataFrame,
    law: pd.DataFrame,
    models: list[str],
    phase: str,
    looks: dict[str, dict[str, str]],
) -> None:
    below.sharex(above)
    below.axhline(0, color="black", lw=0.8)
    missing = []
    for model in models:
        mine = points[points.model == model].sort_values(X[phase])
        terms = law[(law.model == model) & (law.phase == phase)].set_index("term")
        if mine.empty:
            missing.append(model)
            continue
        look = {"ls": "", "ms": 4, "mfc": "none", **looks[model]}
        above.plot(mine[X[phase]], mine.measured_j, **look)
        below.plot(mine[X[phase]], 100 * mine.residual, **look)
        label = style.wrapped(f"{model}: {_describe_terms(terms)}", 84).replace("\u00a0", " ")
        lengths = np.geomspace(mine[X[phase]].min(), mine[X[phase]].max(), 200)
        above.plot([], [], color=look["color"], marker=look["marker"], mfc="none", label=label)
        if len(terms) and terms.found.all():
            fitted = polyval(lengths, coefficients(law, model, phase))
            above.plot(lengths, fitted, color=look["color"], lw=1.2)
    if phase == PREFILL:
        for axis in (above.xaxis, above.yaxis):
            _logarithmic(axis)
    else:
        mine = points[points.model.isin(models)]
        above.set_ylim(0, 1.1 * mine.measured_j.max() if len(mine) else None)
    above.tick_params(labelbottom=False)
    above.set_ylabel(LABELS[phase])
    below.set_ylabel("residual\n[%]")
    below.set_xlabel(AXES[phase])
    below.margins(y=0.2)
    if missing:
        words = style.wrapped("not measured: " + ", ".join(missing), 50)
        above.text(0.03, 0.95, words, transform=above.transAxes, va="top", fontsize=7.5)
    if above.get_legend_handles_labels()[0]:
        above.legend(
            title=TITLES[phase],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            fontsize=7.5,
            title_fontsize=9,
            alignment="left",
            borderaxespad=0.2,
        )
    else:
        above.set_title(TITLES[phase], fontsize=9)


def _describe_terms(terms: pd.DataFrame) -> str:
    if terms.empty or terms.value.isna().any():
        return "not fitted: too few lengths"
    texts = [
        f"{term} {style.si_interval(row.value, row.low, row.high, row.unit)}".replace(" ", "\u00a0")
        for term, row in terms.iterrows()
    ]
    first = terms.iloc[0]
    if not first.found:
        return first.why
    last = terms.iloc[-1]
    left = style.si_interval(last.value, last.left_out_low, last.left_out_high, last.unit)
    return (
        f"{', '.join(texts)}; R² {first.r2:.3f}, lack of fit p {first.lack_of_fit_p:.2g},"
        f" {terms.index[-1]} without one length {left.partition(' ')[2]}; worst residual of a"
        f" median {abs(first.worst_residual):.1%}"
    )


def _logarithmic(axis) -> None:
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
