"""Energy by phase: mean joules a generation, for each model, workload and condition."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.figures.campaign import Campaign

PARTS = {"prefill": "prefill energy", "decoding": "decoding energy", "checking": "checking energy"}


def draw(campaign: Campaign) -> Figure:
    summary = campaign.summary
    bars = list(dict.fromkeys(zip(summary.model, summary.workload, summary.condition, strict=True)))
    table = summary.set_index(["model", "workload", "condition", "metric"])
    fig = style.figure(7.2, 1.5 + 0.55 * len(bars))
    axes = fig.subplots()
    shown: set[str] = set()
    for row, key in enumerate(bars):
        left = 0.0
        for part, metric in PARTS.items():
            value = table.value[(*key, metric)]
            if pd.isna(value):
                continue
            axes.barh(
                row,
                value,
                left=left,
                height=0.6,
                edgecolor="white",
                **style.PHASES[part],
                label=None if part in shown else part,
            )
            shown.add(part)
            left += value
        whole = table.loc[(*key, "energy per generation")]
        share = table.value[(*key, "prefill share")]
        if pd.isna(whole.value):
            axes.text(0, row, "  not covered by the meter", va="center", fontsize=8)
            continue
        if pd.notna(whole.low):
            xerr = [[whole.value - whole.low], [whole.high - whole.value]]
            axes.errorbar(whole.value, row, xerr=xerr, color="black", capsize=3, lw=1)
        reach = whole.value if pd.isna(whole.high) else whole.high
        prefill = "not resolved" if pd.isna(share) else f"{share:.1%}"
        axes.text(reach, row, f"  prefill {prefill}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [f"{m}\n{w}, {c}" for m, w, c in bars])
    axes.invert_yaxis()
    level = f"{100 * summary.confidence.iloc[0]:g} %"
    axes.set_xlabel(
        f"energy per generation [J] (mean; bar: {level} bootstrap interval of the total)"
    )
    axes.margins(x=0.15)
    fig.legend(loc="outside upper center", ncols=3)
    style.foot(fig, campaign.generations, style.tasks_note(campaign.generations))
    return fig
