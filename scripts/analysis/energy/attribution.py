"""Windows and curves to energies: one row a window and domain. Pure functions on tables, linear in
windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.energy.curves import Energy
from analysis.energy.domains import board_of
from analysis.energy.idle import EnergyOf, idle_power
from analysis.energy.raw import TOTAL, UNMETERED, RawSession
from analysis.quality.checks import disagreeing
from analysis.quality.flags import OF_BOARDS, flag_windows, masks, texts, unknown
from metering.cells import cell_of
from metering.meter import Domain, parse_domain

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
# What attribution asks of a window.
NEEDED = ("segment", "kind", "cell", "start_ns", "end_ns", "duration_s")
STATUS = ("not covered", "unresolved", "ok")
NUMBERS = (
    *("pooled_j", "pooled_u_j", "period_s"),
    *("idle_power_w", "idle_power_u_w", "above_idle_j", "above_idle_u_j"),
)
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
    uncertainty `energy_u_j`; `pooled_j`, which also short windows have and which only sums of
    adjacent windows may use; `idle_power_w` beside it and its standard uncertainty
    `idle_power_u_w`, which all windows of a segment have in common (`analysis.idle`);
    `above_idle_j`, as `pooled_j`, and `above_idle_u_j`, of both; `status`: `ok`, `unresolved`
    (shorter than `resolve_periods` periods of the meter: no energy of its own) or `not covered`
    (the meter was lost or does not reach the window; or there is no total, since what did the work
    has no meter); `flags` (`analysis.flags`), under `total` those of all that it sums; and
    `unknown`, the flags that the raw data cannot tell.

    Args:
        facts: What to take from the session's configuration, by name; None takes the labels of the
            study of phases.
        columns: What a window may have of its own; missing where it has not.
    """
    windows = _own(session.windows, columns)
    failed = disagreeing(session)
    made = [
        under
        for segment, group in windows[list(NEEDED)].groupby("segment")
        for under in _segment(session, int(segment), group, resolve_periods, failed)
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
    short = (together.duration_s < resolve_periods * together.period_s).to_numpy()
    status = np.where(together.pooled_j.isna(), 0, np.where(short, 1, 2))
    together["status"] = pd.array(STATUS, dtype="str").take(status)
    for energy, pooled in (("energy_j", "pooled_j"), ("energy_u_j", "pooled_u_j")):
        together[energy] = together[pooled].where(status == 2)
    for name in ("flags", "unknown"):
        found = np.concatenate([getattr(under, name) for under in made] or [[]]).astype(np.int32)
        together[name] = texts(found, together.index)
    spec = session.facts["spec"]
    told = session.labels if facts is None else {name: spec[name] for name in facts}
    together.insert(0, "session", session.name)
    for place, (name, value) in enumerate(told.items(), 1):
        if name in together:
            # A window says it too.
            together = together.drop(columns=name)
        together.insert(place, name, value)
    return together


@dataclasses.dataclass(frozen=True)
class _Under:
    """The windows of a segment under one domain: their places, and arrays as long."""

    domain: str
    sums: str
    meter: str
    estimate: bool
    rows: np.ndarray
    numbers: dict[str, np.ndarray]
    flags: np.ndarray
    unknown: np.ndarray


def _own(windows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """What the windows say of themselves."""
    said = dict.fromkeys(name for window in windows for name in window)
    table = pd.DataFrame(
        {"window": np.arange(len(windows))}
        | {n: [w.get(n, np.nan) for w in windows] for n in said if n not in PAYLOAD}
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


def _segment(
    session: RawSession,
    segment: int,
    group: pd.DataFrame,
    resolve_periods: float,
    failed: Collection[tuple[int, str]],
) -> list[_Under]:
    """The windows of a segment under each of its domains, and under `total`."""
    domains = [parse_domain(record) for record in session.domains(segment)]
    made = {}
    for domain in domains:
        curve = session.curves.get((segment, domain.domain))
        edges = group.start_ns.to_numpy(), group.end_ns.to_numpy()
        period_s = np.full(len(group), np.nan) if curve is None else curve.periods_s(*edges)
        energy_of = _nowhere if curve is None else curve.energy
        table = _energies(group, energy_of, period_s, resolve_periods)
        made[domain.domain] = _Under(
            *(domain.domain, domain.domain, domain.label, domain.estimate, group.index.to_numpy()),
            {name: table[name].to_numpy() for name in NUMBERS},
            flag_windows(session, segment, domain, table, (segment, domain.domain) in failed),
            unknown(session, segment, domain, table),
        )
    parts = [made[record["domain"]] for record in session.headline(segment)]
    table = _energies(
        group,
        lambda *edges: session.total(segment, *edges),
        session.periods_s(segment, group.start_ns.to_numpy(), group.end_ns.to_numpy()),
        resolve_periods,
        _sum(parts, len(group)),
    )
    total = _Under(
        TOTAL,
        " + ".join(part.sums for part in parts) or "nothing",
        " + ".join(part.meter for part in parts) or UNMETERED,
        any(part.estimate for part in parts),
        group.index.to_numpy(),
        {name: table[name].to_numpy() for name in NUMBERS},
        _total_flags(session, segment, table, parts, made),
        _total_unknown(session, segment, domains, table),
    )
    return [*made.values(), total]


def _nowhere(start_ns: np.ndarray, end_ns: np.ndarray) -> Energy:
    missing = np.full(len(start_ns), np.nan)
    return Energy(missing, missing)


def _sum(parts: Sequence[_Under], length: int) -> Energy:
    """The sum over domains; NaN where one of them is: a sum without a part is no sum."""
    if not parts:
        return _nowhere(np.zeros(length), np.zeros(length))
    squares = sum(part.numbers["pooled_u_j"] ** 2 for part in parts)
    return Energy(sum(part.numbers["pooled_j"] for part in parts), np.sqrt(squares))


def _energies(
    group: pd.DataFrame,
    energy_of: EnergyOf,
    period_s: np.ndarray,
    resolve_periods: float,
    energy: Energy | None = None,
) -> pd.DataFrame:
    if energy is None:
        energy = energy_of(group.start_ns.to_numpy(), group.end_ns.to_numpy())
    table = group.assign(pooled_j=energy.joules, pooled_u_j=energy.uncertainty_j, period_s=period_s)
    beside_w, u_w = idle_power(table, energy_of)
    short = (table.duration_s < resolve_periods * table.period_s).to_numpy()
    return table.assign(
        status=np.where(table.pooled_j.isna(), "not covered", np.where(short, "unresolved", "ok")),
        idle_power_w=beside_w,
        idle_power_u_w=u_w,
        above_idle_j=table.pooled_j - beside_w * table.duration_s,
        above_idle_u_j=np.hypot(table.pooled_u_j, u_w * table.duration_s),
    )


def _total_flags(
    session: RawSession,
    segment: int,
    table: pd.DataFrame,
    parts: Sequence[_Under],
    made: Mapping[str, _Under],
) -> np.ndarray:
    """Those of all that the total sums; and where another domain stands in for the worker, what
    the worker's own states tell."""
    lost = (table.status == "not covered").to_numpy()
    own: dict[str, np.ndarray | bool] = {"unresolved": (table.status == "unresolved").to_numpy()}
    own["meter lost" if parts else "worker not metered"] = lost
    flags = [masks(own, len(table)), *(part.flags for part in parts)]
    worker = made.get(board_of(session.device(segment)))
    if parts and worker is not None and worker not in parts:
        flags.append(worker.flags & masks(dict.fromkeys(OF_WORKER, True), 1))
    return np.bitwise_or.reduce(flags)


def _total_unknown(
    session: RawSession, segment: int, domains: Sequence[Domain], table: pd.DataFrame
) -> np.ndarray:
    """Of the worker: the processor beside a board has no say in how warm that was."""
    device = session.device(segment)
    if device != "cpu":
        worker = Domain(board_of(device), "", "", "", "", kind="gpu")
        return unknown(session, segment, worker, table)
    processors = [d for d in domains if d.kind == "processor"]
    processors = processors or [Domain("cpu", "", "", "", "", kind="processor")]
    # One that tells is enough.
    return np.bitwise_and.reduce([unknown(session, segment, d, table) for d in processors])
