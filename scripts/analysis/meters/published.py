"""The table of docs/metering.md on a real board: how far off each tool is, by the length of the
window. Pure functions of the table `loads`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from analysis.meters.loads import OURS
from analysis.rounding import Form

LOADS = {
    "decode": "tokens of 20 ms",
    "steady": "matrix products",
    "bursty": "31 ms on, 47 ms off",
    "prefill-decode": "a short prefill, ten tokens",
}
ERROR = Form(digits=2, unit="%")
COUNT = Form(places=0)
SHARE = Form(places=0, unit="%")


def blocks() -> dict[str, tuple[str, str, Callable[[pd.DataFrame], Iterator[str]]]]:
    """By mark: the campaign, its table, and what makes the block of it."""
    return {"loads on an H100": ("h100-metering", "loads", loads_block)}


def loads_block(loads: pd.DataFrame) -> Iterator[str]:
    """Errors of all tools on all loads as Markdown, with the number of windows behind each."""
    lengths = sorted(loads.length_s.unique())
    yield "| error, root mean square (windows) | " + " | ".join(map(_length, lengths)) + " |"
    yield "|---|" + "---|" * len(lengths)
    for load, what in LOADS.items():
        group = loads[loads.load == load]
        tools = [OURS, *(tool for tool in group.tool.unique() if tool != OURS)]
        for tool in tools:
            part = group[group.tool == tool].set_index("length_s")
            name = f"**{load}** ({what}): {tool}" if tool == OURS else tool
            yield f"| {name} | " + " | ".join(_error(part, n) for n in lengths) + " |"
        own = group[group.tool == OURS].set_index("length_s")
        cells = [_coverage(own, length) for length in lengths]
        yield f"| our 95 % interval holds it in | {' | '.join(cells)} |"
    yield ""
    own = loads[loads.tool == OURS]
    inside, judged = own.inside.sum(), own.judged.sum()
    yield (
        f"Over all {COUNT.text(judged)} windows that can be judged our interval holds it in"
        f" {SHARE.text(inside / judged)} ({COUNT.text(inside)})."
    )


def _length(seconds: float) -> str:
    return f"{seconds * 1e3:g} ms" if seconds < 0.5 else f"{seconds:g} s"


def _error(part: pd.DataFrame, length: float) -> str:
    if length not in part.index or not part.known[length]:
        return ""
    row = part.loc[length]
    return f"{ERROR.text(row.rms_off)} ({row.known:.0f})"


def _coverage(own: pd.DataFrame, length: float) -> str:
    if length not in own.index or not own.judged[length]:
        return ""
    return f"{own.inside[length]:.0f} of {own.judged[length]:.0f}"
