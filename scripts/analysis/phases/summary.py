"""Generations to summaries with intervals. Pure functions on tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.split import Split, phases_of, resolved
from analysis.quality.flag_tables import clean
from analysis.statistics import prompts
from analysis.statistics.estimate import PROMPTS, Estimate
from analysis.tabular import table

# How an interval comes about. Of a process: joules and seconds, so that one round has none. Within
# one: what a process adds cancels. A share that is near 0 or 1 for some prompts. And what the
# process has no hand in.
PROCESS, WITHIN, SHARE, PROMPT = "process", "within", "share", "prompt"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A mean over tasks, or a ratio of sums over them where there is a column below.

    Attributes:
        phase: Whether it needs the phases told apart.
        signed: Whether it may be below zero.
    """

    name: str
    unit: str
    above: str
    below: str | None
    how: str
    phase: bool = False
    signed: bool = False


METRICS = (
    Metric("energy per generation", "J", "total_j", None, PROCESS),
    Metric("energy per generation above idle", "J", "above_idle_j", None, PROCESS, signed=True),
    Metric("share of energy above idle", "1", "above_idle_j", "total_j", WITHIN, signed=True),
    Metric("prefill energy", "J", "prefill_j", None, PROCESS, phase=True),
    Metric("decoding energy", "J", "decode_j", None, PROCESS, phase=True),
    Metric("checking energy", "J", "check_j", None, PROCESS),
    Metric("energy per output token", "J/token", "total_j", "output_tokens", PROCESS),
    Metric(
        "energy per decoded token", "J/token", "decode_j", "decoded_tokens", PROCESS, phase=True
    ),
    Metric("prefill share", "1", "prefill_j", "total_j", WITHIN, phase=True),
    Metric("checking share of time", "1", "check_s", "duration_s", WITHIN),
    Metric("output tokens", "token", "output_tokens", None, PROMPT),
    Metric("babble tokens", "token", "babble_tokens", None, PROMPT),
    Metric("babble share of tokens", "1", "babble_tokens", "output_tokens", SHARE),
    Metric("babble energy", "J", "babble_j", None, PROCESS),
    Metric("babble share of energy", "1", "babble_j", "total_j", SHARE),
    Metric("duration", "s", "duration_s", None, PROCESS),
)
# Of each energy its standard uncertainty of reading, and the part that a round's windows share.
READING = {
    "total_j": "total_u_j",
    "above_idle_j": "total_u_j",
    "prefill_j": "prefill_u_j",
    "decode_j": "decode_u_j",
    "check_j": "check_u_j",
    "babble_j": "babble_u_j",
}
# Much of some prompts and nothing of others: few are often of one kind.
OF_TWO_KINDS = ("babble_tokens", "babble_j")
COMMON = {"above_idle_j": "idle_u_j", "prefill_j": "prefill_common_u_j"}
GROUP = ["model", "workload", "condition"]
SUMMARY = {
    **dict.fromkeys((*GROUP, "meter", "metric", "unit"), "str"),
    **dict.fromkeys(("value", "low", "high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks", "generations"), "int"),
    "reading_u": "float",
    "estimator": "str",
    "flagged": "int",
    "value_without_flagged": "float",
}
# A sample of prompts, and one process: what another process would give is not in the interval.
ONE_PROCESS = "prompts within one round"
ONE_PROBE = "from one probe"
IDLE_UNKNOWN = "idle's uncertainty is not known"
CHOSEN = "the tasks were chosen, not drawn"
RANDOM = "a random sample"


def summary_table(
    generations: pd.DataFrame,
    probes: pd.DataFrame | None = None,
    *,
    confidence: float,
    common: Collection[str] = (),
) -> pd.DataFrame:
    """One row a (model, workload, condition) and metric: value, interval, and what it rests on.

    The unit is the round, a process of its own, then the task; repetitions of a task in a round
    are averaged. `sampled` says of what the interval is a sample, `why` why there is none;
    `reading_u` is the standard uncertainty of reading the meter and, above idle, idle. Energies
    that the meter does not resolve are left out. There is a pass@1 only where the tasks are the
    whole benchmark. `estimator` says where phases come from (`phases.split.phases_of`); it is
    empty for all else. `value_without_flagged` leaves out the `flagged` generations.

    Args:
        probes: See `phases.probes.probes_table`; None where there are none.
        common: Flags that nearly all windows carry: they single none out.
    """
    rows = []
    known = resolved(generations).assign(decoded_tokens=generations.output_tokens - 1)
    # Numbers group faster than names.
    known["task"] = pd.factorize(known.task)[0]
    for above_idle in (False, True):
        good = clean(known, common, above_idle=above_idle) if len(known) else True
        known[f"clean_{above_idle}"] = good
    # In the order of the sessions, and the baseline first: what is suppressed is seen against it.
    groups = [
        (key, group)
        for _, part in known.groupby(GROUP[:2], sort=False)
        for key, group in part.groupby(GROUP)
    ]
    for key, group in groups:
        facts = dict(zip(GROUP, key, strict=True)) | {"meter": group.meter.iloc[0]}
        split = phases_of(group, probes)
        for made in (_metrics, _quality):
            rows += [facts | row for row in made(group, split, confidence)]
    return table(rows, SUMMARY)


def cells_of(known: pd.DataFrame, above: str, below: str | None = None) -> prompts.Cells:
    """The (round, task) cells of rows that have both; a cell whose sum below is zero says nothing.

    An output of one token decodes nothing, for one.
    """
    columns = [column for column in (above, below) if column]
    each = known.groupby(["round", "task"], sort=False)[columns].mean()
    if below is not None:
        each = each[each[below] > 0]
    rounds, tasks = (each.index.get_level_values(level) for level in (0, 1))
    return prompts.cells(rounds, tasks, each[above], None if below is None else each[below])


