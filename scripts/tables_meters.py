#!/usr/bin/env python3
"""Raw data of the study of the meters to a table, a figure and a page."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import sys
from pathlib import Path

from analysis.energy.raw import read_session
from analysis.figures.drawing.style import NothingToShowError
from analysis.meters.figure import draw
from analysis.meters.loads import load_windows, loads_table, phases_table
from analysis.pages.meters import render
from metering.torn import RecordingError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--session", required=True, type=Path, help="the session's folder")
    parser.add_argument("--resolve-periods", type=float, default=2)
    parser.add_argument("--confidence", type=float, default=0.95)
    args = parser.parse_args()
    try:
        session = read_session(args.session)
    except RecordingError as error:
        sys.exit(f"error: {error}")
    loads = loads_table(load_windows(session, args.resolve_periods), args.confidence)
    loads.to_parquet(args.session / "loads.parquet", index=False)
    phases = phases_table(session)
    phases.to_parquet(args.session / "phases.parquet", index=False)
    figure, left_out = args.session / "loads.png", ""
    try:
        draw(loads).savefig(figure, dpi=150)
    except NothingToShowError as error:
        left_out = str(error)
        figure.write_bytes(b"")
    page = render(session, loads, phases, left_out)
    (args.session / "meters.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
