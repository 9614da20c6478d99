#!/usr/bin/env python3
"""Writes a campaign's report: one self-contained page with its figures, tables and caveats."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.figures.style import chosen, si, si_interval
from analysis.pages import common, top
from analysis.phases.drift import drifts
from analysis.phases.generations import closure
from analysis.phases.words import rests_on
from analysis.quality import flag_tables, order_effect

# Work of others, as a share of an estimate, that a reader must know of.
SHARED = 0.1
# More generations than this are left to the table's file.
LISTED = 2000
FIGURES = {
    "power": "Power over time, its phases shaded",
    "phases": "Energy by phase",
    "position": "Energy per token along the output",
    "estimators": "Four estimators of a phase",
    "amplification": "Amplification of the decoded token",
    "context": "Energy per decoded token against context",
    "law": "The law of prefill and decoding",
    "published": "Beside the paper",
    "answer": "Tokens before and after the answer",
    "savings": "With against without suppression",
}
TABLES = ("generations", "summary", "estimators", "amplification", "context", "law", "published")
TABLES += ("position", "savings", "windows", "probes", "agreement", "ends", "identities", "order")
TABLES += ("flags", "checks", "repeatability")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument(
        "--sessions", nargs="+", required=True, type=Path, help="session.json files"
    )
    parser.add_argument(
        "--scores", nargs="*", default=[], type=Path, help="the scores of those with outputs"
    )
    parser.add_argument("--out", required=True, type=Path, help="the page to write")
    args = parser.parse_args()
    sessions = [json.loads(path.read_text(encoding="utf-8")) for path in args.sessions]
    scores = [json.loads(path.read_text(encoding="utf-8")) for path in args.scores]
    args.out.write_text(render(args.campaign, sessions, scores), encoding="utf-8")


def render(campaign: Path, sessions: list[dict], scores: list[dict]) -> str:
    """The page, given session.json of each session and the scores of those that have outputs."""
    tables = {name: pd.read_parquet(campaign / "tables" / f"{name}.parquet") for name in TABLES}
    generations, windows, probes = (tables[n] for n in ("generations", "windows", "probes"))
    total = windows[windows.domain == "total"]
    environment = common.environment()
    environment.filters |= {"joules": lambda value: "–" if pd.isna(value) else si(value, "J")}
    environment.globals |= {"si_interval": si_interval, "rests_on": rests_on}
    return environment.get_template("report.html.j2").render(
        campaign=campaign.name,
        sessions=sessions,
        segments=[segment for session in sessions for segment in session["segments"]],
        events=common.events(campaign, sessions),
        protections=_protections(sessions, scores),
        figures=common.figures(campaign, FIGURES),
        in_words=common.sessions_in_words(sessions),
        top=top.lines(tables["flags"], ["estimate"] if total.estimate.any() else []),
        details=top.details(tables["flags"]),
        drift={name: drifts(table) for name, table in tables.items()},
        order=tables["order"].to_dict("records"),
        order_words=order_effect.words(tables["order"]),
        count=len(generations),
        probes=len(probes),
        groups=_groups(generations),
        listed=len(generations) <= LISTED,
        summaries=_summaries(tables["summary"]),
        savings=_known(tables["savings"]),
        replays=_replays(sessions),
        seeded=_seeded(sessions),
        estimators=_estimators(tables["estimators"], tables["agreement"]),
        amplification=_known(tables["amplification"]),
        ends=_known(tables["ends"]),
        slopes=_known(tables["context"]),
        laws=_laws(tables["law"]),
        published=_known(tables["published"]),
        identities=_identities(tables["identities"]),
        estimate=bool(total.estimate.any()),
        meters=list(dict.fromkeys(total.meter)),
        sums=list(dict.fromkeys(total.sums)),
        chosen=chosen(generations) if len(generations) and generations.chosen.any() else "",
        closure=float(closure(generations).abs().max()) if len(generations) else float("nan"),
        status=pd.crosstab(total.kind, total.status).to_dict("index"),
        shared=_shared(generations, sessions),
        missing=common.missing_meters(sessions),
        overhead=common.overhead(sessions),
        repeatability=tables["repeatability"].to_dict("records"),
        flags=flag_tables.counts(tables["flags"]),
        cross_checks=tables["checks"].to_dict("records"),
    )


def _known(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records in which everything that is missing is None."""
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _summaries(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """One table a model: its columns (workload, condition), and cells by (metric, unit)."""
    found = []
    for model, group in summary.groupby("model", sort=False):
        metrics: dict[tuple[str, str], dict] = {}
        for row in group.to_dict("records"):
            column = row["workload"], row["condition"]
            metrics.setdefault((row["metric"], row["unit"]), {})[column] = row
        columns = list(dict.fromkeys(zip(group.workload, group.condition, strict=True)))
        found.append({"model": model, "columns": columns, "metrics": metrics})
    return found


def _groups(generations: pd.DataFrame) -> list[dict[str, Any]]:
    """The generations of each model and workload."""
    if generations.empty:
        return []
    return [
        {"model": model, "workload": workload, "generations": _known(group)}
        for (model, workload), group in generations.groupby(["model", "workload"], sort=False)
    ]


def _replays(sessions: list[dict]) -> list[dict[str, str]]:
    """Whose outputs were forced through which model."""
    found = {}
    for spec in (session["spec"] for session in sessions):
        if replay := spec.get("replay"):
            key = replay["model"], replay["campaign"], spec["model"]
            found[key] = dict(zip(("source", "campaign", "through"), key, strict=True))
    return list(found.values())


def _seeded(sessions: list[dict]) -> list[str]:
    """The models whose weights are seeded and not learnt."""
    specs = (session["spec"] for session in sessions)
    return list(dict.fromkeys(s["model"] for s in specs if s.get("source") == "init"))


def _estimators(estimators: pd.DataFrame, agreement: pd.DataFrame) -> list[dict[str, Any]]:
    """How far the estimators differ: one row a (model, workload, phase)."""
    if agreement.empty:
        return []
    keys = ["model", "workload", "phase"]
    headlines = estimators[estimators.headline].groupby(keys).estimator.unique()
    rows = []
    for key, group in agreement.groupby(keys, sort=False):
        closed = group.dropna(subset=["closure"])
        worst = None
        if len(closed):
            worst = _known(closed.loc[[closed.closure.abs().idxmax()]])[0]
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "probed": len(group),
                "headline": " or ".join(sorted(headlines.get(key, []))) or "none",
                "spread": group.spread.max(),
                "verdicts": group.verdict.value_counts().to_dict(),
                "margin": group.margin.iloc[0],
                "hangs": int((group.hangs != "").sum()),
                "worst": worst,
            }
        )
    return rows


