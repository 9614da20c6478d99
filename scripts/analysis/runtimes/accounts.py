"""What was checked, and what has no figures and why. Pure functions on session.json and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes.columns import EXCLUDED, PARITY
from analysis.tabular import table

# What the check of one session's own output on its device is called.
DEVICE = "device"


def parity_table(sessions: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a checked pair. Where sessions checked it again, the worst of them; `provider` is
    that of the sessions for a check on their own device, else where the check ran."""
    worst: dict[tuple, dict[str, Any]] = {}
    counts: dict[tuple, int] = {}
    for facts in sessions:
        for check in facts["parity"]:
            own = check["pair"] == DEVICE
            provider = facts["spec"]["provider"] if own else check["where"]
            row = _check(check) | {"provider": provider}
            key = tuple(row[k] for k in ("pair", "model", "subject", "against", "where"))
            key = (*key, provider)
            counts[key] = counts.get(key, 0) + 1
            if key not in worst or _badness(row) > _badness(worst[key]):
                worst[key] = row
    return table([row | {"sessions": counts[key]} for key, row in worst.items()], PARITY)


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    errors = [np.nan if error is None else error for error in check["relative_error"]]
    batches = check["batch_sizes"]
    known = [error for error in errors if not np.isnan(error)]
    return {
        **{name: check[name] for name in PARITY if name in check},
        "first_batch": batches[0] if batches else None,
        "first_batch_error": errors[0] if errors else np.nan,
        "last_batch": batches[-1] if batches else None,
        "last_batch_error": errors[-1] if errors else np.nan,
        "worst_error": max(known, default=np.nan),
    }


def _badness(row: Mapping[str, Any]) -> tuple[bool, float]:
    return not row["passed"], np.nan_to_num(row["worst_error"], nan=np.inf)


def excluded_table(
    sessions: Sequence[Mapping[str, Any]],
    inferences: pd.DataFrame,
    planned: Sequence[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """What has no figures, or not all that were planned, and why: one row each.

    `stage`: `conversion`, `parity`, `batch` or `provider` for an excluded session; `absent` for a
    provider that was not there and a framework that cannot build the network; `metering` for
    windows without an energy; `not measured` for what was planned and is not there.
    """
    rows: list[dict[str, Any]] = []
    absent: dict[tuple, dict[str, Any]] = {}
    total = inferences[inferences.domain == TOTAL]
    measured = dict(list(total[["session", "batch", "status", "meter"]].groupby("session")))
    specs = [facts["spec"] for facts in sessions]
    tried = {(spec["model"], spec["title"], spec["provider"]) for spec in specs}
    for facts in sessions:
        spec = facts["spec"]
        who = {name: spec[name] for name in ("session", "model", "provider", "round")}
        who["runtime"] = spec["title"]
        if facts["excluded"]:
            rows.append(who | facts["excluded"])
        else:
            own = measured.get(spec["session"], total.iloc[:0])
            out = facts.get("left_out", {})
            rows += [who | lacking for lacking in _missing_batches(own, spec["batch_sizes"], out)]
        for provider, why in facts["absent"].items():
            if (spec["model"], spec["title"], provider) in tried:
                continue  # that session tells itself, and with the software of that provider
            key = spec["model"], spec["title"], provider, why
            names = {"model": spec["model"], "runtime": spec["title"], "provider": provider}
            absent[key] = {"session": "", **names, "stage": "absent", "why": why}
    there = {facts["spec"]["session"] for facts in sessions}
    for plan in planned:
        if plan["session"] not in there:
            who = {name: plan[name] for name in ("session", "model", "provider", "round")}
            why = "planned, but there is no such session"
            rows.append(who | {"runtime": plan["title"], "stage": "not measured", "why": why})
    return table([*rows, *absent.values()], EXCLUDED)


def _missing_batches(
    own: pd.DataFrame, batches: Sequence[int], left_out: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for batch in batches:
        windows = own[own.batch == batch]
        if windows.empty:
            why = left_out.get(str(batch))
            why = f"batch {batch}: {why}" if why else f"no window of batch {batch} was measured"
            yield {"batch": batch, "stage": "not measured", "why": why}
        for status, count in windows.status[windows.status != "ok"].value_counts().items():
            how = "not covered by" if status == "not covered" else "too short for"
            meter = windows.meter.iloc[0]
            why = f"batch {batch}: {count} of {len(windows)} windows {how} the meter ({meter})"
            yield {"batch": batch, "stage": "metering", "why": why}
