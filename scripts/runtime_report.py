#!/usr/bin/env python3
"""Writes the report of the study of runtimes: one self-contained page with figures and caveats."""

from __future__ import annotations

import interrupts  # noqa: F401

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import doubts, order_effect, page
from analysis.raw import TOTAL
from analysis.runtimes import shown
from analysis.runtimes.order import ordered
from analysis.runtimes.words import exclusions, provider

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
    ("of it above idle", "energy per inference above idle", True),
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
    inferences, omnibus, parity = (tables[name] for name in ("inferences", "omnibus", "parity"))
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
            busy=shown.busy(total),
            rounds=int(total["round"].nunique()),
            fewest=_fewest_rounds(total),
            margin=_one(tables["comparisons"].margin),
            confidence=_one(tables["comparisons"].confidence),
            questions=[
                {
                    "name": name,
                    "asks": asks,
                    "verdicts": shown.verdicts(tables["comparisons"], name),
                    "pairs": shown.pairs(tables["comparisons"], name),
                    "omnibus": shown.blank(omnibus[omnibus.question == name]),
                }
                for name, asks in QUESTIONS.items()
            ],
            order=tables["runtime_order"].to_dict("records"),
            order_words=order_effect.words(tables["runtime_order"]),
            columns=SHOWN,
            cells=shown.cells(tables["runtimes"]),
            spreads=shown.spreads(tables["runtimes"]),
            correlation=shown.blank(tables["correlation"]),
            parity=shown.blank(parity),
            excluded=exclusions(tables["excluded"]),
            status=total.status.value_counts().to_dict(),
            provider=provider,
        )
    )


def _fewest_rounds(total: pd.DataFrame) -> int | None:
    if not len(total):
        return None
    return int(total.groupby(["model", "runtime", "provider"])["round"].nunique().min())


def _one(column: pd.Series) -> float | None:
    return float(column.iloc[0]) if len(column) else None


if __name__ == "__main__":
    main()
