"""What an interval rests on, and why there is none, in words for pages and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.statistics.estimate import BOTH, PROMPTS, ROUNDS

WITHIN = " within one round"


def sample_size(row: Mapping[str, Any]) -> str:
    """`7 rounds, 12 prompts`, or why there is no interval, in short.

    Args:
        row: With `sampled`, `why`, `rounds`, and where prompts are sampled `tasks`.
    """
    sampled = row["sampled"]
    if not sampled:
        return row["why"].partition(":")[0]
    if sampled == ROUNDS:
        return _count(row["rounds"], "round")
    if sampled == BOTH:
        return f"{_count(row['rounds'], 'round')}, {_count(row['tasks'], 'prompt')}"
    if sampled == PROMPTS:
        return _count(row["tasks"], "prompt")
    what = sampled.removesuffix(WITHIN).removesuffix("s")
    return f"{_count(row['tasks'], what)},{WITHIN}"


def _count(number: int, what: str) -> str:
    return f"{int(number)} {what}{'' if number == 1 else 's'}"


def sample_sizes(table: pd.DataFrame) -> str:
    """The same of all rows of a table, for a foot note: `bars: 3 rounds, 12 prompts`."""
    with_bars = table[table.low.notna()]
    texts = list(dict.fromkeys(sample_size(row) for row in with_bars.to_dict("records")))
    if not texts:
        return ""
    return texts[0] if len(texts) == 1 else f"{texts[0]} and others"


def interval_note(table: pd.DataFrame, level: str, what: str = "Bars") -> str:
    """The foot note on a figure's intervals; of none, why."""
    if sampled := sample_sizes(table):
        missing = table.value.notna() & table.low.isna() if "value" in table else pd.Series([False])
        none = "; without one: one round, or too few" if missing.any() else ""
        return f"{what}: {level} intervals over {sampled}{none}."
    return "No intervals: one round does not say what another process would differ by."
