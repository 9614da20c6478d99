"""What suppression saves: baseline beside suppressed. Pure functions on tables."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import pandas as pd

from analysis.phases.summary import ONE_PROCESS
from analysis.quality.flag_tables import with_and_without
from analysis.statistics import prompts, ranks
from analysis.statistics.estimate import PROMPTS
from analysis.tabular import table

PASSES = ("passed_baseline", "passed_suppressed", "passes_added", "passes_lost")
SAVINGS = {
    **dict.fromkeys(("model", "workload", "scope", "meter"), "str"),
    **dict.fromkeys(("rounds", "tasks", "pairs", "unresolved"), "int"),
    **dict.fromkeys(("baseline_j", "suppressed_j", "check_j"), "float"),
    **dict.fromkeys(("saved_share", "saved_share_low", "saved_share_high"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(
        (
            *("saved_share_without_checks", "saved_share_without_checks_low"),
            *("saved_share_without_checks_high", "saved_tokens_share", "saved_time_share"),
        ),
        "float",
    ),
    **dict.fromkeys(("rank_biserial", "p", "least_p", "p_holm"), "float"),
    **dict.fromkeys(("family", "verdict"), "str"),
    "flagged": "int",
    "hangs": "str",
    **dict.fromkeys(PASSES, "Int64"),
    **dict.fromkeys(("passes_p", "passes_least_p", "passes_p_holm"), "float"),
    "passes_verdict": "str",
    **dict.fromkeys(("similarity_baseline", "similarity_suppressed"), "float"),
    "similarity_differs": "Int64",
    **dict.fromkeys(("judged_tasks", "worse_tasks"), "Int64"),
    **dict.fromkeys(("no_loss_p", "margin"), "float"),
    "no_loss": "str",
}
FAMILY = "does suppression save energy"
CANNOT = "cannot reject"
ALL, CHOSEN = "all tasks", "passing tasks"


def pairs_table(generations: pd.DataFrame) -> pd.DataFrame:
    """Baseline beside suppressed, one row a (session, task, repetition) that has both."""
    keys = ["session", "model", "workload", "round", "task", "repetition"]
    sides = [
        generations[generations.condition == condition].set_index(keys)
        for condition in ("baseline", "suppressed")
    ]
    columns = ["total_j", "total_status", "check_j", "check_s", "duration_s", "output_tokens"]
    columns += ["passed", "meter", "similarity", "flags"]
    joined = (
        sides[0][columns]
        .add_suffix("_baseline")
        .join(sides[1][columns].add_suffix("_suppressed"), how="inner")
        .reset_index()
    )
    both = joined.flags_baseline.str.cat(joined.flags_suppressed, sep=", ").str.strip(", ")
    resolved = (joined.total_status_baseline == "ok") & (joined.total_status_suppressed == "ok")
    return joined.assign(flags=both.astype("str"), resolved=resolved.astype(bool))


def savings_table(
    pairs: pd.DataFrame, *, confidence: float, margin: float, common: Collection[str] = ()
) -> pd.DataFrame:
    """What suppression saves: one row a (model, workload) and scope, `all tasks` or `passing
    tasks` (those whose suppressed output passes: a choice by outcome, which is not tested).

    `saved_share` is net: the checks are charged to it. `saved_share_without_checks` is what the
    tokens alone would have saved. Shares are over tasks in rounds; both sides of a pair are of one
    process, so one round has an interval, over its prompts. `p` is of Wilcoxon's signed-rank test
    over tasks, `passes_p` of McNemar's, both adjusted over the `family`; `verdict` says `cannot
    reject` where no data of so many tasks could. `no_loss_p` is that the share of tasks that come
    out worse is `margin` or more. Pairs that the meter does not resolve on both sides are left out
    of the energies.

    Args:
        margin: Of equivalence.
        common: Flags that nearly all windows carry.
    """
    rows = []
    # Numbers group faster than names.
    pairs = pairs.assign(task=pd.factorize(pairs.task)[0])
    for key, group in pairs.groupby(["model", "workload"], sort=False):
        for scope, part in ((ALL, group), (CHOSEN, group[group.passed_suppressed.fillna(False)])):
            known = part[part.resolved].dropna(subset=["total_j_baseline", "total_j_suppressed"])
            if known.empty:
                continue
            facts = {"model": key[0], "workload": key[1], "scope": scope, "margin": margin}
            facts["unresolved"] = len(part) - len(known)
            row = facts | _saving(known, confidence) | _passed(part) | _alike(part)
            if scope == ALL:
                row |= _tested(known) | _worse(part, confidence, margin)
            rows.append((row, known))
    return table(_with_verdicts(rows, confidence, common), SAVINGS)


def _with_verdicts(
    rows: list[tuple[dict[str, Any], pd.DataFrame]], confidence: float, common: Collection[str]
) -> list[dict[str, Any]]:
    """The rows with adjusted p, verdicts, and whether those hang on flagged pairs."""
    alpha = 1 - confidence
    for name in ("p", "passes_p"):
        adjusted = ranks.holm([row.get(name, math.nan) for row, _ in rows])
        for (row, _), p in zip(rows, adjusted, strict=True):
            row[f"{name}_holm"] = p
    count = sum(row["scope"] == ALL and not math.isnan(row["p"]) for row, _ in rows)
    for row, known in rows:
        if row["scope"] != ALL:
            row |= {"family": "", "verdict": "", "passes_verdict": "", "hangs": "", "no_loss": ""}
            row["flagged"] = with_and_without(known, len, common).flagged
            continue
        # Of the clean pairs alone too, adjusted by the same number of tests.
        factor = row["p_holm"] / row["p"] if row["p"] > 0 else 1.0

        def conclude(some: pd.DataFrame, factor=factor) -> str:
            tested = _tested(some)
            words = "saves" if _net(some) > 0 else "costs"
            return _verdict(factor * tested["p"], tested["least_p"], alpha, words)

        both = with_and_without(known, conclude, common)
        row |= {"verdict": both.all, "flagged": both.flagged, "hangs": both.message}
        row["family"] = f"{FAMILY}: {count} tests" if count else ""
        row["passes_verdict"] = (
            _verdict(row["passes_p_holm"], row["passes_least_p"], alpha, "change")
            if "passes_p" in row
            else ""
        )
        row.setdefault("no_loss", "")
    return [row for row, _ in rows]


def _verdict(p: float, least_p: float, alpha: float, words: str) -> str:
    if math.isnan(p):
        return CANNOT if least_p > alpha else ""
    if least_p > alpha:
        return CANNOT
    return words if p < alpha else "not told apart"


def _cells(pairs: pd.DataFrame, above: pd.Series, below: str) -> prompts.Cells:
    known = pd.DataFrame({"round": pairs["round"], "task": pairs.task})
    known = known.assign(above=above, below=pairs[below])
    each = known.groupby(["round", "task"], sort=False)[["above", "below"]].mean()
    rounds, tasks = (each.index.get_level_values(level) for level in (0, 1))
    return prompts.cells(rounds, tasks, each.above, each.below)


def _net(pairs: pd.DataFrame) -> float:
    return 1 - _cells(pairs, pairs.total_j_suppressed, "total_j_baseline").value


def _saving(pairs: pd.DataFrame, confidence: float) -> dict[str, Any]:
    numbers = ["total_j_baseline", "total_j_suppressed", "check_j_suppressed"]
    # Repetitions and rounds of one task repeat it: its mean is one observation.
    tasks = pairs.groupby("task")[numbers].mean()
    net = prompts.share(
        _cells(pairs, pairs.total_j_suppressed, "total_j_baseline"), confidence=confidence
    )
    gross = prompts.share(
        _cells(pairs, pairs.total_j_suppressed - pairs.check_j_suppressed, "total_j_baseline"),
        confidence=confidence,
    )
    tokens = _cells(pairs, pairs.output_tokens_suppressed, "output_tokens_baseline")
    times = _cells(pairs, pairs.duration_s_suppressed, "duration_s_baseline")
    return {
        "meter": pairs.meter_baseline.iloc[0],
        "rounds": net.rounds,
        "tasks": len(tasks),
        "pairs": len(pairs),
        "baseline_j": tasks.total_j_baseline.sum(),
        "suppressed_j": tasks.total_j_suppressed.sum(),
        "check_j": tasks.check_j_suppressed.sum(),
        "saved_share": 1 - net.value,
        "saved_share_low": 1 - net.high,
        "saved_share_high": 1 - net.low,
        "sampled": ONE_PROCESS if net.unit == PROMPTS else net.unit,
        "why": net.why,
        "saved_share_without_checks": 1 - gross.value,
        "saved_share_without_checks_low": 1 - gross.high,
        "saved_share_without_checks_high": 1 - gross.low,
        "saved_tokens_share": 1 - tokens.value,
        "saved_time_share": 1 - times.value,
    }


def _tested(pairs: pd.DataFrame) -> dict[str, float]:
    tasks = pairs.groupby("task")[["total_j_baseline", "total_j_suppressed"]].mean()
    p, least_p, effect = ranks.signed_ranks(tasks.total_j_baseline, tasks.total_j_suppressed)
    return {"p": p, "least_p": least_p, "rank_biserial": effect}


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


def _worse(pairs: pd.DataFrame, confidence: float, margin: float) -> dict[str, Any]:
    """Whether tasks come out worse; the task is the unit: its rounds and repetitions repeat it."""
    for score in ("passed", "similarity"):
        sides = [f"{score}_baseline", f"{score}_suppressed"]
        judged = pairs.dropna(subset=sides)
        if judged.empty:
            continue
        means = judged[sides].astype(float).groupby(judged.task).mean()
        change = means[sides[1]] - means[sides[0]]
        gained, lost = int((change > 0).sum()), int((change < 0).sum())
        p = ranks.no_loss(lost, len(change), margin)
        row = {"judged_tasks": len(change), "worse_tasks": lost, "no_loss_p": p}
        row["no_loss"] = (
            f"no loss of {margin:.0%} of the tasks or more"
            if p < 1 - confidence
            else f"a loss of {margin:.0%} of the tasks is not excluded"
        )
        if score == "passed":
            row["passes_p"], row["passes_least_p"] = ranks.mcnemar(gained, lost)
        return row
    return {}
