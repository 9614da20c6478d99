"""Execution providers of ONNX Runtime against each other, for the same exports."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import ratios, style
from analysis.figures.campaign import Campaign
from analysis.runtimes.words import exclusions, provider


def draw(campaign: Campaign) -> Figure:
    table = campaign.comparisons
    table = table[table.question == "RQ3"]
    if table.empty:
        fig = style.figure(7.2, 2.6)
        exports = campaign.runtimes[campaign.runtimes.origin.notna()]
        names = " and ".join(dict.fromkeys(map(provider, exports.provider)))
        only = f"ONNX Runtime was measured on one provider only: {names}"
        absent = campaign.excluded[campaign.excluded.stage == "absent"]
        why = style.lines(exclusions(absent), 100, 8)
        said = only if names else "no export was measured on any provider"
        style.empty(fig.subplots(), "\n\n".join(filter(None, (said, why))))
        return fig

    def name(row) -> str:
        return row.first.removeprefix("ONNX Runtime ")

    return ratios.draw(table, name, "later / earlier provider")
