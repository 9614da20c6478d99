"""Idle power and how far to trust it: what is subtracted has an error, common to all windows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.energy.curves import Energy
from analysis.energy.idle import DRIFT, DRIFT_FREEDOM, idle_power


def session(*levels_w, seconds=10.0, wave=0.0, seed=0):
    """Idle readings of so many watts with 60 s of work between them, and how to read them."""
    rows, power = [], []
    now = 0.0
    for place, watts in enumerate(levels_w):
        if place:
            rows.append(("generation", now, now + 60.0))
            power.append((now, now + 60.0, 300.0))
            now += 60.0
        rows.append(("idle", now, now + seconds))
        power.append((now, now + seconds, watts))
        now += seconds
    if len(levels_w) == 1:
        rows.append(("generation", now, now + 60.0))
        power.append((now, now + 60.0, 300.0))
        now += 60.0
    grid = np.arange(0, now + 1, 1e-2)
    watts = np.zeros_like(grid)
    for first, last, value in power:
        watts[(grid >= first) & (grid < last)] = value
    watts += wave * np.sign(np.sin(2 * np.pi * grid / 4))
    joules = np.concatenate([[0.0], np.cumsum(watts * 1e-2)])

    def energy_of(start_ns, end_ns):
        at = [np.interp(np.asarray(edge) / 1e9, np.append(grid, grid[-1] + 1e-2), joules)
              for edge in (start_ns, end_ns)]  # fmt: skip
        return Energy(at[1] - at[0], np.full(len(at[0]), 0.1))

    table = pd.DataFrame(rows, columns=["kind", "start_s", "end_s"])
    table["start_ns"] = (table.start_s * 1e9).astype(np.int64)
    table["end_ns"] = (table.end_s * 1e9).astype(np.int64)
    table["duration_s"] = table.end_s - table.start_s
    energy = energy_of(table.start_ns, table.end_ns)
    table = table.assign(pooled_j=energy.joules, pooled_u_j=energy.uncertainty_j, period_s=0.1)
    return table, energy_of


def test_one_reading_of_idle_is_as_sure_as_idle_is_the_same_from_time_to_time():
    table, energy_of = session(120.0)
    power_w, u_w = idle_power(table, energy_of)
    assert power_w == pytest.approx(120)
    # As Student's t of the sessions that it was seen in is wider than the normal distribution.
    wider = stats.t.ppf(0.975, DRIFT_FREEDOM) / stats.norm.ppf(0.975)
    assert u_w == pytest.approx(wider * DRIFT * 120, rel=1e-3)


def test_idle_before_and_behind_the_work_is_interpolated_in_time():
    power_w, u_w = idle_power(*session(100.0, 110.0))
    assert power_w == pytest.approx([100, 105, 110], rel=1e-3)
    # The nearer to a reading, the less of the other.
    assert u_w[1] < u_w[0]


def test_readings_of_idle_that_differ_make_it_uncertain_and_equal_ones_do_not():
    same, apart = (idle_power(*session(100.0, second))[1][1] for second in (100.0, 120.0))
    assert same < 2 * DRIFT * 100
    # Half of the difference at least, at 95 %.
    assert 1.96 * apart > 10


def test_an_idle_that_swings_is_less_certain():
    still, swinging = (idle_power(*session(100.0, wave=wave))[1][0] for wave in (0.0, 30.0))
    assert swinging > 2 * still


def test_the_interval_holds_what_idle_was_during_the_work():
    """Idle levels that scatter as the prior says, and three times as much."""
    randoms = np.random.default_rng(5)
    for scatter, least in ((0.015, 0.93), (0.05, 0.85)):
        inside = 0
        for _ in range(200):
            levels = 100 * (1 + scatter * randoms.normal(size=2))
            power_w, u_w = idle_power(*session(*levels, seconds=4.0))
            inside += abs(power_w[1] - 100) <= 1.96 * u_w[1]
        assert inside / 200 >= least


def test_without_idle_nothing_is_known():
    table, energy_of = session(100.0)
    power_w, u_w = idle_power(table[table.kind != "idle"], energy_of)
    assert np.isnan(power_w).all() and np.isnan(u_w).all()


def test_what_is_above_idle_carries_both_errors_and_the_share_of_idle_is_common(lab, analyse):
    one = lab().begin()
    one.window("idle", 5)
    for number in range(20):
        one.generation(f"T/{number}", tokens=21)
    _, windows, _ = analyse(one)
    rows = windows[(windows.domain == "total") & (windows.kind == "generation")]
    joined = np.hypot(rows.pooled_u_j, rows.idle_power_u_w * rows.duration_s)
    np.testing.assert_allclose(rows.above_idle_u_j, joined)
    assert rows.idle_power_u_w.nunique() == 1
    assert rows.idle_power_u_w.iloc[0] >= DRIFT * 100
