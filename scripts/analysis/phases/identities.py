"""Sums that must come out: which hold by construction, and the one that tests the measurement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import Probed, probed
from analysis.phases.summary import ONE_PROCESS
from analysis.quality.flag_tables import with_and_without
from analysis.statistics import prompts
from analysis.statistics.estimate import PROMPTS, Estimate
from analysis.tabular import table

IDENTITIES = {
    **dict.fromkeys(("session", "model", "workload", "identity"), "str"),
    "n": "int",
    **dict.fromkeys(("worst", "low", "high", "allowed"), "float"),
    **dict.fromkeys(("sampled", "why"), "str"),
    **dict.fromkeys(("rounds", "tasks"), "int"),
    "holds": "boolean",
    "hangs": "str",
}
ALLOWED = 0.01
TESTED = "tested: prefill + steps by repetition = generation, mean"


def identities_table(
    generations: pd.DataFrame,
    probes: pd.DataFrame,
    confidence: float,
    common: Collection[str] = (),
) -> pd.DataFrame:
    """One row a session and identity; `worst` is the largest relative difference, and of the one
    that tests the measurement the mean over the prompts of all sessions of a workload, with its
    interval: over prompts within one round, over both of more.

    That one `holds` only where the interval lies within what is allowed, and fails only where it
    lies without; else, and where nothing was covered, it is missing: nothing is known.
    """
    rows = [row for key, group in generations.groupby("session") for row in _of(key, group)]
    for (model, workload), group in probes.groupby(["model", "workload"], sort=False):
        found, count = closure(list(probed(group, confidence)), confidence)
        if not count:
            continue

        def conclude(some: pd.DataFrame) -> bool | None:
            return _holds(closure(list(probed(some, confidence)), confidence)[0])

        both = with_and_without(group, conclude, common)
        sessions = group.session.unique()
        rows.append(
            {
                "session": sessions[0] if len(sessions) == 1 else "",
                "model": model,
                "workload": workload,
                "identity": TESTED,
                "n": count,
                "worst": found.value - 1,
                "low": found.low - 1,
                "high": found.high - 1,
                "sampled": ONE_PROCESS if found.unit == PROMPTS else found.unit,
                "why": found.why,
                "rounds": found.rounds,
                "tasks": found.prompts,
                "allowed": ALLOWED,
                "holds": both.all,
                "hangs": both.message,
            }
        )
    return table(rows, IDENTITIES)


def closure(found: Sequence[Probed], confidence: float) -> tuple[Estimate, int]:
    """What prefill and steps by repetition are of whole generations, over prompts in rounds; and of
    how many (round, prompt)."""
    each = [
        (
            number,
            f"{one.facts['task']}:{one.facts['output_tokens']}",
            parts_j / one.whole_j[number],
            one.closure_u[number],
        )
        for one in found
        for number, parts_j in one.parts_j.items()
    ]
    if not each:
        return Estimate(), 0
    rounds, tasks, over, u = map(np.array, zip(*each, strict=True))
    reading_u = float(np.sqrt(np.sum(u**2))) / len(u)
    made = prompts.cells(rounds, tasks, over)
    return prompts.within(made, confidence=confidence, reading_u=reading_u), len(each)


def _holds(found: Estimate) -> bool | None:
    low, high = found.low - 1, found.high - 1
    if low >= -ALLOWED and high <= ALLOWED:
        return True
    return False if low > ALLOWED or high < -ALLOWED else None


def _of(session: str, group: pd.DataFrame) -> Iterator[dict[str, Any]]:
    whole, tokens = group.total_j, group.output_tokens
    decoded = (group.decoded_token_j * (tokens - 1)).fillna(0.0)
    sums = {
        "by construction: prefill + decoding + checks = generation": (
            group.prefill_j + group.decode_j + group.check_j
        ),
        "by definition: N_out x E_tok = E_total": tokens * group.token_j,
        "by definition: E_prefill + (N_out - 1) x E_tok,dec + checks = E_total": (
            group.prefill_j + decoded + group.check_j + group.decode_j.where(tokens == 1, 0.0)
        ),
    }
    for identity, parts in sums.items():
        off = (parts / whole - 1).abs().dropna()
        yield {
            "session": session,
            "model": group.model.iloc[0],
            "workload": group.workload.iloc[0],
            "identity": identity,
            "n": len(off),
            "worst": off.max() if len(off) else np.nan,
            "allowed": ALLOWED,
            "sampled": "",
            "why": "",
            "hangs": "",
            "rounds": group["round"].nunique(),
            "tasks": group.task.nunique(),
            "holds": bool(off.max() <= ALLOWED) if len(off) else None,
        }
