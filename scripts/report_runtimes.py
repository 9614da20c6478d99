#!/usr/bin/env python3
"""Writes the report of the study of runtimes: one self-contained page with figures and caveats."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
from pathlib import Path

from analysis.pages.runtimes import render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument(
        "--sessions", nargs="+", required=True, type=Path, help="session.json files"
    )
    parser.add_argument("--out", required=True, type=Path, help="the page to write")
    args = parser.parse_args()
    sessions = [json.loads(path.read_text(encoding="utf-8")) for path in args.sessions]
    args.out.write_text(render(args.campaign, sessions), encoding="utf-8")


if __name__ == "__main__":
    main()
