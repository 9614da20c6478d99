"""Steps that no device can take, metadata that cannot be, power that holds, and boards that are
not as an H100: each with what must stay right."""

import numpy as np
import pytest

from analysis.energy.curves import curve


def ns(known, seconds):
    return known.START_NS + np.round(np.asarray(seconds) * 1e9).astype(np.int64)


def energies(known, made, *windows):
    start, end = np.asarray(windows, float).T
    return made.energy(ns(known, start), ns(known, end)).joules


def of(known, domain, t, values, power=None):
    return curve(ns(known, t), values, domain, power)


T = np.arange(0, 20, 0.05)


def test_a_reset_is_no_wrap_around(known):
    raw = (T * 50e6 + 5e9).astype(np.int64)
    raw[200:] -= raw[200]
    made = of(known, known.RAPL, T, raw.tolist())
    before, across, behind = energies(known, made, (1, 6), (8, 12), (11, 19))
    assert [before, behind] == pytest.approx([250, 400], abs=0.1) and np.isnan(across)
    assert any("reset" in note for note in made.notes)


@pytest.mark.parametrize("watts, gap_s", [(50, 0.05), (900, 0.05), (950, 30.0), (5, 20.0)])
def test_a_wrap_around_is_exact(known, watts, gap_s):
    t = np.arange(0, 2000 * gap_s, gap_s)[:400]
    span = 65_532_610_987
    raw = ((t * watts * 1e6 + span - t[150] * watts * 1e6) % span).astype(np.int64)
    made = of(known, {**known.RAPL, "max_range": span}, t, raw.tolist())
    whole = (t[10], t[-10])
    assert made.lost_ns == () and made.notes == ()
    true = watts * (whole[1] - whole[0])
    assert energies(known, made, whole)[0] == pytest.approx(true, abs=0.01)


def test_a_wrap_around_of_an_unknown_range_costs_what_it_touches(known):
    span = 65_532_610_987
    raw = ((T * 100e6 + span - 1e9) % span).astype(np.int64)
    for unknown in (None, 0):
        made = of(known, {**known.RAPL, "max_range": unknown}, T, raw.tolist())
        before, across, behind = energies(known, made, (1, 9), (9, 11), (11, 19))
        assert [before, behind] == pytest.approx([800, 800], abs=0.2) and np.isnan(across)


def test_a_range_below_the_values_is_taken_as_unknown_and_one_value_above_it_as_garbage(known):
    raw = (T * 100e6 + 5e9).astype(np.int64)
    made = of(known, {**known.RAPL, "max_range": 6_000_000_000}, T, raw.tolist())
    assert energies(known, made, (1, 19))[0] == pytest.approx(1800, abs=0.1)
    assert any("max_range" in note for note in made.notes)
    once = raw.copy()
    once[200] = 10**12
    made = of(known, known.RAPL, T, once.tolist())
    assert energies(known, made, (1, 19))[0] == pytest.approx(1800, abs=0.1)


@pytest.mark.parametrize("spike", [2**32 - 1, -5, float("nan"), 50_000_000, 0])
def test_garbage_power_costs_what_it_touches(known, spike):
    watts = (np.where(T < 10, 200e3, 400e3) + 100 * np.sin(T)).tolist()
    watts[300] = spike
    made = of(known, known.GPU_POWER, T, watts)
    before, across, behind = energies(known, made, (1, 9), (14.5, 15.5), (16, 19))
    assert [before, behind] == pytest.approx([1600, 1200], rel=0.002)
    assert np.isnan(across) and made.notes


def test_power_zero_for_ever_is_unknown_and_zero_of_a_coarse_meter_is_zero(known):
    made = of(known, known.GPU_POWER, T, [0] * len(T))
    assert np.isnan(energies(known, made, (1, 9), (2, 3))).all()
    assert any("power 0" in note for note in made.notes)
    watts = np.round(np.where(T % 2 < 1, 0.2, 2.0) + 0.2 * np.sin(7 * T)) * 1000
    made = of(known, known.GPU_POWER, T, watts.tolist())
    assert not np.isnan(energies(known, made, (1, 9))).any()


@pytest.mark.parametrize("gap_s", [0.02, 0.05, 0.2])
def test_power_that_holds_its_value_held(known, gap_s):
    t = np.arange(0, 40, gap_s)
    watts = np.where(t % 20 < 10, 10_000, 100_000)
    made = of(known, known.GPU_POWER, t, watts.tolist())
    idle, work = energies(known, made, (20.5, 29.5), (30.5, 39))
    assert [idle, work] == pytest.approx([90, 850], rel=0.03)
    energy = made.energy(ns(known, [20.0]), ns(known, [30.0]))
    assert abs(energy.joules[0] - 100) <= 2 * energy.uncertainty_j[0] < 60


