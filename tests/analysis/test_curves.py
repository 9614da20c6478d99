"""Energies of windows from readings of a known power, and how far off they may be."""

import numpy as np
import pytest

from analysis.energy.curves import curve


@pytest.fixture
def curve_of(known):
    """The curve that a meter gives of a known power."""

    def make(domain, truth, **how):
        return curve(*known.read(domain, truth, **how), domain)

    return make


def windows(seed, count=60, *, first=1.0, last=8.0, shortest=0.3, longest=3.0):
    randoms = np.random.default_rng(seed)
    start = randoms.uniform(first, last, count)
    return start, start + randoms.uniform(shortest, longest, count)


def ns(known, seconds):
    return known.START_NS + (np.asarray(seconds) * 1e9).astype(np.int64)


def errors(known, curve_of, domain, truth, how, seeds=12):
    """(error, stated standard uncertainty, truth) of random windows over random phases."""
    parts = []
    for seed in range(seeds):
        start, end = windows(seed)
        energy = curve_of(domain, truth, seed=seed, seconds=14, **how).energy(
            ns(known, start), ns(known, end)
        )
        true = truth.joules(end) - truth.joules(start)
        parts.append((energy.joules - true, energy.uncertainty_j, true))
    return map(np.concatenate, zip(*parts, strict=True))


def test_errors_stay_within_the_stated_uncertainty(known, curve_of, meter, truth):
    domain, how = meter
    error, uncertainty, _ = errors(known, curve_of, domain, truth, how)
    # Standard uncertainties: two of them hold about 95 %.
    assert np.mean(np.abs(error) <= 2 * uncertainty) >= 0.93
    assert np.mean(np.abs(error) <= uncertainty) >= 0.6


def test_energies_are_unbiased_and_their_uncertainty_is_no_excuse(known, curve_of, meter, truth):
    domain, how = meter
    error, uncertainty, true = errors(known, curve_of, domain, truth, how)
    assert abs(error.sum() / true.sum()) < 0.01
    assert np.median(uncertainty / true) < 0.05


def test_uncertainty_holds_where_the_power_steps_within_an_update(known, curve_of):
    truth = known.truth_of("step")
    error, uncertainty = [], []
    for seed in range(100):
        made = curve_of(known.GPU, truth, seed=seed, gap_s=0.02)
        start, end = np.random.default_rng(seed).uniform([3.25, 13.95], [3.35, 14.05])
        energy = made.energy(ns(known, [start]), ns(known, [end]))
        error.append(energy.joules[0] - truth.joules(end) + truth.joules(start))
        uncertainty.append(energy.uncertainty_j[0])
    assert np.mean(np.abs(error) <= 2 * np.array(uncertainty)) >= 0.93


def test_adjacent_windows_add_up_to_the_whole(known, curve_of, meter, truth):
    domain, how = meter
    made = curve_of(domain, truth, **how)
    edges = np.sort(np.random.default_rng(1).uniform(1, 15, 50))
    parts = made.energy(ns(known, edges[:-1]), ns(known, edges[1:])).joules
    whole = made.energy(ns(known, edges[:1]), ns(known, edges[-1:])).joules
    assert parts.sum() == pytest.approx(whole[0], rel=1e-12)


def test_a_window_outside_the_readings_has_no_energy(known, curve_of, meter):
    domain, how = meter
    made = curve_of(domain, known.truth_of("constant"), seconds=10, **how)
    energy = made.energy(ns(known, [-1, 5, 9.5, 11]), ns(known, [2, 6, 10.5, 12]))
    assert np.isnan(energy.joules).tolist() == [True, False, True, True]
    assert np.isnan(energy.uncertainty_j).tolist() == [True, False, True, True]


@pytest.mark.parametrize("meter", ["fresh counter", "slow counter", "power only"], indirect=True)
def test_short_windows_pool_without_bias(known, curve_of, meter):
    domain, how = meter
    truth = known.truth_of("sawtooth")
    measured = true = 0.0
    for seed in range(30):
        start, end = windows(seed, 40, shortest=0.02, longest=0.06)
        made = curve_of(domain, truth, seed=seed, seconds=10, **how)
        measured += made.energy(ns(known, start), ns(known, end)).joules.sum()
        true += (truth.joules(end) - truth.joules(start)).sum()
    assert measured == pytest.approx(true, rel=0.03)


@pytest.mark.parametrize("after", [1, 20_000_000, 300_000_000])
def test_a_counter_that_wraps_around_goes_on(known, curve_of, after):
    times, values = known.read(known.RAPL, known.truth_of("constant"), gap_s=0.05)
    span = known.RANGE_UJ
    values = [(value + after) % span for value in values]
    assert values[-1] != max(values) or after == 300_000_000
    made = curve(times, values, known.RAPL)
    energy = made.energy(ns(known, [1.0, 3.0]), ns(known, [19.0, 4.0]))
    assert energy.joules == pytest.approx([2700, 150], abs=0.5)


