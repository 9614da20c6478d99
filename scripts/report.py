#!/usr/bin/env python3
"""Writes a campaign's report: one self-contained page with its figures, tables and caveats."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from analysis import page
from analysis.figures.style import chosen
from analysis.generations import closure

# Work of others, as a share of an estimate, that a reader must know of.
SHARED = 0.1
FIGURES = {
    "power": "Power over time, its phases shaded",
    "phases": "Energy by phase",
    "position": "Energy per token along the output",
    "answer": "Tokens before and after the answer",
    "savings": "With against without suppression",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument(
        "--sessions", nargs="+", required=True, type=Path, help="session.json files"
    )
    parser.add_argument("--scores", nargs="+", required=True, type=Path, help="their scores")
    parser.add_argument("--out", required=True, type=Path, help="the page to write")
    args = parser.parse_args()
    sessions = [json.loads(path.read_text()) for path in args.sessions]
    scores = [json.loads(path.read_text()) for path in args.scores]
    args.out.write_text(render(args.campaign, sessions, scores), encoding="utf-8")


def render(campaign: Path, sessions: list[dict], scores: list[dict]) -> str:
    """The page, given session.json and the scores of each session."""
    tables = {
        name: pd.read_parquet(campaign / "tables" / f"{name}.parquet")
        for name in ("generations", "summary", "savings", "windows")
    }
    generations, windows = tables["generations"], tables["windows"]
    total = windows[windows.domain == "total"]
    return (
        page.environment()
        .get_template("report.html.j2")
        .render(
            campaign=campaign.name,
            sessions=sessions,
            segments=[segment for session in sessions for segment in session["segments"]],
            events=page.events(campaign, sessions),
            protections=_protections(sessions, scores),
            figures=page.figures(campaign, FIGURES),
            generations=generations.to_dict("records"),
            summary=_summary_by_metric(tables["summary"]),
            columns=list(
                dict.fromkeys(
                    zip(
                        *(tables["summary"][c] for c in ("model", "workload", "condition")),
                        strict=True,
                    )
                )
            ),
            savings=tables["savings"].to_dict("records"),
            estimate=bool(generations.estimate.any()),
            meters=list(dict.fromkeys(generations.meter)),
            sums=list(dict.fromkeys(total.sums)),
            chosen=chosen(generations) if generations.chosen.any() else "",
            closure=float(closure(generations).abs().max()),
            status=pd.crosstab(total.kind, total.status).to_dict("index"),
            shared=_shared(generations, sessions),
            missing=page.missing_meters(sessions),
        )
    )


def _summary_by_metric(summary: pd.DataFrame) -> dict[tuple[str, str], dict]:
    rows: dict[tuple[str, str], dict] = {}
    for row in summary.to_dict("records"):
        column = row["model"], row["workload"], row["condition"]
        rows.setdefault((row["metric"], row["unit"]), {})[column] = row
    return rows


def _protections(sessions: list[dict], scores: list[dict]) -> list[dict]:
    """Those of all pools that ran generated code, while measuring and while scoring; one that was
    off anywhere is off."""
    pools = [segment["protections"] for session in sessions for segment in session["segments"]]
    pools += [score["protections"] for score in scores]
    together: dict[str, dict] = {}
    for protection in (protection for pool in pools for protection in pool):
        known = together.setdefault(protection["name"], protection)
        if known["on"] and not protection["on"]:
            together[protection["name"]] = protection
    return list(together.values())


def _shared(generations: pd.DataFrame, sessions: list[dict]) -> int:
    """During how many generations the estimate holds much work that was not the session's.

    The estimate counts the busy time of the whole machine; the session knows its own.
    """
    domains = [d for s in sessions for g in s["segments"] for d in g["meters"]["found"]]
    details = [d["details"] for d in domains if d["estimate"]]
    if not generations.estimate.all() or not all("rated_power_w" in d for d in details):
        return 0
    power_w = details[0]["rated_power_w"] / details[0]["logical_cpus"]
    own_j = generations.cpu_share * generations.duration_s * power_w
    return int((own_j < (1 - SHARED) * generations.total_j).sum())


if __name__ == "__main__":
    main()
