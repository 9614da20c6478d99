"""Intervals that hold the truth, and effect sizes against values worked out by hand."""

import numpy as np
import pytest

from analysis.statistics import cliffs_delta, interval, ratio_of_sums, saved_share, wilcoxon_p


def bound(statistic, *samples, seed=0):
    return interval(statistic, samples, confidence=0.95, resamples=400, seed=seed)


def test_intervals_hold_the_truth():
    held = 0
    for seed in range(120):
        randoms = np.random.default_rng(seed)
        _, low, high = bound(np.mean, randoms.gamma(4, 2.0, 40))
        held += low <= 8 <= high
    assert 0.87 <= held / 120 <= 1.0


def test_intervals_of_savings_hold_the_truth():
    held = 0
    for seed in range(120):
        randoms = np.random.default_rng(seed)
        before = randoms.uniform(50, 150, 40)
        after = before * randoms.uniform(0.2, 0.6, 40)
        value, low, high = bound(saved_share, before, after)
        assert low <= value <= high
        held += low <= 0.6 <= high
    assert 0.87 <= held / 120 <= 1.0


def test_samples_are_resampled_together():
    before = np.array([1.0, 10, 100, 1000])
    assert bound(saved_share, before, before / 4) == pytest.approx((0.75, 0.75, 0.75))


def test_the_same_seed_gives_the_same_interval():
    sample = np.random.default_rng(0).normal(size=30)
    assert bound(np.mean, sample, seed=1) == bound(np.mean, sample, seed=1)
    assert bound(np.mean, sample, seed=1) != bound(np.mean, sample, seed=2)


def test_one_observation_has_no_interval_and_none_has_no_value():
    assert bound(np.mean, np.array([3.0])) == pytest.approx((3.0, np.nan, np.nan), nan_ok=True)
    assert np.isnan(bound(np.mean, np.array([]))).all()
    assert np.isnan(bound(ratio_of_sums, np.array([]), np.array([]))).all()


def test_ratio_of_sums_weighs_by_size():
    assert ratio_of_sums(np.array([1, 30]), np.array([10, 100])) == pytest.approx(31 / 110)
    assert saved_share(np.array([100, 300]), np.array([50, 50])) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("first", "second", "delta"),
    [
        ([1, 2, 3], [4, 5], -1),
        ([4, 5], [1, 2, 3], 1),
        ([1, 2], [1, 2], 0),
        # Of nine pairs: above, below.
        ([1, 2, 3], [0, 2, 3], (4 - 3) / 9),
        ([1, 1, 5], [1, 2, 3], (3 - 4) / 9),
    ],
)
def test_cliffs_delta_by_hand(first, second, delta):
    assert cliffs_delta(np.array(first), np.array(second)) == pytest.approx(delta)


def test_wilcoxon():
    # All of five differences have one sign: 2 / 2**5.
    one = np.array([1.0, 2, 3, 4, 5])
    assert wilcoxon_p(one + np.array([1, 2, 3, 4, 5]), one) == pytest.approx(2 / 32)
    assert np.isnan(wilcoxon_p(one, one))
    assert np.isnan(wilcoxon_p(one[:1], one[1:2]))