def _metrics(group: pd.DataFrame, split: Split, confidence: float) -> Iterator[dict[str, Any]]:
    for metric in METRICS:
        columns = [column for column in (metric.above, metric.below) if column]
        known = (split.generations if metric.phase else group).dropna(subset=columns)
        if split.probed == 1 and metric.name == "prefill energy":
            # All tasks have the energy of the one that was probed.
            known = known.assign(task=0)
        made = cells_of(known, metric.above, metric.below)
        found = _estimate(metric, made, known, confidence)
        if split.probed == 1 and metric.above == "prefill_j" and made.counts[0] < 2:
            found = _without(found, ONE_PROBE)
        few = 0 < made.counts[1] < prompts.FEWEST_PROMPTS
        if few and not found.why and metric.above in OF_TWO_KINDS:
            found = _without(found, f"fewer than {prompts.FEWEST_PROMPTS} prompts")
        good = known[f"clean_{metric.above == 'above_idle_j'}"].astype(bool)
        yield _row(
            metric.name,
            metric.unit,
            found,
            known,
            estimator=split.estimator if metric.phase and len(known) else "",
            sampled=_sampled(found, metric.how, made.counts[0]),
            rounds=made.counts[0],
            tasks=made.counts[1],
            flagged=int((~good).sum()),
            value_without_flagged=cells_of(known[good], metric.above, metric.below).value
            if not good.all()
            else found.value,
        )


def _estimate(
    metric: Metric, made: prompts.Cells, known: pd.DataFrame, confidence: float
) -> Estimate:
    if metric.how == PROMPT:
        return prompts.count(made, confidence=confidence)
    if metric.how == SHARE:
        found = prompts.share(made, confidence=confidence)
        independent_u, common_u = _reading(metric, made, known)
        return dataclasses.replace(found, reading_u=math.hypot(independent_u, common_u))
    independent_u, common_u = _reading(metric, made, known)
    estimate = prompts.mean if metric.how == PROCESS else prompts.within
    found = estimate(
        made,
        confidence=confidence,
        reading_u=independent_u,
        common_u=0.0 if math.isnan(common_u) else common_u,
        signed=metric.signed,
    )
    if math.isnan(common_u) and made.counts[0] < 2:
        why = found.why or (ONE_PROBE if metric.phase else IDLE_UNKNOWN)
        return _without(found, why)
    if metric.how == WITHIN and not metric.signed:
        return dataclasses.replace(found, high=min(found.high, 1.0))
    return found


def _without(found: Estimate, why: str) -> Estimate:
    """Without its interval."""
    return dataclasses.replace(found, low=math.nan, high=math.nan, unit="", why=why)


def _reading(metric: Metric, made: prompts.Cells, known: pd.DataFrame) -> tuple[float, float]:
    """Standard uncertainties of reading the value: what windows do not share of it, and what those
    of a round share; NaN where one is not known."""
    sides = [(metric.above, 1.0), (metric.below, made.value)]
    energies = [(column, factor) for column, factor in sides if column in READING]
    if not energies or not len(known) or not made.below.sum() > 0:
        return math.nan, 0.0
    sizes = known.groupby(["round", "task"], sort=False)["task"].transform("size").to_numpy()
    total = made.below.sum()
    variance = sum(
        float(np.sum((known[READING[column]].to_numpy(float) * factor / sizes) ** 2))
        for column, factor in energies
    )
    shared = 0.0
    for column in (column for column, _ in energies if column in COMMON):
        of_rounds = (known[COMMON[column]] / sizes).groupby(known["round"]).sum(skipna=False)
        shared += float(np.sum(of_rounds.to_numpy() ** 2))
    return math.sqrt(variance) / total, math.sqrt(shared) / total


def _sampled(found: Estimate, how: str, rounds: int) -> str:
    if found.unit == PROMPTS and how in (WITHIN, SHARE) and rounds < 2:
        return ONE_PROCESS
    return found.unit


def _quality(group: pd.DataFrame, split: Split, confidence: float) -> Iterator[dict[str, Any]]:
    """Passes; and of next-line workloads, how alike the lines are to those that they should be."""
    judged = group.dropna(subset=["passed"])
    if len(judged):
        found = prompts.proportion(
            judged.passed.to_numpy(float), judged.task.to_numpy(), confidence=confidence
        )
        name = "pass@1"
        if group.chosen.any():
            name = "passing share of the chosen tasks"
            if not (judged.chosen_by == RANDOM).all():
                found = Estimate(value=found.value, confidence=confidence, why=CHOSEN)
        yield _quality_row(name, found, judged)
    known = group.dropna(subset=["similarity"])
    if len(known):
        made = prompts.over_rounds(cells_of(known, "similarity"))
        yield _quality_row("edit similarity", prompts.share(made, confidence=confidence), known)


def _quality_row(name: str, found: Estimate, known: pd.DataFrame) -> dict[str, Any]:
    return _row(
        name,
        "1",
        found,
        known,
        rounds=known["round"].nunique(),
        sampled=found.unit,
        flagged=0,
        value_without_flagged=found.value,
    )


def _row(
    metric: str, unit: str, found: Estimate, known: pd.DataFrame, **more: Any
) -> dict[str, Any]:
    return {
        "metric": metric,
        "unit": unit,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "why": found.why,
        "tasks": known.task.nunique(),
        "generations": len(known),
        "reading_u": found.reading_u,
        "estimator": "",
        **more,
    }
