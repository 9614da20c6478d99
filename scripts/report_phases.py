#!/usr/bin/env python3
"""Writes a campaign's report: one self-contained page with its figures, tables and caveats."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
from pathlib import Path

from analysis.pages.phases import render


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


if __name__ == "__main__":
    main()
