"""The page of the study of phases: what stands where. Its rows are made in `phases_rows`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.figures import on_page
from analysis.figures.drawing.style import selection, si, si_interval
from analysis.pages import common, top
from analysis.pages import phases_rows as rows
from analysis.phases.drift import drift_note
from analysis.phases.footnotes import sample_size
from analysis.phases.generations import closure
from analysis.quality import flag_tables, order_effect

# More generations than this are left to the table's file.
LISTED = 2000
TABLES = ("generations", "summary", "estimators", "amplification", "context", "law", "published")
TABLES += ("position", "savings", "windows", "probes", "agreement", "ends", "identities", "order")
TABLES += ("flags", "checks", "repeatability")


def render(campaign: Path, sessions: list[dict], scores: list[dict]) -> str:
    """The page, given session.json of each session and the scores of those that have outputs."""
    tables = {name: pd.read_parquet(campaign / "tables" / f"{name}.parquet") for name in TABLES}
    generations, windows, probes = (tables[n] for n in ("generations", "windows", "probes"))
    total = windows[windows.domain == "total"]
    environment = common.environment()
    environment.filters |= {"joules": lambda value: "–" if pd.isna(value) else si(value, "J")}
    environment.globals |= {"si_interval": si_interval, "rests_on": sample_size}
    return environment.get_template("report.html.j2").render(
        campaign=campaign.name,
        sessions=sessions,
        segments=[segment for session in sessions for segment in session["segments"]],
        events=common.events(campaign, sessions),
        protections=rows.protections(sessions, scores),
        figures=common.figures(campaign, on_page("phases")),
        in_words=common.describe_sessions(sessions),
        top=top.lines(tables["flags"], ["estimate"] if total.estimate.any() else []),
        details=top.details(tables["flags"]),
        drift={name: drift_note(table) for name, table in tables.items()},
        order=tables["order"].to_dict("records"),
        order_words=order_effect.order_lines(tables["order"]),
        count=len(generations),
        probes=len(probes),
        groups=rows.groups(generations),
        listed=len(generations) <= LISTED,
        summaries=rows.summaries(tables["summary"]),
        savings=rows.records(tables["savings"]),
        replays=rows.replays(sessions),
        seeded=rows.seeded(sessions),
        estimators=rows.estimators(tables["estimators"], tables["agreement"]),
        amplification=rows.records(tables["amplification"]),
        ends=rows.records(tables["ends"]),
        slopes=rows.records(tables["context"]),
        laws=rows.laws(tables["law"]),
        published=rows.records(tables["published"]),
        identities=rows.identities(tables["identities"]),
        estimate=bool(total.estimate.any()),
        meters=list(dict.fromkeys(total.meter)),
        sums=list(dict.fromkeys(total.sums)),
        chosen=selection(generations) if len(generations) and generations.chosen.any() else "",
        closure=float(closure(generations).abs().max()) if len(generations) else float("nan"),
        status=pd.crosstab(total.kind, total.status).to_dict("index"),
        shared=rows.shared(generations, sessions),
        missing=common.missing_meters(sessions),
        overhead=common.overhead(sessions),
        repeatability=tables["repeatability"].to_dict("records"),
        flags=flag_tables.counts(tables["flags"]),
        cross_checks=tables["checks"].to_dict("records"),
    )
