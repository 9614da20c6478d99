"""One row a window of inference and domain. Pure functions on tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.energy.raw import RawSession
from analysis.quality.flags import union_of_flags
from analysis.quality.windows import windows_table
from analysis.runtimes.columns import INFERENCES
from analysis.tabular import table

COLUMNS = ("inference", "batch", "repetition", "inferences", "user_s", "system_s")
COLUMNS += ("machine_busy_s",)
# Work of other programs, as a share of the session's own, that a reader must know of.
OTHERS = 0.1
# Of a CPU's time, what the one thread that computes without rest should get.
FED = 0.9


def inference_windows(session: RawSession, resolve_periods: float) -> pd.DataFrame:
    """Every window of one session; see `windows.windows_table`. Those of inference know their
    own CPU time, and so better than what is read once a second whether others used the CPUs."""
    windows = windows_table(session, resolve_periods, facts=("model",), columns=COLUMNS)
    inference = windows.kind == "inference"
    shared = _flags(_accounted(session, windows[inference]), session)
    busy = pd.Series("", index=windows.index, dtype="str")
    busy[inference] = shared.mask(shared != "", "CPU contention")
    return windows.assign(flags=union_of_flags([windows["flags"], busy]))


def inferences_table(session: RawSession, windows: pd.DataFrame) -> pd.DataFrame:
    """The inference windows of one session under every domain, and under `total`.

    A window is `inferences` inferences of `batch` samples, back to back; `inference_j` and
    `inference_s` are one inference's share of it. Energies are NaN where `status` is not `ok`.
    `flagged` is whether the machine was not the session's own, `flag` says how.
    """
    rows = _accounted(session, windows[windows.kind == "inference"].reset_index(drop=True))
    spec = session.facts["spec"]
    segments = {segment["segment"]: segment for segment in session.facts["segments"]}
    known = rows.status == "ok"
    samples = rows.batch * rows.inferences
    above_idle_j = rows.above_idle_j.where(known)
    inference_j, inference_s = rows.energy_j / rows.inferences, rows.duration_s / rows.inferences
    rows = rows.assign(
        runtime=spec["title"],
        system=spec["system"],
        origin=spec["origin"],
        provider=spec["provider"],
        device=rows.segment.map({n: s["device"] for n, s in segments.items()}),
        machine=rows.segment.map({n: machine(s["host"]) for n, s in segments.items()}),
        round=spec["round"],
        samples=samples,
        above_idle_j=above_idle_j,
        inference_j=inference_j,
        inference_above_idle_j=above_idle_j / rows.inferences,
        sample_j=rows.energy_j / samples,
        sample_above_idle_j=above_idle_j / samples,
        power_w=rows.energy_j / rows.duration_s,
        inference_s=inference_s,
        samples_per_s=samples / rows.duration_s,
        energy_delay_js=inference_j * inference_s,
    )
    rows["flag"] = _flags(rows, session)
    rows["flagged"] = rows.flag != ""
    return rows[list(INFERENCES)].astype(INFERENCES)


def _accounted(session: RawSession, rows: pd.DataFrame) -> pd.DataFrame:
    """The windows with what their CPU time was, and others'."""
    numbers = ["batch", "inferences", "user_s", "system_s", "machine_busy_s"]
    rows = rows.assign(**{name: rows[name].astype(float) for name in numbers})
    threads = {s["segment"]: s["threads"] for s in session.facts["segments"]}
    own_s = rows.user_s + rows.system_s
    others_s = (rows.machine_busy_s - own_s - _sampler_s(session, rows)).clip(lower=0)
    return rows.assign(
        threads=rows.segment.map(threads),
        cpu_share=own_s / rows.duration_s,
        others_share=others_s / own_s.where(own_s > 0),
    )


def _sampler_s(session: RawSession, rows: pd.DataFrame) -> pd.Series:
    """CPU time of the sampler in each window, by its mean over the session: it is no stranger."""
    stats = session.facts.get("sampler")
    return rows.duration_s * (stats["cpu_s"] / stats["wall_s"] if stats else 0.0)


def machine(host: dict[str, Any]) -> str:
    """The processor and the GPUs, in words."""
    boards = [gpu["name"] for gpu in host.get("gpus") or []]
    processor = f"{host.get('cpu_model') or 'unknown processor'}, {host.get('logical_cpus')} CPUs"
    return " + ".join([processor, *boards])


def _flags(windows: pd.DataFrame, session: RawSession) -> pd.Series:
    """How the machine was not the session's own in each window, in words; empty where it was."""
    shared = windows.others_share
    others = "other programs' CPU time was " + _percent(shared) + " of its own"
    # Several threads also rest where the work has serial parts.
    alone = (windows.threads == 1) & (session.facts["spec"]["provider"] == "cpu")
    starved = alone & (windows.cpu_share < FED)
    own = "its thread had a CPU for " + _percent(windows.cpu_share) + " of the time"
    busy = shared > OTHERS
    words = pd.Series("", index=windows.index, dtype="str")
    words = words.mask(busy, others).mask(starved & ~busy, own)
    return words.mask(busy & starved, others + "; " + own)


def _percent(shares: pd.Series) -> pd.Series:
    return (100 * shares).fillna(0).round().astype(int).astype("str") + "%"


def concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The windows of all sessions in one table, also of none: by model, in the order of the
    sessions, then by batch."""
    if not tables:
        return table([], INFERENCES)
    joined = pd.concat(tables, ignore_index=True)
    order = {model: place for place, model in enumerate(joined.model.unique())}
    keys = {"model": lambda column: column.map(order)}
    for column in ("batch", "model"):
        joined = joined.sort_values(column, kind="stable", key=keys.get(column))
    return joined.reset_index(drop=True).astype(INFERENCES)


def mixed_meters(inferences: pd.DataFrame) -> str | None:
    """The first cell whose rounds were read by different meters, in words; None where none was."""
    keys = ["model", "batch", "runtime", "provider", "domain"]
    seen = inferences[[*keys, "meter"]].drop_duplicates()
    for key, group in seen[seen.duplicated(keys, keep=False)].groupby(keys, sort=False):
        meters = "; ".join(sorted(group.meter))
        return f"{key[0]} by {key[2]} on {key[3]}: {meters}"
    return None
