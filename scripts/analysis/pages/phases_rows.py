"""What the page of the study of phases shows, as rows of its tables. Pure functions on tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

# Work of others, as a share of an estimate, that a reader must know of.
SHARED = 0.1


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records in which everything that is missing is None."""
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def summaries(summary: pd.DataFrame) -> list[dict[str, Any]]:
    """One table a model: its columns (workload, condition), and cells by (metric, unit)."""
    found = []
    for model, group in summary.groupby("model", sort=False):
        metrics: dict[tuple[str, str], dict] = {}
        for row in group.to_dict("records"):
            column = row["workload"], row["condition"]
            metrics.setdefault((row["metric"], row["unit"]), {})[column] = row
        columns = list(dict.fromkeys(zip(group.workload, group.condition, strict=True)))
        found.append({"model": model, "columns": columns, "metrics": metrics})
    return found


def groups(generations: pd.DataFrame) -> list[dict[str, Any]]:
    """The generations of each model and workload."""
    if generations.empty:
        return []
    return [
        {"model": model, "workload": workload, "generations": records(group)}
        for (model, workload), group in generations.groupby(["model", "workload"], sort=False)
    ]


def replays(sessions: list[dict]) -> list[dict[str, str]]:
    """Whose outputs were forced through which model."""
    found = {}
    for spec in (session["spec"] for session in sessions):
        if replay := spec.get("replay"):
            key = replay["model"], replay["campaign"], spec["model"]
            found[key] = dict(zip(("source", "campaign", "through"), key, strict=True))
    return list(found.values())


def seeded(sessions: list[dict]) -> list[str]:
    """The models whose weights are seeded and not learnt."""
    specs = (session["spec"] for session in sessions)
    return list(dict.fromkeys(s["model"] for s in specs if s.get("source") == "init"))


def estimators(estimators: pd.DataFrame, agreement: pd.DataFrame) -> list[dict[str, Any]]:
    """How far the estimators differ: one row a (model, workload, phase)."""
    if agreement.empty:
        return []
    keys = ["model", "workload", "phase"]
    headlines = estimators[estimators.headline].groupby(keys).estimator.unique()
    rows = []
    for key, group in agreement.groupby(keys, sort=False):
        closed = group.dropna(subset=["closure"])
        worst = None
        if len(closed):
            worst = records(closed.loc[[closed.closure.abs().idxmax()]])[0]
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "probed": len(group),
                "headline": " or ".join(sorted(headlines.get(key, []))) or "none",
                "spread": group.spread.max(),
                "verdicts": group.verdict.value_counts().to_dict(),
                "margin": group.margin.iloc[0],
                "hangs": int((group.hangs != "").sum()),
                "worst": worst,
            }
        )
    return rows


def laws(law: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a model and phase, with its terms."""
    if law.empty:
        return []
    return [
        {"model": model, "phase": phase, "terms": records(group), **records(group)[0]}
        for (model, phase), group in law.groupby(["model", "phase"], sort=False)
    ]


def identities(identities: pd.DataFrame) -> list[dict[str, Any]]:
    """Each identity over all sessions: how often it was tested, the worst, where it fails."""
    if identities.empty:
        return []
    rows = []
    for words, group in identities.groupby("identity", sort=False):
        failing = group[~group.holds.fillna(True).astype(bool)]
        # Its interval is not within what is allowed, and not without.
        open_ = group[group.holds.isna() & group.worst.notna()]
        how, _, what = words.partition(": ")
        rows.append(
            {
                "how": how,
                "identity": what,
                "n": int(group.n.sum()),
                "worst": group.worst.abs().max(),
                "allowed": group.allowed.max(),
                "failing": _named(failing),
                "open": _named(open_),
                "intervals": records(group[group.low.notna()]),
                "hangs": list(dict.fromkeys(group.hangs[group.hangs != ""])),
            }
        )
    return rows


def _named(rows: pd.DataFrame) -> list[str]:
    """Sessions, or the workloads of several."""
    names = rows.session.where(rows.session != "", rows.model + " on " + rows.workload)
    return list(dict.fromkeys(names))


def protections(sessions: list[dict], scores: list[dict]) -> list[dict]:
    """Those of all pools that ran generated code, while measuring and while scoring; one that was
    off anywhere is off."""
    pools = [segment["protections"] for session in sessions for segment in session["segments"]]
    pools += [score["protections"] for score in scores]
    together: dict[str, dict] = {}
    for protection in (protection for pool in pools for protection in pool):
        known = together.setdefault(protection["name"], protection)
        if known["on"] and not protection["on"]:
            together[protection["name"]] = protection
    return list(together.values())


def shared(generations: pd.DataFrame, sessions: list[Mapping[str, Any]]) -> int:
    """During how many generations the estimate holds much work that was not the session's.

    The estimate counts the busy time of the whole machine; the session knows its own.
    """
    domains = [d for s in sessions for g in s["segments"] for d in g["meters"]["found"]]
    details = [d["details"] for d in domains if d["estimate"]]
    if generations.empty or not generations.estimate.all():
        return 0
    if not all("rated_power_w" in d for d in details):
        return 0
    power_w = details[0]["rated_power_w"] / details[0]["logical_cpus"]
    own_j = generations.cpu_share * generations.duration_s * power_w
    return int((own_j < (1 - SHARED) * generations.total_j).sum())
