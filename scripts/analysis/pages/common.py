"""What the report pages of both studies share: their environment, figures, events, meters."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from analysis.figures import FigureSpec
from analysis.quality.flag_tables import abbreviated
from metering.torn import read_lines

TEMPLATES = Path(__file__).parent
# Beside each figure, what is known of it: why it is empty, or null.
ABOUT, LEFT_OUT = ".json", "left_out"
# A list of more rows than this folds.
FEW = 8


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
    made.globals |= {"few": FEW, "counted": count}
    return made


def figures(campaign: Path, specs: Mapping[str, FigureSpec]) -> list[dict[str, Any]]:
    """The campaign's figures, in the page itself, with their titles and captions; of one that has
    nothing to show why."""
    return [_figure(campaign / "figures" / f"{name}.png", spec) for name, spec in specs.items()]


def _figure(file: Path, spec: FigureSpec) -> dict[str, Any]:
    why = left_out(file)
    if why is not None:
        return {"title": spec.title, LEFT_OUT: why}
    return {
        "title": spec.title,
        LEFT_OUT: None,
        "caption": spec.caption,
        "image": base64.b64encode(file.read_bytes()).decode(),
    }


def left_out(figure: Path) -> str | None:
    """Why a figure that was made has nothing to show; None where it has."""
    about = figure.with_suffix(ABOUT)
    return json.loads(about.read_text(encoding="utf-8"))[LEFT_OUT] if about.is_file() else None


def events(campaign: Path, sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What went wrong with the meters: one row an event of a kind, domain and reason, with the
    `sessions` in which it did."""
    found: dict[tuple, dict[str, None]] = {}
    for session in sessions:
        name = session["spec"]["session"]
        for event in read_lines(campaign / "raw" / name / "events.jsonl"):
            key = event["kind"], event["domain"], event["why"]
            found.setdefault(key, {})[name] = None
    return [
        {"kind": kind, "domain": domain, "why": why, "sessions": abbreviated(list(names))}
        for (kind, domain, why), names in found.items()
    ]


def describe_sessions(sessions: Sequence[Mapping[str, Any]]) -> str:
    """How many sessions there are, in how many rounds, how many were excluded, on what and when."""
    rounds = len({s["spec"]["round"] for s in sessions})
    excluded = sum(bool(s.get("excluded")) for s in sessions)
    segments = [segment for session in sessions for segment in session["segments"]]
    devices = dict.fromkeys(segment["device"] for segment in segments)
    days = sorted({segment["started_utc"][:10] for segment in segments})
    parts = [f"{count(len(sessions), 'session')} in {count(rounds, 'round')}"]
    if excluded:
        parts.append(f"{excluded} of them excluded")
    if len(segments) > len(sessions) - excluded:
        parts.append(count(len(segments), "segment"))
    if devices:
        parts.append(f"on {', '.join(devices)}")
    if days:
        parts.append(days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}")
    return ", ".join(parts)


def count(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


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