def test_a_counter_that_stands_still_while_nothing_is_drawn_does_not_climb(known):
    # 4 s of next to nothing, shown by a counter that moves every 100 ms under load.
    truth = known.Truth(lambda t: np.where(t % 8 < 4, 300.0, 0.0))
    made = curve(*known.read(known.GPU, truth, seconds=40), known.GPU)
    rest, work = energies(known, made, (12.5, 15.5), (16.5, 19.5))
    assert [rest, work] == pytest.approx([0, 900], abs=2)


def test_a_counter_of_coarse_steps_climbs_evenly_between_them(known):
    # 1 J a step, 0.4 W at rest: two seconds and a half a step.
    t = np.arange(0, 60, 0.05)
    joules = np.floor(np.where(t < 30, 0.4 * t, 12 + 80 * (t - 30)))
    made = of(known, known.GPU, t, (joules * 1000).astype(int).tolist())
    rest, work = energies(known, made, (3, 27), (31, 59))
    assert rest == pytest.approx(9.6, abs=0.8) and work == pytest.approx(2240, abs=3)
    parts = energies(known, made, *[(s, s + 4.0) for s in range(3, 23, 4)])
    assert parts == pytest.approx(1.6, abs=0.8)


@pytest.mark.parametrize("update_s", [0.01, 0.02, 0.1, 0.25, 1.0])
@pytest.mark.parametrize("looks", ["regular", "seldom", "dense"])
def test_a_board_is_as_its_readings_say(known, update_s, looks):
    truth = known.Truth(lambda t: np.where(t % 7 < 3.3, 100.0, 500.0))
    error, stated = [], []
    for seed in range(4):
        randoms = np.random.default_rng(seed)
        t = {
            "regular": lambda: np.arange(0, 50, 0.05),
            "seldom": lambda: np.arange(0, 50, 0.3),
            "dense": lambda: np.concatenate(
                [np.arange(0, 1.2, 0.004), np.arange(1.2, 50, 0.25)]
                + [np.arange(s, s + 0.2, 0.004) for s in range(4, 50, 6)]
            ),
        }[looks]()
        t = np.unique(np.round(np.sort(t) + randoms.uniform(0, 1e-3), 6))
        phase = randoms.uniform(0, update_s)
        move = np.maximum(0, np.floor((t - phase) / update_s) * update_s + phase)
        made = of(known, known.GPU, t, (truth.joules(move) * 1000).astype(int).tolist())
        start = randoms.uniform(2, 40, 100)
        end = start + randoms.uniform(4, 8, 100)
        energy = made.energy(ns(known, start), ns(known, end))
        assert not np.isnan(energy.joules).any()
        error.append(energy.joules - truth.joules(end) + truth.joules(start))
        stated.append(energy.uncertainty_j)
    error, stated = np.concatenate(error), np.concatenate(stated)
    assert np.mean(np.abs(error) <= 2 * stated) >= 0.9
    assert np.sqrt(np.mean(error**2)) < 500 * max(0.5 * update_s, 0.12)


def test_counters_beyond_a_double_keep_their_steps(known):
    for start in (2**53, 2**62, 2**63 + 2**62):
        raw = [start + int(t * 100_000) for t in T]
        made = of(known, known.GPU, T, raw)
        assert energies(known, made, (1, 19))[0] == pytest.approx(1800, abs=0.5)
        raw[100] = 2**64 - 1
        made = of(known, known.GPU, T, raw)
        assert energies(known, made, (1, 19))[0] == pytest.approx(1800, abs=0.5)


def test_a_bound_that_cannot_be_is_said_and_bounds_nothing(known):
    declared = {"kind": "gpu", "scale": 1e-3, "max_power_w": 100.0, "contains": []}
    times, values = known.read(known.GPU, known.truth_of("constant"))
    made = curve(times, values, {**known.GPU, **declared})
    assert energies(known, made, (1, 19))[0] == pytest.approx(2700, rel=0.01)
    assert any("max_power_w" in note for note in made.notes)


@pytest.mark.parametrize("name", ["max_range", "period_s", "resolution", "max_power_w"])
def test_metadata_of_zero_is_unknown(known, name):
    declared = {"kind": "gpu", "scale": 1e-3, "contains": [], name: 0}
    times, values = known.read(known.GPU, known.truth_of("constant"))
    made = curve(times, values, {**known.GPU, **declared})
    assert energies(known, made, (1, 19))[0] == pytest.approx(2700, rel=0.01)
    assert [note for note in made.notes if name in note]


def test_a_machine_of_many_processors_is_no_garbage(known):
    big = {**known.ESTIMATE, "details": {**known.ESTIMATE["details"], "rated_power_w": 5120.0}}
    truth = known.Truth(lambda t: np.where(t % 4 < 2, 5000.0, 10.0))
    made = curve(*known.read(big, truth), big)
    assert energies(known, made, (2, 18))[0] == pytest.approx(40080, rel=0.01)
    assert made.notes == ()
