#!/usr/bin/env python3
"""Writes the report of the study of runtimes: one self-contained page with figures and caveats."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import doubts, order_effect, page
from analysis.raw import TOTAL
from analysis.runtimes.columns import CELL
from analysis.runtimes.order import ordered
from analysis.runtimes.words import exclusions, provider, verdict

FIGURES = {
    "runtimes-energy": "Energy of an inference by domain",
    "runtimes-onnx": "ONNX Runtime against the original framework",
    "runtimes-providers": "Execution providers against each other",
    "runtimes-correlation": "Energy against time",
    "runtimes-parity": "Do they compute the same?",
}
QUESTIONS = {
    "RQ1": "Frameworks against each other, on the same provider.",
    "RQ2": "ONNX Runtime on the exported model against the framework that it was exported from.",
    "RQ3": "One exported model in ONNX Runtime, provider against provider.",
}
TABLES = ("inferences", "runtimes", "comparisons", "omnibus", "correlation", "parity", "excluded")
TABLES += ("runtime_order", "runtime_flags", "runtime_checks")
# The page's columns of a cell: (heading, metric, whether its interval is shown).
SHOWN = (
    ("J per inference", "energy per inference", True),
    ("of it above idle", "energy per inference above idle", False),
    ("J per sample", "energy per sample", False),
    ("s per inference", "time per inference", True),
    ("samples per s", "throughput", False),
    ("W", "power", False),
    ("J·s", "energy-delay product", False),
    ("CPU share", "CPU share", False),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument(
        "--sessions", nargs="+", required=True, type=Path, help="session.json files"
    )
    parser.add_argument("--out", required=True, type=Path, help="the page to write")
    args = parser.parse_args()
    sessions = [json.loads(path.read_text()) for path in args.sessions]
    args.out.write_text(render(args.campaign, sessions), encoding="utf-8")


def render(campaign: Path, sessions: list[dict[str, Any]]) -> str:
    """The page, given session.json of each session."""
    tables = {name: pd.read_parquet(campaign / "tables" / f"{name}.parquet") for name in TABLES}
    inferences, parity = tables["inferences"], tables["parity"]
    total = inferences[inferences.domain == TOTAL]
    estimates = total.drop_duplicates("session").estimate
    sessions = ordered(sessions)
    return (
        page.environment()
        .get_template("runtimes.html.j2")
        .render(
            campaign=campaign.name,
            sessions=sessions,
            measured=total.session.nunique(),
            windows=len(total),
            events=page.events(campaign, sessions),
            figures=page.figures(campaign, FIGURES),
            missing=page.missing_meters(sessions),
            overhead=page.overhead(sessions),
            flags=doubts.counts(tables["runtime_flags"]),
            cross_checks=tables["runtime_checks"].to_dict("records"),
            meters=list(dict.fromkeys(total.meter)),
            sums=list(dict.fromkeys(total.sums)),
            estimate=bool(len(estimates)) and bool(estimates.all()),
            partly=bool(estimates.any() and not estimates.all()),
            flagged=_flagged(total),
            rounds=int(total["round"].nunique()),
            few=bool(len(total)) and _fewest_rounds(total) < 2,
            questions=[
                {
                    "name": name,
                    "asks": asks,
                    "pairs": _pairs(tables["comparisons"], name),
                    "omnibus": _records(tables["omnibus"], name),
                }
                for name, asks in QUESTIONS.items()
            ],
            order=tables["runtime_order"].to_dict("records"),
            order_words=order_effect.words(tables["runtime_order"]),
            shown=SHOWN,
            cells=_cells(tables["runtimes"]),
            correlation=_blank(tables["correlation"]),
            parity=_blank(parity),
            excluded=exclusions(tables["excluded"]),
            status=total.status.value_counts().to_dict(),
            provider=provider,
        )
    )


def _fewest_rounds(total: pd.DataFrame) -> int:
    return int(total.groupby(["model", "runtime", "provider"])["round"].nunique().min())


def _blank(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records in which a missing word is none and a missing number stays missing."""
    words = table.select_dtypes("str").columns
    return table.assign(**{name: table[name].fillna("") for name in words}).to_dict("records")


def _records(table: pd.DataFrame, question: str) -> list[dict[str, Any]]:
    return _blank(table[table.question == question])


def _flagged(total: pd.DataFrame) -> list[dict[str, Any]]:
    """The sessions with windows during which the machine was not theirs, and the worst of them."""
    rows = []
    for session, group in total.groupby("session", sort=False):
        if group.flagged.any():
            worst = group[group.flagged].sort_values("others_share").iloc[-1]
            counts = {"flagged": int(group.flagged.sum()), "windows": len(group)}
            rows.append({"session": session, **counts, "worst": worst.flag})
    return rows


def _pairs(comparisons: pd.DataFrame, question: str) -> list[dict[str, Any]]:
    """One row a pair and batch: energy and time beside each other, and what they say in words."""
    table = comparisons[comparisons.question == question]
    keys = ["model", "batch", "first", "first_provider", "second", "second_provider"]
    rows = []
    for key, group in table.groupby(keys, sort=False):
        both = {row.metric.partition(" ")[0]: row for _, row in group.iterrows()}
        reasons = dict.fromkeys(row.reason for row in both.values() if row.reason)
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                **both,
                "words": _words(both),
                "reasons": "; ".join(reasons),
            }
        )
    return rows


def _words(both: dict[str, pd.Series]) -> str:
    if all(row.reason for row in both.values()):
        return "not compared"
    return "; ".join(verdict(row) for row in both.values())


def _cells(runtimes: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a cell: who, and each shown metric of the total."""
    rows = []
    shown = runtimes[runtimes.domain.isin([TOTAL, ""])]
    keys = [key for key in CELL if key not in ("system", "origin")]
    for key, group in shown.groupby(keys, sort=False):
        values = {row["metric"]: row for row in group.to_dict("records")}
        time, energy = values["time per inference"], values["energy per inference"]
        about = {name: time[name] for name in ("windows", "rounds", "flagged")}
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                **about,
                "values": values,
                "with_energy": energy["windows"],
                "estimate": energy["estimate"],
            }
        )
    return rows


if __name__ == "__main__":
    main()