def test_a_counter_that_was_reset_loses_only_what_touches_the_reset(known):
    times, values = known.read(known.GPU, known.truth_of("constant"))
    values[len(values) // 2 :] = [value - values[0] for value in values[len(values) // 2 :]]
    energy = curve(times, values, known.GPU).energy(ns(known, [1, 9, 12]), ns(known, [9, 11, 19]))
    assert energy.joules[[0, 2]] == pytest.approx([1200, 1050], rel=0.002)
    assert np.isnan(energy.joules[1])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_readings_make_no_curve(known, meter, count):
    domain, how = meter
    times, values = known.read(domain, known.truth_of("constant"), **how)
    assert curve(times[:count], values[:count], domain) is None


@pytest.mark.parametrize("meter", ["fresh counter", "slow counter"], indirect=True)
def test_a_counter_that_stands_still_measures_nothing_and_not_zero(known, curve_of, meter):
    domain, how = meter
    made = curve_of(domain, known.truth_of("constant"), until=8, **how)
    energy = made.energy(ns(known, [2, 7, 12, 18]), ns(known, [6, 9, 14, 19]))
    assert energy.joules[0] == pytest.approx(600, rel=0.01)
    assert np.isnan(energy.joules[1:]).all()


def test_a_slow_counter_is_not_known_past_its_next_update(known, curve_of):
    made = curve_of(known.GPU, known.truth_of("constant"), seconds=12, until=9)
    energy = made.energy(ns(known, [5, 5]), ns(known, [9, 10]))
    assert energy.joules[0] == pytest.approx(600, rel=0.01)
    assert np.isnan(energy.joules[1])


@pytest.mark.parametrize("meter", ["fresh counter", "slow counter"], indirect=True)
def test_a_counter_that_goes_on_after_a_rest_is_trusted_again(known, curve_of, meter):
    domain, how = meter
    truth = known.Truth(lambda t: np.where((t > 5) & (t < 12), 0.0, 100.0))
    energy = curve_of(domain, truth, **how).energy(
        ns(known, [1, 6, 4, 14]), ns(known, [3, 8, 14, 16])
    )
    assert energy.joules[[0, 3]] == pytest.approx([200, 200], rel=0.01)
    assert np.isnan(energy.joules[1:3]).all()


def test_an_estimate_may_stand_still(known, curve_of):
    truth = known.Truth(lambda t: np.where(t < 8, 20.0, 0.0))
    energy = curve_of(known.ESTIMATE, truth).energy(ns(known, [2, 10]), ns(known, [4, 18]))
    assert energy.joules == pytest.approx([40, 0], abs=0.3)


def test_a_slow_counters_first_value_dates_from_before(known, curve_of):
    # Read for the first time just before it moves: what it then counts is older than the reading.
    truth = known.truth_of("constant")
    for seed in range(20):
        made = curve_of(known.GPU, truth, seed=seed, gap_s=0.02)
        energy = made.energy(made.times_ns[:1], ns(known, [1.0]))
        span_s = (ns(known, 1.0) - made.times_ns[0]) / 1e9
        assert energy.joules[0] == pytest.approx(150 * span_s, abs=3)


def test_a_gap_that_may_hide_a_wrap_around_is_lost(known):
    small = {**known.RAPL, "max_range": 65_532_610_987}  # a minute at a kilowatt
    t = np.concatenate([np.arange(0, 10, 0.05), np.arange(100, 110, 0.05)])
    values = (np.asarray(t) * 150e6).astype(np.int64) % small["max_range"]
    made = curve(ns(known, t), values.tolist(), small)
    energy = made.energy(ns(known, [1, 5, 101]), ns(known, [9, 105, 109]))
    assert energy.joules[[0, 2]] == pytest.approx([1200, 1200], rel=0.001)
    assert np.isnan(energy.joules[1])


def test_the_period_is_the_meters_or_the_samplings(known, curve_of):
    truth = known.truth_of("sawtooth")
    period = {
        (name, gap_s): curve_of(domain, truth, gap_s=gap_s).period_s
        for name, domain in (("gpu", known.GPU), ("cpu", known.RAPL), ("power", known.GPU_POWER))
        for gap_s in (0.02, 0.05, 0.3)
    }
    assert period["gpu", 0.02] == pytest.approx(0.1, rel=0.05)
    assert period["gpu", 0.05] == pytest.approx(0.1, rel=0.05)
    assert period["gpu", 0.3] == pytest.approx(0.3, rel=0.05)
    assert period["cpu", 0.02] == pytest.approx(0.02, rel=0.05)
    assert period["power", 0.05] == pytest.approx(0.1, rel=0.05)


def test_times_that_stand_still_are_taken_once(known):
    times, values = known.read(known.RAPL, known.truth_of("constant"))
    doubled = curve(np.repeat(times, 2), np.repeat(values, 2).tolist(), known.RAPL)
    once = curve(times, values, known.RAPL)
    assert np.array_equal(doubled.times_ns, once.times_ns)
    assert np.array_equal(doubled.joules, once.joules)
