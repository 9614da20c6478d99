#!/usr/bin/env python3
"""Draws one figure of a campaign, as PNG for pages and PDF for papers."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis.figures import FIGURES, Campaign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=FIGURES)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument("--png", required=True, type=Path)
    parser.add_argument("--pdf", required=True, type=Path)
    args = parser.parse_args()
    figure = FIGURES[args.name](Campaign(args.campaign))
    figure.savefig(args.png, dpi=160)
    figure.savefig(args.pdf, metadata={"CreationDate": None})


if __name__ == "__main__":
    main()
