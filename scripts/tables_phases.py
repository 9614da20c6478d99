#!/usr/bin/env python3
"""Raw data and scores of the study of phases to tables."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import dataclasses
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.energy.raw import read_session
from analysis.options import tables_parser
from analysis.parallel import map_parallel
from analysis.phases.amplification import amplification_table
from analysis.phases.context import context_table, ends_of, ends_table
from analysis.phases.drift import with_drift
from analysis.phases.estimators import ATTRIBUTION, agreement_table, estimators_table, probed
from analysis.phases.generations import GENERATIONS, POSITION, generations_table, token_energy_table
from analysis.phases.identities import identities_table
from analysis.phases.law import law_tables, laws_of
from analysis.phases.probes import PROBES, probes_table
from analysis.phases.published import published_table, read_paper
from analysis.phases.repeatability import repeatability_table
from analysis.phases.savings import pairs_table, savings_table
from analysis.phases.summary import summary_table
from analysis.quality.checks import checks_of, checks_table
from analysis.quality.flag_tables import (
    FlaggedError,
    common_flags,
    flags_table,
    refuse_flagged,
    session_flags,
    with_session_flags,
)
from analysis.quality.order_effect import describe_drifts, order_rows, order_table
from analysis.quality.windows import windows_table
from analysis.tabular import concatenate, table, write_tables
from metering.torn import RecordingError, read_facts, refuse_duplicates


def main() -> None:
    parser = tables_parser(__doc__)
    parser.add_argument(
        "--scores", nargs="*", default=[], type=Path, help="scores of those that have outputs"
    )
    args = parser.parse_args()
    scored = {path.stem: path for path in args.scores}
    refuse_duplicates({str(path.parent): read_facts(path.parent) for path in args.sessions})

    analyse = functools.partial(
        analyse_session,
        scored=scored,
        resolve_periods=args.resolve_periods,
        confidence=args.confidence,
    )
    found = list(map_parallel(analyse, args.sessions, args.workers))
    ends, order, checks = (
        [row for one in found for row in getattr(one, name)] for name in ("ends", "order", "checks")
    )
    made = {"windows": pd.concat([one.windows for one in found], ignore_index=True)}
    repeated = concatenate([one.probes for one in found], PROBES)
    level = {"confidence": args.confidence}
    common = common_flags(made["windows"])
    prompts = list(probed(repeated, args.confidence))
    laws = laws_of(repeated, **level)
    law, law_points = law_tables(repeated, laws, common=common, **level)
    margin = args.equivalence_margin
    made |= {
        "probes": repeated,
        "estimators": estimators_table(prompts, args.confidence),
        "agreement": agreement_table(prompts, args.confidence, margin, common),
        "law": law,
        "law_points": law_points,
        "order": order_table(order),
    }
    generated = concatenate([one.generations for one in found], GENERATIONS)
    refuse_mixed_meters(generated)
    along = concatenate([one.position for one in found], POSITION)
    pairs = pairs_table(generated)
    summary = summary_table(generated, repeated, common=common, **level)
    paper = read_paper()
    amplification = amplification_table(generated, repeated, laws, paper, common=common, **level)
    made |= {
        "generations": generated,
        "position": along,
        "pairs": pairs,
        "summary": summary.assign(**level),
        "savings": savings_table(pairs, margin=margin, common=common, **level),
        "amplification": amplification,
        "ends": ends_table(ends, **level),
        "context": context_table(along, generated, law, **level),
        "identities": identities_table(generated, repeated, args.confidence, common),
        "repeatability": repeatability_table(generated, **level),
        "published": published_table(generated, summary, amplification, law, laws, paper, **level),
    }
    attributed = (summary.estimator == ATTRIBUTION).any()
    kinds = ("generation", "probe", *(("prefill", "decode") if attributed else ()))
    refuse_flagged(args.strict, made["windows"], kinds, "the summary")
    flags = flags_table(made["windows"])
    made |= {"flags": flags, "checks": checks_table(checks)}
    who = made["windows"][["session", "model", "workload"]].drop_duplicates()
    made = with_session_flags(made, who, session_flags(flags))
    made = with_drift(made, who, describe_drifts(made["order"]))
    write_tables(made, args.out)


@dataclasses.dataclass(frozen=True)
class Analysed:
    """What one session gives to the tables; without outputs some of it is empty."""

    windows: pd.DataFrame
    probes: pd.DataFrame
    generations: pd.DataFrame
    position: pd.DataFrame
    ends: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    order: list[dict[str, Any]]


def analyse_session(
    session_file: Path, scored: Mapping[str, Path], resolve_periods: float, confidence: float
) -> Analysed:
    """Of the raw data and scores of one session; sessions need nothing of each other."""
    session = read_session(session_file.parent)
    windows = windows_table(session, resolve_periods)
    generations, position, ends = table([], GENERATIONS), table([], POSITION), []
    if session.name in scored:
        scores = json.loads(scored[session.name].read_text(encoding="utf-8"))["scores"]
        by_name = {score["generation"]: score for score in scores}
        generations = generations_table(session, windows, by_name)
        position = token_energy_table(session, resolve_periods=resolve_periods)
        ends = ends_of(session, resolve_periods)
    return Analysed(
        windows,
        probes_table(session, windows, resolve_periods),
        generations,
        position,
        ends,
        checks_of(session),
        order_rows(session, resolve_periods, confidence),
    )


def refuse_mixed_meters(generations: pd.DataFrame) -> None:
    for (model, workload), group in generations.groupby(["model", "workload"]):
        if group.meter.nunique() > 1:
            meters = "; ".join(sorted(group.meter.unique()))
            sys.exit(
                f"error: {model} on {workload} was read by different meters, which are never"
                f" mixed: {meters}; analyse those sessions in campaigns of their own"
            )


if __name__ == "__main__":
    try:
        main()
    except (FlaggedError, RecordingError) as error:
        sys.exit(f"error: {error}")
