#!/usr/bin/env python3
"""Writes the page of the study of the meters: how far off they are."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import sys
from pathlib import Path

from analysis.pages.meters import render
from metering.torn import RecordingError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--session", required=True, type=Path, help="the session's folder, with its tables"
    )
    parser.add_argument("--out", required=True, type=Path, help="the page to write")
    args = parser.parse_args()
    try:
        args.out.write_text(render(args.session), encoding="utf-8")
    except RecordingError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
