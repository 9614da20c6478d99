#!/usr/bin/env python3
"""Raw data of the study of the meters to its tables."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import sys
from pathlib import Path

from analysis.energy.raw import read_session
from analysis.meters.loads import load_windows, loads_table, phases_table
from analysis.tabular import write_tables
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
    write_tables({"loads": loads, "phases": phases_table(session)}, args.session)


if __name__ == "__main__":
    main()
