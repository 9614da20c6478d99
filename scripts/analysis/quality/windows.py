"""The table that all studies begin with: one row a window and domain, its energies and its flags.
Pure functions on tables, linear in windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.attribution import NUMBERS, STATUS, Attributed, attribute, status_of
from analysis.energy.domains import board_of
from analysis.energy.raw import RawSession
from analysis.quality.checks import failed_checks
from analysis.quality.flags import OF_BOARDS, flag_masks, flag_texts, flag_windows, unknown_flags
from metering.cells import cell_of
from metering.meter import Domain

# What a generation is, besides its windows; kept out of the windows' table.
PAYLOAD = (
    *("text", "text_ends", "tokens", "token_ns", "prompt", "reference"),
    *("starts_ns", "firsts_ns", "ends_ns"),
    # And how a session was prepared.
    *("rates_per_s", "stable", "before", "reached", "temperatures_c", "reference_c"),
)
# What tells the windows of the study of phases apart.
PHASES_COLUMNS = (
    *("generation", "task", "condition", "repetition"),
    *("probe", "what", "prompt_tokens", "output_tokens", "count"),
)
# The words under which a window names the piece of work that it belongs to.
PIECES = ("generation", "probe", "inference", "load")
# What attribution and flags need of a window.
NEEDED = ("kind", "cell", "start_ns", "end_ns", "duration_s")
# Of a stand-in for the worker, the flags that only the worker's own states tell.
OF_WORKER = (*OF_BOARDS, "temperature drift")


def windows_table(
    session: RawSession,
    resolve_periods: float,
    *,
    facts: Sequence[str] | None = None,
    columns: Sequence[str] = PHASES_COLUMNS,
) -> pd.DataFrame:
    """Every window under every domain, and under `total`.

    Columns: the session and its `facts`; the window's own (segment, window, kind, `columns`,
    start_ns, end_ns); `cell`, what it repeats (see `stopping`), with its kind; `domain`, `sums`
    (what the domain sums), `meter`, `estimate`; `duration_s`; `energy_j` with its standard
    uncertainty `energy_u_j`, of resolved windows; what `energy.attribution` adds; `status`
    (`attribution.status_of`); `flags` (`quality.flags`), under `total` those of all that it sums;
    and `unknown`, the flags that the raw data cannot tell.

    Args:
        facts: What to take from the session's configuration, by name; None takes the labels of the
            study of phases.
        columns: What a window may have of its own; missing where it has not.
    """
    windows = _described(session.windows, columns)
    failed = failed_checks(session)
    made = [
        under
        for segment, group in windows.groupby("segment")
        for under in _flagged(session, int(segment), group[list(NEEDED)], resolve_periods, failed)
    ]
    lengths = [len(under.rows) for under in made]
    rows = np.concatenate([under.rows for under in made]) if made else np.zeros(0, int)
    together = windows.take(rows).reset_index(drop=True)
    # A million windows are large.
    del windows, rows
    for name in ("domain", "sums", "meter"):
        words = pd.array([getattr(under, name) for under in made], dtype="str")
        together[name] = words.take(np.repeat(np.arange(len(made)), lengths))
    together["estimate"] = np.repeat([under.estimate for under in made], lengths).astype(bool)
    for name in NUMBERS:
        together[name] = np.concatenate([under.numbers.pop(name) for under in made] or [[]])
    numbers = (together[name].to_numpy() for name in ("pooled_j", "duration_s", "period_s"))
    status = status_of(*numbers, resolve_periods)
    together["status"] = pd.array(STATUS, dtype="str").take(status)
    for energy, pooled in (("energy_j", "pooled_j"), ("energy_u_j", "pooled_u_j")):
        together[energy] = together[pooled].where(status == STATUS.index("ok"))
    for name in ("flags", "unknown"):
        found = np.concatenate([getattr(under, name) for under in made] or [[]]).astype(np.int32)
        together[name] = flag_texts(found, together.index)
    spec = session.facts["spec"]
    labels = session.labels if facts is None else {name: spec[name] for name in facts}
    together.insert(0, "session", session.name)
    for place, (name, value) in enumerate(labels.items(), 1):
        if name in together:
            # A window says it too.
            together = together.drop(columns=name)
        together.insert(place, name, value)
    return together


def _described(windows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """What the windows say of themselves."""
    named = dict.fromkeys(name for window in windows for name in window)
    table = pd.DataFrame(
        {"window": np.arange(len(windows))}
        | {n: [w.get(n, np.nan) for w in windows] for n in named if n not in PAYLOAD}
    )
    for column in ("segment", "kind", "start_ns", "end_ns", *columns):
        if column not in table:
            table[column] = None
    table["duration_s"] = (table.end_ns - table.start_ns) / 1e9
    pieces = [_cell(window) for window in windows]
    table["cell"] = pd.array(pieces, dtype="str")
    return table


def _cell(window: Mapping[str, Any]) -> str:
    """What a window repeats, with its kind; its kind alone where it is no piece of work."""
    piece = next((window[p] for p in (window["kind"], *PIECES) if window.get(p)), None)
    return window["kind"] if piece is None else f"{window['kind']} {cell_of(piece)}"


@dataclasses.dataclass(frozen=True)
class _Flagged:
    """The windows of a segment under one domain: their places, and arrays as long."""

    domain: str
    sums: str
    meter: str
    estimate: bool
    rows: np.ndarray
    numbers: dict[str, np.ndarray]
    flags: np.ndarray
    unknown: np.ndarray

    @classmethod
    def of(cls, under: Attributed, flags: np.ndarray, unknown: np.ndarray) -> _Flagged:
        sums = " + ".join(under.parts) or "nothing"
        numbers = {name: under.table[name].to_numpy() for name in NUMBERS}
        rows = under.table.index.to_numpy()
        return cls(*(under.name, sums, under.meter, under.estimate, rows, numbers), flags, unknown)


def _flagged(
    session: RawSession,
    segment: int,
    windows: pd.DataFrame,
    resolve_periods: float,
    failed: Collection[tuple[int, str]],
) -> Iterator[_Flagged]:
    """The windows of a segment under each of its domains, and under `total`."""
    domains: list[Domain] = []
    by_domain: dict[str, np.ndarray] = {}
    for under in attribute(session, segment, windows, resolve_periods):
        domain, table = under.domain, under.table
        if domain is None:
            flags = _total_flags(session, segment, under, by_domain)
            yield _Flagged.of(under, flags, _total_unknown(session, segment, domains, table))
            continue
        disagrees = (segment, under.name) in failed
        flags = flag_windows(session, segment, domain, table, disagrees)
        domains.append(domain)
        by_domain[under.name] = flags
        yield _Flagged.of(under, flags, unknown_flags(session, segment, domain, table))


def _total_flags(
    session: RawSession, segment: int, total: Attributed, by_domain: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Those of all that the total sums; and where another domain stands in for the worker, what
    the worker's own states tell."""
    status = total.table.status
    lost = (status == "not covered").to_numpy()
    own: dict[str, np.ndarray | bool] = {"unresolved": (status == "unresolved").to_numpy()}
    own["meter lost" if total.parts else "worker not metered"] = lost
    flags = [flag_masks(own, len(status)), *(by_domain[name] for name in total.parts)]
    worker = board_of(session.device(segment))
    if total.parts and worker in by_domain and worker not in total.parts:
        flags.append(by_domain[worker] & flag_masks(dict.fromkeys(OF_WORKER, True), 1))
    return np.bitwise_or.reduce(flags)


def _total_unknown(
    session: RawSession, segment: int, domains: Sequence[Domain], table: pd.DataFrame
) -> np.ndarray:
    """Of the worker: the processor beside a board has no say in how warm that was."""
    device = session.device(segment)
    if device != "cpu":
        worker = Domain(board_of(device), "", "", "", "", kind="gpu")
        return unknown_flags(session, segment, worker, table)
    processors = [d for d in domains if d.kind == "processor"]
    processors = processors or [Domain("cpu", "", "", "", "", kind="processor")]
    # One that tells is enough.
    return np.bitwise_and.reduce([unknown_flags(session, segment, d, table) for d in processors])
