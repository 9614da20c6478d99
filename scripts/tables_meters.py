#!/usr/bin/env python3
"""Raw data of the study of the meters to a table, a figure and a page."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.energy.raw import RawSession, read_session
from analysis.figures.meters import draw
from analysis.figures.style import NothingToShowError
from analysis.meters.loads import OURS, load_windows, loads_table, phases_table
from metering.torn import RecordingError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--session", required=True, type=Path, help="the session's folder")
    parser.add_argument("--resolve-periods", type=float, default=2)
    parser.add_argument("--confidence", type=float, default=0.95)
    args = parser.parse_args()
    try:
        session = read_session(args.session)
    except RecordingError as error:
        sys.exit(f"error: {error}")
    loads = loads_table(load_windows(session, args.resolve_periods), args.confidence)
    loads.to_parquet(args.session / "loads.parquet", index=False)
    phases = phases_table(session)
    phases.to_parquet(args.session / "phases.parquet", index=False)
    figure, left_out = args.session / "loads.png", ""
    try:
        draw(loads).savefig(figure, dpi=150)
    except NothingToShowError as error:
        left_out = str(error)
        figure.write_bytes(b"")
    text = "\n".join(page(session, loads, phases, left_out)) + "\n"
    (args.session / "meters.md").write_text(text, encoding="utf-8")


def page(
    session: RawSession, loads: pd.DataFrame, phases: pd.DataFrame, left_out: str = ""
) -> Iterator[str]:
    """The findings as Markdown.

    Args:
        left_out: Why there is no figure, where there is none.
    """
    segment = session.facts["segments"][-1]
    tools = ", ".join(f"{name} {version}" for name, version in segment["tools"].items())
    yield f"# How far off the meters are: {segment['device']}"
    yield ""
    yield f"Read: {session.meter()}. Other tools in windows of their own: {tools or 'none'}."
    if session.estimate:
        yield "**An estimate**: its energy follows how long the processors were busy."
    yield ""
    if left_out:
        yield f"Error against length, left out: {left_out}."
    else:
        yield "![Error against length](loads.png)"
    for load, group in loads.groupby("load", sort=False):
        yield ""
        yield (
            f"**{load}**: error of a window's energy, root mean square (bias), in percent of what"
            " it takes by rest to rest, as the other windows of its length tell:"
        )
        yield ""
        lengths = sorted(group.length_s.unique())
        yield "| | " + " | ".join(f"{length:g} s" for length in lengths) + " |"
        yield "|---|" + "---|" * len(lengths)
        for tool, part in group.groupby("tool", sort=False):
            by = part.set_index("length_s")
            yield f"| {tool} | " + " | ".join(_cell(by, length) for length in lengths) + " |"
        own = group[group.tool == OURS].set_index("length_s")
        units = [f"{own.unit_j[n]:.3g} ± {own.unit_u_j[n] / own.unit_j[n]:.1%}" for n in lengths]
        yield f"| J a unit | {' | '.join(units)} |"
        inside = [f"{own.inside[length]} of {own.judged[length]}" for length in lengths]
        yield f"| our 95 % interval holds it in | {' | '.join(inside)} |"
        resolved = [f"{own.resolved[n]} of {own.windows[n]}" for n in lengths]
        yield f"| resolved | {' | '.join(resolved)} |"
    if len(phases):
        yield ""
        yield "**Short phases of prefill-decode**, pooled over all of its windows:"
        yield ""
        yield "| domain | phase | times | length | pooled | power | by interpolation |"
        yield "|---|---|---|---|---|---|---|"
        for row in phases.to_dict("records"):
            unsure = row["pooled_u_j"] / row["pooled_j"]
            cells = [row["domain"], row["phase"], row["count"], f"{1e3 * row['each_s']:.1f} ms"]
            cells += [f"{row['pooled_j']:.3g} J ± {unsure:.1%}", f"{row['pooled_w']:.0f} W"]
            cells += [f"{row['interpolated_j']:.3g} J"]
            yield f"| {' | '.join(map(str, cells))} |"


def _cell(by: pd.DataFrame, length: float) -> str:
    if length not in by.index or not by.known[length]:
        return "–"
    row = by.loc[length]
    return f"{100 * row.rms_off:.3g} ({100 * row.bias:+.2g})"


if __name__ == "__main__":
    main()
