"""Energy by phase: mean joules a generation, for each model, workload and condition."""

from __future__ import annotations

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
    for row, key in enumerate(bars):
        left = 0.0
        for part, metric in PARTS.items():
            value = table.value[(*key, metric)]
            axes.barh(
                row,
                value,
                left=left,
                height=0.6,
                edgecolor="white",
                **style.PHASES[part],
                label=part if row == 0 else None,
            )
            left += value
        whole = table.loc[(*key, "energy per generation")]
        share = table.value[(*key, "prefill share")]
        axes.errorbar(
            whole.value,
            row,
            xerr=[[whole.value - whole.low], [whole.high - whole.value]],
            color="black",
            capsize=3,
            lw=1,
        )
        reach = whole.high if whole.high == whole.high else whole.value
        axes.text(reach, row, f"  prefill {share:.1%}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [f"{m}\n{w}, {c}" for m, w, c in bars])
    axes.invert_yaxis()
    axes.set_xlabel("energy per generation [J] (mean; bar: 95 % bootstrap interval of the total)")
    axes.margins(x=0.15)
    fig.legend(loc="outside upper center", ncols=3)
    style.foot(fig, campaign.generations)
    return fig
