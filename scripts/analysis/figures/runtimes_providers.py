"""Execution providers of one engine against each other, for the same exports."""

from __future__ import annotations

from matplotlib.figure import Figure

from analysis.figures import FigureSpec
from analysis.figures.drawing import ratios, style
from analysis.figures.drawing.campaign import Campaign
from analysis.runtimes.systems import engine
from analysis.runtimes.wording import exclusions, provider

FIGURE = FigureSpec(
    title="Execution providers against each other",
    page="runtimes",
    order=40,
    category="Runtimes",
    tables=("comparisons", "systems", "excluded"),
    caption="""\
One exported model in one engine, one execution provider over another, paired by round. Energies that
were read by different meters are not compared.
""",  # noqa: E501
)


def draw(campaign: Campaign) -> Figure:
    table = campaign.comparisons
    table = table[table.question == "RQ3"]
    if table.empty:
        raise style.NothingToShowError(_why(campaign))
    engines = list(dict.fromkeys(map(engine, table["first"])))

    def name(row) -> str:
        return row["first"].removeprefix(f"{engines[0]} " if len(engines) == 1 else "")

    return ratios.draw(table, name, "later / earlier provider", campaign.systems)


def _why(campaign: Campaign) -> str:
    systems = campaign.systems
    exports = systems[systems.origin.notna() & (systems.measured > 0)]
    if exports.empty:
        return "no export was measured on any provider"
    single = [
        f"{name} was measured on one provider only: {' and '.join(map(provider, own))}"
        for name, own in exports.groupby("engine", sort=False).provider.unique().items()
    ]
    absent = exclusions(campaign.excluded[campaign.excluded.stage == "absent"])
    return "; ".join([*single, *absent])
