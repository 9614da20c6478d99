"""What the report pages of both studies share: their environment, figures, events, meters."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from metering.torn import read_lines

TEMPLATES = Path(__file__).parent
# The captions are those of Snakemake's own report.
CAPTIONS = Path(__file__).parents[2] / "report"


def environment() -> jinja2.Environment:
    """Where the templates are rendered: nothing unescaped, nothing undefined."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters |= {"number": number, "percent": percent}
    return made


def figures(campaign: Path, titles: Mapping[str, str]) -> list[dict[str, str]]:
    """The campaign's figures, in the page itself, with their titles and captions."""
    return [
        {
            "title": title,
            "caption": (CAPTIONS / f"{name}.rst").read_text(),
            "image": base64.b64encode((campaign / "figures" / f"{name}.png").read_bytes()).decode(),
        }
        for name, title in titles.items()
    ]


def events(campaign: Path, sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What went wrong with the meters, with the session in which it did."""
    found = []
    for session in sessions:
        name = session["spec"]["session"]
        events = read_lines(campaign / "raw" / name / "events.jsonl")
        found += [{"session": name, **event} for event in events]
    return found


def overhead(sessions: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """What metering took, smallest and largest over sessions: the sampler's share of one core, and
    seconds from a process's start to its first window; none where no session says."""
    stats = [s["sampler"] for s in sessions if s.get("sampler")]
    shares = [one["cpu_s"] / one["wall_s"] for one in stats if one["wall_s"] > 0]
    firsts = [
        g["first_window_s"] for s in sessions for g in s["segments"] if g.get("first_window_s")
    ]
    return {
        name: [min(values), max(values)] if values else []
        for name, values in (("core_share", shares), ("first_window_s", firsts))
    }


def missing_meters(sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The meters that were not there and why, once each."""
    every = (m for s in sessions for g in s["segments"] for m in g["meters"]["missing"])
    return list({(m["meter"], m["why"]): m for m in every}.values())


def number(value: float) -> str:
    """Three significant digits; a dash where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float) -> str:
    """A share in percent; a dash where there is no value."""
    return "–" if pd.isna(value) else f"{value:.1%}"
