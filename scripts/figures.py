#!/usr/bin/env python3
"""Draws one figure of a campaign, as PNG for pages and PDF for papers; where there is nothing to
show both are empty, and a JSON file beside them says why."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures import PAGES, FigureError, figures, load, source_of
from analysis.figures.drawing.campaign import Campaign
from analysis.figures.drawing.style import NothingToShowError
from analysis.pages.common import ABOUT, LEFT_OUT
from analysis.pages.top import commonest
from analysis.quality.flag_tables import note
from metering.torn import RecordingError


def main() -> None:
    try:
        known = figures()
    except FigureError as error:
        sys.exit(f"error: {error}")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=known)
    parser.add_argument("--campaign", required=True, type=Path, help="the campaign's folder")
    parser.add_argument("--png", required=True, type=Path)
    parser.add_argument("--pdf", required=True, type=Path)
    args = parser.parse_args()
    spec, left_out = known[args.name], None
    page = PAGES[spec.page]
    campaign = Campaign(args.campaign, spec.reads, spec.sessions, page.tables)
    try:
        figure = load(args.name)(campaign)
    except NothingToShowError as error:
        left_out = " ".join(str(error).split())
        for file in (args.png, args.pdf):
            file.write_bytes(b"")
    except FigureError as error:
        sys.exit(f"error: {source_of(args.name)}: {error}")
    except RecordingError as error:
        sys.exit(f"error: {error}")
    else:
        here = paper = None
        if page.flags:
            flags = campaign.table(page.flags)
            # What most windows carry stands once at the top of the page; a paper has no such page.
            here, paper = note(flags, besides=commonest(flags)), note(flags)
        save(figure, args.png, here, dpi=spec.dpi)
        save(figure, args.pdf, paper, metadata={"CreationDate": None})
    args.png.with_suffix(ABOUT).write_text(
        json.dumps({LEFT_OUT: left_out}) + "\n", encoding="utf-8"
    )


def save(figure: Figure, file: Path, doubt: str | None, **how) -> None:
    """Writes a figure, with what a reader must doubt under it."""
    if doubt is None:
        figure.savefig(file, **how)
        return
    words = figure.text(0.5, -0.02, doubt, ha="center", va="top", color="#B00000", fontsize=8)
    figure.savefig(file, bbox_inches="tight", pad_inches=0.08, **how)
    words.remove()


if __name__ == "__main__":
    main()
