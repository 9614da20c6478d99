"""Who is compared with whom, by the three questions of the study, and why some are not.

RQ1: frameworks, on one provider. RQ2: ONNX Runtime on its export, against the framework that the
export came from, on one provider; a provider that no framework has (TensorRT) stands against the
plain one of its place (CUDA). RQ3: one export, provider against provider. After Alizadeh and Castor
(arXiv 2402.13640). What these leave out of any engine against any other in one place is
`engine_pairs`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.runtimes.order import provider_rank
from analysis.runtimes.providers import place
from analysis.runtimes.wording import provider

# What is asked beyond the study: engine against engine.
ENGINES = "engines"


@dataclasses.dataclass(frozen=True, order=True)
class Subject:
    """A runtime on a provider: what is compared. `origin` is what an export came from."""

    title: str
    system: str
    origin: str | None
    provider: str


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two cells, the first to be compared with the second.

    Attributes:
        within: The provider, or the export, that both are of.
    """

    question: str
    within: str
    model: str
    batch: int
    first: Subject
    second: Subject

    @property
    def keys(self) -> tuple[tuple, tuple]:
        """(model, batch, runtime, provider) of each."""
        sides = self.first, self.second
        return tuple((self.model, self.batch, side.title, side.provider) for side in sides)

    @property
    def columns(self) -> dict[str, Any]:
        """For a row of a table."""
        return {
            "question": self.question,
            "within": self.within,
            "model": self.model,
            "batch": self.batch,
            "first": self.first.title,
            "first_provider": self.first.provider,
            "second": self.second.title,
            "second_provider": self.second.provider,
        }


def planned_pairs(sessions: Sequence[Mapping[str, Any]]) -> Iterator[Pair]:
    """Every pair of the three questions, of every model and batch, also of what was excluded."""
    return _of_batches(sessions, _pairs)


def engine_pairs(sessions: Sequence[Mapping[str, Any]]) -> Iterator[Pair]:
    """Likewise of any two in one place that no question of the study compares: two engines that run
    one export, and a framework beside another one's export. Two exports of one network are no pair:
    what differs would be of the exporters."""
    return _of_batches(sessions, _engines)


def _of_batches(
    sessions: Sequence[Mapping[str, Any]],
    pairs: Callable[[Sequence[Subject]], Iterator[tuple[str, str, Subject, Subject]]],
) -> Iterator[Pair]:
    batches: dict[str, dict[int, None]] = {}
    for facts in sessions:
        known = batches.setdefault(facts["spec"]["model"], {})
        known |= dict.fromkeys(facts["spec"]["batch_sizes"])
    for model, those in _subjects(sessions).items():
        for batch, (question, within, first, second) in itertools.product(
            batches[model], list(pairs(those))
        ):
            yield Pair(question, within, model, batch, first, second)


def _subjects(sessions: Sequence[Mapping[str, Any]]) -> dict[str, list[Subject]]:
    """Those of each model, in the order of the sessions, also the excluded ones."""
    found: dict[str, dict[Subject, None]] = {}
    for facts in sessions:
        spec = facts["spec"]
        names = spec["title"], spec["system"], spec["origin"], spec["provider"]
        found.setdefault(spec["model"], {})[Subject(*names)] = None
    return {model: list(those) for model, those in found.items()}


def _pairs(those: Sequence[Subject]) -> Iterator[tuple[str, str, Subject, Subject]]:
    frameworks = [s for s in those if s.origin is None]
    exports = [s for s in those if s.origin is not None]
    for second, first in itertools.combinations(frameworks, 2):
        if first.provider == second.provider:
            yield "RQ1", first.provider, first, second
    theirs = {framework.provider for framework in frameworks}
    for first, second in itertools.product(exports, frameworks):
        where = first.provider if first.provider in theirs else place(first.provider)
        if first.origin == second.system and where == second.provider:
            yield "RQ2", where, first, second
    for one, other in itertools.combinations(exports, 2):
        if (one.system, one.origin) == (other.system, other.origin):
            # The later of the providers is compared with the earlier.
            second, first = sorted((one, other), key=lambda s: provider_rank(s.provider))
            yield "RQ3", first.title, first, second


def _engines(those: Sequence[Subject]) -> Iterator[tuple[str, str, Subject, Subject]]:
    asked = {frozenset((first, second)) for _, _, first, second in _pairs(those)}
    for second, first in itertools.combinations(those, 2):
        where, other = place(first.provider), place(second.provider)
        one_export = None in (first.origin, second.origin) or first.origin == second.origin
        if where == other and one_export and frozenset((first, second)) not in asked:
            yield ENGINES, where, first, second


def excluded_why(sessions: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], str]:
    """By (model, runtime, provider), why it was not measured."""
    return {
        (facts["spec"]["model"], facts["spec"]["title"], facts["spec"]["provider"]): (
            f"{facts['excluded']['stage']}: {facts['excluded']['why']}"
        )
        for facts in sessions
        if facts["excluded"]
    }


def why_missing(side: Subject, cell: pd.DataFrame | None, column: str, out: str | None) -> str:
    """Why there is nothing to compare of one side; empty where there is something.

    Args:
        cell: Its rounds, as of `rounds_table`.
        out: Why it was not measured, if it is known.
    """
    name = f"{side.title} on {provider(side.provider)}"
    if cell is None:
        return f"{name}: {out}" if out else f"no {name}"
    if cell[column].notna().any():
        return ""
    if cell.inference_j_windows.any():
        return f"{name}: no idle was measured"
    return f"{name}: no window has an energy ({', '.join(dict.fromkeys(cell.status))})"


def why_incomparable(first: pd.DataFrame, second: pd.DataFrame, metered: bool) -> str:
    """Why two cells that have figures must not be compared; empty where they may be."""
    for column, what in (("machine", "machines"), ("meter", "meters"), ("sums", "domains")):
        names = [" and ".join(sorted(cell[column].unique())) for cell in (first, second)]
        if names[0] != names[1] and (metered or column == "machine"):
            return f"different {what}: {names[0]}; against {names[1]}"
    return ""
