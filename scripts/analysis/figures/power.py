"""Power over time, its phases shaded: one task without and with suppression."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.energy.curves import Curve
from analysis.energy.raw import RawSession
from analysis.figures import FigureSpec
from analysis.figures.drawing import style
from analysis.figures.drawing.campaign import Campaign

FIGURE = FigureSpec(
    title="Power over time, its phases shaded",
    page="phases",
    order=10,
    category="Phases",
    tables=("generations",),
    sessions=True,
    caption="""\
Power over time for one task, without and with babbling suppression, its phases shaded: prefill
(until the first token is known), decoding, and checks of the generated code. The dashed line is
where the answer was complete. The meter is named under the figure; an estimate says so.
""",
)

MARGIN_S = 0.5


def draw(campaign: Campaign) -> Figure:
    if campaign.generations.empty:
        raise style.NothingToShowError("no output was generated: there are only probes of phases")
    chosen = _longest_babbling(campaign)
    session = campaign.session(chosen.session)
    names = [
        w["generation"]
        for w in session.windows
        if w["kind"] == "generation"
        and (w["task"], w["repetition"]) == (chosen.task, chosen.repetition)
    ]
    names.sort()  # baseline before suppressed
    if not any(_is_metered(session, name) for name in names):
        raise style.NothingToShowError(f"no meter covers the outputs of {chosen.task}")
    fig = style.figure(7.2, 1.2 + 1.9 * len(names))
    panels = np.atleast_1d(fig.subplots(len(names), 1, sharex=True, sharey=True))
    for axes, name in zip(panels, names, strict=True):
        _panel(axes, session, name, chosen.answer_tokens)
    # The panels share one axis, and the line must not touch its end.
    highest = max(axes.dataLim.y1 for axes in panels)
    panels[0].set_ylim(0, 1.1 * highest if np.isfinite(highest) and highest > 0 else None)
    panels[-1].set_xlabel("time since the prompt [s]")
    handles = {h.get_label(): h for axes in panels for h in axes.get_legend_handles_labels()[0]}
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5)
    style.footer(fig, campaign.generations, style.tasks_note(campaign.generations))
    return fig


def _longest_babbling(campaign: Campaign):
    """The task whose passing output babbles longest; where none passes, the longest output."""
    baseline = campaign.generations[campaign.generations.condition == "baseline"]
    if baseline.empty:
        baseline = campaign.generations
    passing = baseline[baseline.passed.fillna(False)]
    return (
        (passing if len(passing) else baseline)
        .sort_values(["babble_tokens", "output_tokens"], kind="stable", na_position="first")
        .iloc[-1]
    )


def _is_metered(session: RawSession, name: str) -> bool:
    """Whether any meter of the total covers all of an output."""
    whole = [w for w in session.windows if w.get("generation") == name][-1]
    domains = [domain["domain"] for domain in session.headline(whole["segment"])]
    curves = [session.curves.get((whole["segment"], domain)) for domain in domains]
    return any(curve is not None and _covers(curve, whole) for curve in curves)


def _covers(curve: Curve, window: dict) -> bool:
    return not np.isnan(curve.energy([window["start_ns"]], [window["end_ns"]]).joules[0])


def _panel(axes: Axes, session: RawSession, name: str, answer) -> None:
    windows = [w for w in session.windows if w.get("generation") == name]
    whole = windows[-1]
    origin = whole["start_ns"]

    def seconds(t_ns):
        return (np.asarray(t_ns) - origin) / 1e9

    spans = {"prefill": "prefill", "decode": "decoding", "check": "checking"}
    for window in windows[:-1]:
        label = spans[window["kind"]]
        start, end = seconds(window["start_ns"]), seconds(window["end_ns"])
        axes.axvspan(start, end, alpha=0.3, lw=0, label=label, **style.PHASES[label])
    for domain in session.headline(whole["segment"]):
        curve = session.curves.get((whole["segment"], domain["domain"]))
        if curve is None or not _covers(curve, whole):
            axes.text(0.02, 0.9, f"{domain['domain']}: not covered", transform=axes.transAxes)
            continue
        margin = int(MARGIN_S * 1e9)
        near = (curve.times_ns > origin - margin) & (curve.times_ns < whole["end_ns"] + margin)
        times, joules = curve.times_ns[near], curve.joules[near]
        power = np.diff(joules) / (np.diff(times) / 1e9)
        axes.stairs(
            power, seconds(times), baseline=None, color="black", lw=0.9, label=domain["domain"]
        )
    if whole["condition"] == "baseline" and pd.notna(answer):
        at = seconds(whole["token_ns"][int(answer) - 1])
        axes.axvline(at, color=style.GREEN, lw=1.6, ls="--", label="answer complete")
    axes.set_ylabel("power [W]")
    axes.set_title(f"{whole['task']}, {whole['condition']}: {len(whole['tokens'])} tokens")
