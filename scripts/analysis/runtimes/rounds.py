"""Windows to rounds: what each process says of a cell once. Pure functions on tables, linear in the
windows: all that comes behind computes on the rounds."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.quality.flag_tables import clean
from analysis.runtimes.columns import CELL

ABOVE_IDLE = ("inference_above_idle_j", "sample_above_idle_j")
# Of a window, what its energy is multiplied by to give the quantity: reading is off by as much.
FACTORS = {
    "inference_j": lambda w: 1 / w.inferences,
    "inference_above_idle_j": lambda w: 1 / w.inferences,
    "sample_j": lambda w: 1 / w.samples,
    "sample_above_idle_j": lambda w: 1 / w.samples,
    "power_w": lambda w: 1 / w.duration_s,
    "energy_delay_js": lambda w: w.inference_s / w.inferences,
}
# A clock and a counter of CPU time stand behind these, and no meter.
TIMES = ("inference_s", "samples_per_s", "cpu_share")
QUANTITIES = (*FACTORS, *TIMES)
# What must be one for two cells to be compared, and how far the meter covered them.
SETTINGS = ("machine", "meter", "sums", "status")


def rounds_table(
    windows: pd.DataFrame, *, common: Collection[str] = (), clean_only: bool = False
) -> pd.DataFrame:
    """One row a cell, domain and round, in the order of the windows.

    Columns: `windows`; for each quantity Q of `QUANTITIES` its mean `Q` over the windows that have
    one, how many those are (`Q_windows`), their variance (`Q_variance`, NaN of one) and the
    standard uncertainty of reading the mean (`Q_u`): of the windows independently, and of the idle
    power that is subtracted from all of them in common. `SETTINGS` that differ within a round are
    joined by " and ".

    Args:
        windows: As of `inferences_table`.
        common: Flags that nearly all windows carry; see `flag_tables.common_flags`.
        clean_only: Whether windows that carry any other flag count as if they had no value.
    """
    keys = [*CELL, "domain", "round"]
    grouped = windows.groupby(keys, sort=False, dropna=False)
    at = grouped.ngroup().to_numpy()
    rounds = windows.drop_duplicates(keys)[[*keys, "estimate"]].reset_index(drop=True)
    count = len(rounds)
    rounds["windows"] = np.bincount(at, minlength=count)
    for name in SETTINGS:
        rounds[name] = _joined(windows[name], at, count)
    kept = {
        above: clean(windows, common, above_idle=above).to_numpy() if clean_only else True
        for above in (False, True)
    }
    energy_u_j = windows.energy_u_j.to_numpy(float)
    idle_u_j = (windows.idle_power_u_w * windows.duration_s).to_numpy(float)
    for name in QUANTITIES:
        values = windows[name].to_numpy(float)
        known = ~np.isnan(values) & kept[name in ABOVE_IDLE]
        where, values = at[known], values[known]
        number = np.bincount(where, minlength=count)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(where, values, count) / number
            squares = np.bincount(where, (values - mean[where]) ** 2, count)
            rounds[f"{name}_variance"] = np.where(number > 1, squares / (number - 1), np.nan)
        rounds[name], rounds[f"{name}_windows"] = mean, number
        u = np.where(number > 0, 0.0, np.nan)
        if name in FACTORS:
            factor = FACTORS[name](windows).to_numpy(float)[known]
            own = np.nan_to_num(energy_u_j[known] * factor)
            u = _share(np.sqrt(np.bincount(where, own**2, count)), number)
            if name in ABOVE_IDLE:
                shared = np.nan_to_num(idle_u_j[known] * factor)
                u = np.hypot(u, _share(np.bincount(where, shared, count), number))
        rounds[f"{name}_u"] = u
    return rounds


def _share(sums: np.ndarray, number: np.ndarray) -> np.ndarray:
    return np.divide(sums, number, out=np.full(len(sums), np.nan), where=number > 0)


def _joined(column: pd.Series, at: np.ndarray, count: int) -> list:
    """Of each round, what its windows say; several by " and "."""
    codes, names = pd.factorize(column)
    seen = pd.DataFrame({"at": at, "code": codes}).drop_duplicates()
    distinct: list = [[] for _ in range(count)]
    for place, code in zip(seen["at"], seen.code, strict=True):
        distinct[place].append(names[code])
    return [" and ".join(sorted(each)) if len(each) > 1 else each[0] for each in distinct]
