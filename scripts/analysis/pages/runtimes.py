"""The page of the study of runtimes: what stands where. Its rows are made in `runtimes_rows`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.figures import on_page
from analysis.figures.drawing.style import si
from analysis.pages import common, top
from analysis.pages import runtimes_rows as rows
from analysis.quality import flag_tables, order_effect
from analysis.runtimes.matrix import label, matrices
from analysis.runtimes.order import ordered
from analysis.runtimes.pairs import ENGINES
from analysis.runtimes.systems import versions
from analysis.runtimes.wording import ENERGY, TIME, exclusions, provider

QUESTIONS = {
    "RQ1": "Frameworks against each other, on the same provider.",
    "RQ2": "An engine on the exported model against the framework that it was exported from.",
    "RQ3": "One exported model in one engine, provider against provider.",
    ENGINES: "Beyond the questions: two engines on one export, or beside another's export.",
}
TABLES = ("inferences", "runtimes", "comparisons", "engines", "omnibus", "correlation", "parity")
TABLES += ("excluded", "systems", "runtime_order", "runtime_flags", "runtime_checks")
# The page's columns of a cell: (heading, metric, whether its interval is shown).
COLUMNS = (
    ("J per inference", "energy per inference", True),
    ("of it above idle", "energy per inference above idle", True),
    ("J per sample", "energy per sample", False),
    ("s per inference", "time per inference", True),
    ("samples per s", "throughput", False),
    ("W", "power", False),
    ("J·s", "energy-delay product", False),
    ("CPU share", "CPU share", False),
)


def render(campaign: Path, sessions: list[dict[str, Any]]) -> str:
    """The page, given session.json of each session."""
    tables = {name: pd.read_parquet(campaign / "tables" / f"{name}.parquet") for name in TABLES}
    inferences, omnibus, parity = (tables[name] for name in ("inferences", "omnibus", "parity"))
    total = inferences[inferences.domain == TOTAL]
    estimates = total.drop_duplicates("session").estimate
    sessions = ordered(sessions)
    compared = pd.concat([tables["comparisons"], tables["engines"]], ignore_index=True)
    environment = common.environment()
    for name, unit in (("joules", "J"), ("seconds", "s")):
        environment.filters[name] = functools.partial(_si, unit=unit)
    environment.globals |= {"label": label, "ENERGY": ENERGY, "TIME": TIME}
    flags = tables["runtime_flags"]
    besides = ["estimate"] if estimates.any() else []
    return environment.get_template("runtimes.html.j2").render(
        campaign=campaign.name,
        sessions=sessions,
        measured=total.session.nunique(),
        windows=len(total),
        events=common.events(campaign, sessions),
        figures=common.figures(campaign, on_page("runtimes")),
        missing=common.missing_meters(sessions),
        overhead=common.overhead(sessions),
        flags=flag_tables.counts(flags),
        top=top.lines(flags, besides),
        details=top.details(flags, rows.busy(total)),
        engines=versions(tables["systems"]),
        systems=rows.blank(tables["systems"]),
        matrices=list(matrices(compared, tables["runtimes"], tables["systems"])),
        in_words=common.describe_sessions(sessions),
        cross_checks=tables["runtime_checks"].to_dict("records"),
        meters=list(dict.fromkeys(total.meter)),
        sums=list(dict.fromkeys(total.sums)),
        estimate=bool(len(estimates)) and bool(estimates.all()),
        partly=bool(estimates.any() and not estimates.all()),
        rounds=int(total["round"].nunique()),
        fewest=_fewest_rounds(total),
        margin=_one(compared.margin),
        confidence=_one(compared.confidence),
        questions=[_question(name, compared, omnibus) for name in QUESTIONS],
        order=tables["runtime_order"].to_dict("records"),
        order_words=order_effect.order_lines(tables["runtime_order"]),
        columns=COLUMNS,
        cells=rows.cells(tables["runtimes"]),
        spreads=rows.spreads(tables["runtimes"]),
        correlation=rows.blank(tables["correlation"]),
        parity=rows.blank(parity),
        excluded=exclusions(tables["excluded"]),
        status=total.status.value_counts().to_dict(),
        provider=provider,
    )


def _question(name: str, compared: pd.DataFrame, omnibus: pd.DataFrame) -> dict[str, Any]:
    """What the page shows of one question."""
    paired = rows.pairs(compared, name)
    lacking = rows.not_compared(compared, name)
    mine = compared[compared.question == name]
    pairs = len(mine[rows.SIDES].drop_duplicates())
    return {
        "heading": QUESTIONS[name] if name == ENGINES else f"{name}: {QUESTIONS[name]}",
        "verdicts": rows.verdicts(compared, name),
        "pairs": paired,
        "common": rows.in_common(paired),
        "not_compared": lacking,
        "lacking": common.count(pairs - len(paired), "pair"),
        "omnibus": rows.blank(omnibus[omnibus.question == name]),
    }


def _si(value: float, unit: str) -> str:
    return "–" if pd.isna(value) else si(value, unit)


def _fewest_rounds(total: pd.DataFrame) -> int | None:
    if not len(total):
        return None
    return int(total.groupby(["model", "runtime", "provider"])["round"].nunique().min())


def _one(column: pd.Series) -> float | None:
    return float(column.iloc[0]) if len(column) else None
