"""The raw data of a session in memory."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from analysis.curves import Curve, curve
from metering.trace import read_trace

TOTAL = "total"


@dataclasses.dataclass(frozen=True)
class RawSession:
    """One session as it was measured.

    Attributes:
        facts: session.json.
        windows: windows.jsonl, in order.
        curves: By (segment, domain); a domain that was lost early has a curve that ends early.
        power: By (segment, domain): times in ns and watts as the meter gave them, where it did.
        events: What went wrong with the meters.
    """

    facts: dict[str, Any]
    windows: list[dict[str, Any]]
    curves: dict[tuple[int, str], Curve]
    events: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.facts["spec"]["session"]

    def domains(self, segment: int) -> list[dict[str, Any]]:
        """The domains that the segment's meters found."""
        found = next(s for s in self.facts["segments"] if s["segment"] == segment)
        return found["meters"]["found"]

    def headline(self, segment: int) -> list[dict[str, Any]]:
        """The domains whose sum is the `total`: the measured ones; the estimate only where
        nothing was measured, for the two are never added up."""
        domains = self.domains(segment)
        return [d for d in domains if not d["estimate"]] or domains

    def meter(self) -> str:
        """What the total is read from, in words for a figure."""
        names = [d["label"] for s in self.facts["segments"] for d in self.headline(s["segment"])]
        return " + ".join(dict.fromkeys(names))

    @property
    def estimate(self) -> bool:
        """Whether the total is an estimate."""
        return any(
            d["estimate"] for s in self.facts["segments"] for d in self.headline(s["segment"])
        )


def read_session(folder: Path) -> RawSession:
    """Reads session.json, windows.jsonl, trace.csv and events.jsonl."""
    facts = json.loads((folder / "session.json").read_text())
    domains = {
        (segment["segment"], domain["domain"]): domain
        for segment in facts["segments"]
        for domain in segment["meters"]["found"]
    }
    readings: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for sample in read_trace(folder / "trace.csv"):
        key = sample.segment, sample.domain
        if key in domains and sample.quantity == domains[key]["quantity"]:
            readings[key].append((sample.t_ns, sample.value))
    curves = {}
    for key, pairs in readings.items():
        times, values = zip(*pairs, strict=True)
        if (made := curve(times, values, domains[key])) is not None:
            curves[key] = made
    return RawSession(
        facts, _lines(folder / "windows.jsonl"), curves, _lines(folder / "events.jsonl")
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
