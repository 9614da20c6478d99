#!/usr/bin/env python3
"""Raw data of the study of runtimes to tables: inferences, runtimes, comparisons, omnibus,
correlation, parity, excluded."""

from __future__ import annotations

import json
import sys

from analysis.options import tables_parser
from analysis.raw import read_session
from analysis.runtimes.accounts import excluded_table, parity_table
from analysis.runtimes.cells import Bootstrap, cells_table
from analysis.runtimes.comparisons import comparisons_table, omnibus_table
from analysis.runtimes.correlation import correlation_table
from analysis.runtimes.inferences import inferences_table, mixed_meters, together
from analysis.runtimes.order import ordered


def main() -> None:
    parser = tables_parser(__doc__)
    parser.add_argument(
        "--planned", type=json.loads, default=[], help="the planned sessions, as a JSON list"
    )
    args = parser.parse_args()

    resolve = args.resolve_periods
    folders, sessions = {}, []
    for path in args.sessions:
        facts = json.loads(path.read_text())
        if facts.get("study") != "runtimes":
            sys.exit(f"error: {facts['spec']['session']} is no session of the study of runtimes")
        folders[facts["spec"]["session"]] = path.parent
        sessions.append(facts)
    sessions = ordered(sessions)
    inferences = together(
        [
            inferences_table(read_session(folders[facts["spec"]["session"]]), resolve)
            for facts in sessions
            if not facts["excluded"]
        ]
    )
    if mixed := mixed_meters(inferences):
        sys.exit(
            f"error: read by different meters, which are never mixed: {mixed};"
            " analyse those sessions in campaigns of their own"
        )
    bootstrap = Bootstrap(args.confidence, args.resamples, args.seed)
    comparisons = comparisons_table(inferences, sessions, bootstrap)
    tables = {
        "inferences": inferences,
        "runtimes": cells_table(inferences, bootstrap),
        "comparisons": comparisons,
        "omnibus": omnibus_table(inferences, comparisons),
        "correlation": correlation_table(inferences, bootstrap),
        "parity": parity_table(sessions),
        "excluded": excluded_table(sessions, inferences, args.planned),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(args.out / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main()
