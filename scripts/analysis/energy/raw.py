"""The raw data of a session in memory."""

from __future__ import annotations

import csv
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.energy.curves import Curve, Energy, curve
from analysis.energy.domains import Total, mirrors_of, total_of
from analysis.energy.readings import Key, Readings, read_readings
from metering.meter import MeterError, error_message, parse_domain
from metering.torn import REMEDY, TornError, read_facts, read_lines

TOTAL = "total"
# Kinds of windows in which there is work.
WORK = ("inference", "generation", "prefill", "decode", "check", "probe", "load")
# What a total is read from where there is none.
UNMETERED = "none: what did the work was not metered"

States = dict[tuple[int, str, str], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class RawSession:
    """One session as it was measured.

    Attributes:
        facts: session.json.
        windows: windows.jsonl, in order.
        curves: By (segment, domain); a domain that was lost early has a curve that ends early.
        events: What went wrong with the meters.
        states: By (segment, domain, quantity), times in nanoseconds and values of what was read
            beside energy, about once a second; and of the power of domains with a counter.
    """

    facts: dict[str, Any]
    windows: list[dict[str, Any]]
    curves: dict[tuple[int, str], Curve]
    events: list[dict[str, Any]]
    states: States = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.facts["spec"]["session"]

    @property
    def batch(self) -> int:
        """Sequences that are decoded together."""
        return self.facts["spec"].get("batch_size", 1)

    @property
    def replay_of(self) -> str | None:
        """The model whose recorded outputs were forced, if they were."""
        replay = self.facts["spec"].get("replay")
        return replay and replay["model"]

    @property
    def seeded(self) -> bool:
        """Whether the model's weights are seeded and not learnt."""
        return self.facts["spec"].get("source") == "init"

    @property
    def model(self) -> str:
        """The model as tables and figures call it, with what sets the session apart from the
        study's: a precision that was asked for, and a replay."""
        spec = self.facts["spec"]
        words = [spec["model"]]
        if spec.get("dtype", "auto") != "auto":
            words.append(spec["dtype"])
        if self.replay_of:
            words.append(f"replay of {self.replay_of}")
        return ", ".join(words)

    @property
    def workload(self) -> str:
        """The workload likewise: a batch, and sampling."""
        words = [self.facts["spec"]["workload"]]
        if self.batch > 1:
            words.append(f"batch {self.batch}")
        if self.facts["spec"].get("decoding", "greedy") != "greedy":
            words.append(self.facts["spec"]["decoding"])
        return ", ".join(words)

    @property
    def labels(self) -> dict[str, Any]:
        """What the tables say of every row of a session of the study of phases."""
        spec = self.facts["spec"]
        return {
            "model": self.model,
            "workload": self.workload,
            "benchmark": spec["workload"],
            "batch": self.batch,
            "replay_of": self.replay_of,
            "published_model": spec.get("entry", {}).get("published"),
        }

    def device(self, segment: int) -> str:
        """What did the work of the segment: `cpu`, `cuda:N`."""
        return self._segment(segment)["device"]

    def domains(self, segment: int) -> list[dict[str, Any]]:
        """The domains that the segment's meters found."""
        return self._segment(segment)["meters"]["found"]

    @functools.cached_property
    def totals(self) -> dict[int, Total]:
        """By segment, what its total sums, or why it has none."""
        made = {}
        for segment in self.facts["segments"]:
            number = segment["segment"]
            curves = {d: c for (part, d), c in self.curves.items() if part == number}
            made[number] = total_of(segment, curves, self.mirrors[number])
        return made

    @functools.cached_property
    def mirrors(self) -> dict[int, dict[str, str]]:
        """By segment and domain, an earlier domain whose counter it shows too."""
        made = {}
        for segment in self.facts["segments"]:
            number = segment["segment"]
            found = [parse_domain(record) for record in self.domains(number)]
            curves = {d: c for (part, d), c in self.curves.items() if part == number}
            made[number] = mirrors_of(found, curves)
        return made

    def headline(self, segment: int) -> list[dict[str, Any]]:
        """The domains whose sum is the `total`, see `domains.total_of`; none where there is no
        total, since what did the work was not measured."""
        parts = self.totals[segment].parts
        return [d for d in self.domains(segment) if d["domain"] in parts]

    def total(self, segment: int, start_ns: Sequence[int], end_ns: Sequence[int]) -> Energy:
        """Energies under `total` between pairs of times; NaN where a part of the sum is missing, or
        there is no total."""
        joules, variance = np.zeros(len(start_ns)), np.zeros(len(start_ns))
        if not self.totals[segment].parts:
            joules = variance = np.full(len(start_ns), np.nan)
        for domain in self.headline(segment):
            curve = self.curves.get((segment, domain["domain"]))
            if curve is None:
                missing = np.full(len(start_ns), np.nan)
                return Energy(missing, missing)
            energy = curve.energy(start_ns, end_ns)
            joules, variance = joules + energy.joules, variance + energy.uncertainty_j**2
        return Energy(joules, np.sqrt(variance))

    def period_s(self, segment: int) -> float:
        """How often the slowest part of the total has news; NaN where none has any."""
        curves = [self.curves.get((segment, d["domain"])) for d in self.headline(segment)]
        return max((c.period_s for c in curves if c is not None), default=np.nan)

    def periods_s(self, segment: int, start_ns: Sequence[int], end_ns: Sequence[int]) -> np.ndarray:
        """The same at the edges of windows, for where samples of the power fail the meter is
        slower."""
        found = np.full(len(start_ns), np.nan)
        for domain in self.headline(segment):
            if (curve := self.curves.get((segment, domain["domain"]))) is not None:
                found = np.fmax(found, curve.periods_s(start_ns, end_ns))
        return found

    def _segment(self, segment: int) -> dict[str, Any]:
        return next(s for s in self.facts["segments"] if s["segment"] == segment)

    def meter(self) -> str:
        """What the total is read from, in words for a figure."""
        names = [d["label"] for s in self.facts["segments"] for d in self.headline(s["segment"])]
        return " + ".join(dict.fromkeys(names)) or UNMETERED

    @property
    def estimate(self) -> bool:
        """Whether the total is an estimate."""
        return any(
            d["estimate"] for s in self.facts["segments"] for d in self.headline(s["segment"])
        )


def read_session(folder: Path) -> RawSession:
    """Reads session.json, windows.jsonl, trace.csv and events.jsonl. Raises TornError, in one line,
    where one of them is not whole."""
    facts = read_facts(folder)
    windows, events = (read_lines(folder / name) for name in ("windows.jsonl", "events.jsonl"))
    readings = _readings(folder / "trace.csv")
    curves = _curves(readings, facts["segments"])
    states = {key: found.floats for key, found in readings.items() if key[2] != "energy"}
    return RawSession(facts, windows, curves, events, states)


def _readings(trace: Path) -> Mapping[Key, Readings]:
    try:
        return read_readings(trace)
    except (MeterError, ValueError, csv.Error) as error:
        raise TornError(f"{trace} is damaged: {error_message(error, 300)}{REMEDY}") from None


def read_unfinished(folder: Path, segments: Sequence[dict[str, Any]]) -> RawSession:
    """The same of a session that is still being measured, which has no session.json: of its facts
    only the segments."""
    curves = _curves(read_readings(folder / "trace.csv"), segments)
    return RawSession({"segments": segments}, read_lines(folder / "windows.jsonl"), curves, [])


def _curves(
    readings: Mapping[Key, Readings], segments: Sequence[dict[str, Any]]
) -> dict[tuple[int, str], Curve]:
    """By (segment, domain), the curves of the meters that the segments found."""
    domains = {
        (segment["segment"], domain["domain"]): domain
        for segment in segments
        for domain in segment["meters"]["found"]
    }
    curves = {}
    for key, domain in domains.items():
        counted = readings.get((*key, domain["quantity"]))
        if counted is None:
            continue
        way = domain["details"].get("power")
        power = None
        if domain["quantity"] == "power":
            counted = counted.best(otherwise=way)
        elif beside := readings.get((*key, "power")):
            # A mean over a second says nothing of when.
            beside = beside.best("samples", "instant", otherwise=way)
            power = (beside.times_ns, beside.values) if len(beside.times_ns) else None
        made = curve(counted.times_ns, counted.values, domain, power)
        if made is not None:
            curves[key] = made
    return curves