def _laws(law: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a model and phase, with its terms."""
    if law.empty:
        return []
    return [
        {"model": model, "phase": phase, "terms": _known(group), **_known(group)[0]}
        for (model, phase), group in law.groupby(["model", "phase"], sort=False)
    ]


def _identities(identities: pd.DataFrame) -> list[dict[str, Any]]:
    """Each identity over all sessions: how often it was tested, the worst, where it fails."""
    if identities.empty:
        return []
    rows = []
    for words, group in identities.groupby("identity", sort=False):
        failing = group[~group.holds.fillna(True).astype(bool)]
        # Its interval is not within what is allowed, and not without.
        open_ = group[group.holds.isna() & group.worst.notna()]
        how, _, what = words.partition(": ")
        rows.append(
            {
                "how": how,
                "identity": what,
                "n": int(group.n.sum()),
                "worst": group.worst.abs().max(),
                "allowed": group.allowed.max(),
                "failing": _named(failing),
                "open": _named(open_),
                "intervals": _known(group[group.low.notna()]),
                "hangs": list(dict.fromkeys(group.hangs[group.hangs != ""])),
            }
        )
    return rows


def _named(rows: pd.DataFrame) -> list[str]:
    """Sessions, or the workloads of several."""
    names = rows.session.where(rows.session != "", rows.model + " on " + rows.workload)
    return list(dict.fromkeys(names))


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


def _shared(generations: pd.DataFrame, sessions: list[Mapping[str, Any]]) -> int:
    """During how many generations the estimate holds much work that was not the session's.

    The estimate counts the busy time of the whole machine; the session knows its own.
    """
    domains = [d for s in sessions for g in s["segments"] for d in g["meters"]["found"]]
    details = [d["details"] for d in domains if d["estimate"]]
    if generations.empty or not generations.estimate.all():
        return 0
    if not all("rated_power_w" in d for d in details):
        return 0
    power_w = details[0]["rated_power_w"] / details[0]["logical_cpus"]
    own_j = generations.cpu_share * generations.duration_s * power_w
    return int((own_j < (1 - SHARED) * generations.total_j).sum())


if __name__ == "__main__":
    main()
