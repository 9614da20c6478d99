#!/usr/bin/env python3
"""Draws one figure of a campaign, as PNG for pages and PDF for papers."""

from __future__ import annotations

import interrupts  # noqa: F401

import argparse
import sys
from pathlib import Path

from analysis.doubts import note
from analysis.figures import FIGURES, Campaign
from metering.torn import RecordingError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FIGURES)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument("--png", required=True, type=Path)
    parser.add_argument("--pdf", required=True, type=Path)
    args = parser.parse_args()
    campaign = Campaign(args.campaign)
    try:
        figure = FIGURES[args.name](campaign)
    except RecordingError as error:
        sys.exit(f"error: {error}")
    how = {}
    if doubt := note(campaign.flags("runtime_flags" if "runtimes" in args.name else "flags")):
        figure.text(0.5, -0.02, doubt, ha="center", va="top", color="#B00000", fontsize=8)
        how = {"bbox_inches": "tight", "pad_inches": 0.08}
    figure.savefig(args.png, dpi=160, **how)
    figure.savefig(args.pdf, metadata={"CreationDate": None}, **how)


if __name__ == "__main__":
    main()
