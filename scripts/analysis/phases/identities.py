"""Sums that must come out: which hold by construction, and the one that tests the measurement."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.phases.estimators import probed
from analysis.tabular import table

IDENTITIES = {
    **dict.fromkeys(("session", "model", "workload", "identity"), "str"),
    "n": "int",
    **dict.fromkeys(("worst", "allowed"), "float"),
    "holds": "boolean",
}
ALLOWED = 0.01
TESTED = "tested: prefill + steps by repetition = generation, mean"


def identities_table(
    generations: pd.DataFrame, probes: pd.DataFrame, confidence: float
) -> pd.DataFrame:
    """One row a session and identity; `worst` is the largest relative difference, and of the one
    that tests the measurement the mean over the session's prompts.

    `holds` is missing where nothing was covered, and where a difference above what is allowed lies
    within its own interval: then it is noise, and nothing is known.
    """
    rows = [row for key, group in generations.groupby("session") for row in _of(key, group)]
    for session, group in probes.groupby("session", sort=False):
        known = [
            one.closure for one in probed(group, confidence) if not np.isnan(one.closure.value)
        ]
        if not known:
            continue
        mean = functools.reduce(operator.add, known).times(1 / len(known))
        low, high = mean.interval(confidence)
        noise = not (low > 0 or high < 0)
        rows.append(
            {
                "session": session,
                "model": group.model.iloc[0],
                "workload": group.workload.iloc[0],
                "identity": TESTED,
                "n": len(known),
                "worst": mean.value,
                "allowed": ALLOWED,
                "holds": True if abs(mean.value) <= ALLOWED else None if noise else False,
            }
        )
    return table(rows, IDENTITIES)


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
            "holds": bool(off.max() <= ALLOWED) if len(off) else None,
        }
