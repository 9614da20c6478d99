#!/usr/bin/env python3
"""Raw data of the study of runtimes to tables: inferences, runtimes, comparisons, engines,
omnibus, correlation, order, parity, excluded, systems."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.energy.raw import read_session
from analysis.options import tables_parser
from analysis.parallel import map_parallel
from analysis.quality.checks import checks_of, checks_table
from analysis.quality.flag_tables import (
    FlaggedError,
    all_windows,
    common_flags,
    flags_table,
    refuse_flagged,
    session_flags,
    with_session_flags,
)
from analysis.quality.order_effect import order_rows, order_table
from analysis.runtimes.accounts import excluded_table, parity_table
from analysis.runtimes.cells import cells_table
from analysis.runtimes.comparisons import How, comparisons_table
from analysis.runtimes.correlation import correlation_table
from analysis.runtimes.drift import with_drift
from analysis.runtimes.inferences import (
    concatenate,
    inference_windows,
    inferences_table,
    mixed_meters,
)
from analysis.runtimes.omnibus import omnibus_table
from analysis.runtimes.order import ordered
from analysis.runtimes.pairs import engine_pairs
from analysis.runtimes.rounds import rounds_table
from analysis.runtimes.systems import systems_table
from analysis.tabular import write_tables
from metering.torn import RecordingError, read_facts, refuse_duplicates

# What flags of windows are told by.
FLAGGED = ("session", "kind", "domain", "flags", "unknown")


def main() -> None:
    parser = tables_parser(__doc__)
    parser.add_argument(
        "--planned", type=json.loads, default=[], help="the planned sessions, as a JSON list"
    )
    args = parser.parse_args()

    read = {str(path.parent): read_facts(path.parent) for path in args.sessions}
    refuse_duplicates(read)
    folders, sessions = {}, []
    for folder, facts in read.items():
        if facts.get("study") != "runtimes":
            sys.exit(f"error: {facts['spec']['session']} is no session of the study of runtimes")
        folders[facts["spec"]["session"]] = Path(folder)
        sessions.append(facts)
    sessions = ordered(sessions)
    measured = [folders[f["spec"]["session"]] for f in sessions if not f["excluded"]]
    analyse = functools.partial(
        analyse_session, resolve_periods=args.resolve_periods, confidence=args.confidence
    )
    found = list(map_parallel(analyse, measured, args.workers))
    inferences = concatenate([one.inferences for one in found])
    checks = [row for one in found for row in one.checks]
    order = [row for one in found for row in one.order]
    if mixed := mixed_meters(inferences):
        sys.exit(
            f"error: read by different meters, which are never mixed: {mixed};"
            " analyse those sessions in campaigns of their own"
        )
    flagged = all_windows([one.flagged for one in found])
    refuse_flagged(args.strict, flagged, ("inference",), "the summary")
    common = common_flags(flagged)
    rounds = rounds_table(inferences)
    clean = rounds_table(inferences, common=common, clean_only=True)
    how = How(args.confidence, args.equivalence_margin)
    comparisons = comparisons_table(rounds, clean, sessions, how)
    engines = comparisons_table(rounds, clean, sessions, how, engine_pairs)
    drift = order_table(order)
    flags = flags_table(flagged)
    alpha = 1 - args.confidence
    tables = {
        "inferences": inferences,
        "runtimes": cells_table(rounds, clean, args.confidence),
        "comparisons": with_drift(comparisons, drift, inferences, alpha),
        "engines": with_drift(engines, drift, inferences, alpha),
        "omnibus": omnibus_table(rounds, comparisons),
        "correlation": correlation_table(rounds, clean, args.confidence),
        "runtime_order": drift,
        "parity": parity_table(sessions),
        "excluded": excluded_table(sessions, inferences, args.planned),
        "systems": systems_table(sessions),
        "runtime_flags": flags,
        "runtime_checks": checks_table(checks),
    }
    who = inferences[["session", "model", "runtime", "provider"]].drop_duplicates()
    tables = with_session_flags(tables, who, session_flags(flags))
    write_tables(tables, args.out)


@dataclasses.dataclass(frozen=True)
class Analysed:
    """What one session gives: its inferences, the flags of all windows, checks, order effects."""

    inferences: pd.DataFrame
    flagged: pd.DataFrame
    checks: list[dict[str, Any]]
    order: list[dict[str, Any]]


def analyse_session(folder: Path, resolve_periods: float, confidence: float) -> Analysed:
    """Of the raw data of one session; sessions need nothing of each other."""
    session = read_session(folder)
    windows = inference_windows(session, resolve_periods)
    return Analysed(
        inferences_table(session, windows),
        windows[list(FLAGGED)],
        checks_of(session),
        order_rows(session, resolve_periods, confidence),
    )


if __name__ == "__main__":
    try:
        main()
    except (FlaggedError, RecordingError) as error:
        sys.exit(f"error: {error}")
