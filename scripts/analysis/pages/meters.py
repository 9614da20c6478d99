"""The page of the study of the meters, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from analysis.energy.raw import RawSession, read_session
from analysis.figures import on_page
from analysis.meters.loads import OURS
from analysis.pages.common import left_out


def render(folder: Path) -> str:
    """The page, given the session's folder with its tables and figures.

    Raises:
        RecordingError: There is no session, or it is torn.
    """
    loads, phases = (pd.read_parquet(folder / f"{name}.parquet") for name in ("loads", "phases"))
    parts = _head(read_session(folder)), _figures(folder), _loads(loads), _phases(phases)
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(session: RawSession) -> Iterator[str]:
    segment = session.facts["segments"][-1]
    tools = ", ".join(f"{name} {version}" for name, version in segment["tools"].items())
    yield f"# How far off the meters are: {segment['device']}"
    yield ""
    yield f"Read: {session.meter()}. Other tools in windows of their own: {tools or 'none'}."
    if session.estimate:
        yield "**An estimate**: its energy follows how long the processors were busy."


def _figures(folder: Path) -> Iterator[str]:
    for name, spec in on_page("meters").items():
        why = left_out(folder / f"{name}.png")
        yield ""
        yield f"![{spec.title}]({name}.png)" if why is None else f"{spec.title}, left out: {why}."


def _loads(loads: pd.DataFrame) -> Iterator[str]:
    """How far each tool is off, a table a load."""
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


def _phases(phases: pd.DataFrame) -> Iterator[str]:
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
