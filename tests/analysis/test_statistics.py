"""Intervals that hold the truth, and effect sizes against values worked out by hand."""

import numpy as np
import pytest

from analysis.statistics import (
    bounds,
    cliffs_delta,
    draws,
    effect,
    holm,
    interval,
    kruskal_wallis,
    mann_whitney_p,
    ratio_of_sums,
    saved_share,
    spearman,
    spearman_rows,
    wilcoxon_p,
)


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


def test_holm_by_hand():
    # In order: 4 x 0.005, 3 x 0.01, 2 x 0.03, 1 x 0.04, none below the one before it.
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize(
    ("delta", "word"),
    [(0, "negligible"), (-0.146, "negligible"), (0.147, "small"), (-0.4, "medium"), (1, "large")],
)
def test_effects_in_words(delta, word):
    assert effect(delta) == word


def test_draws_are_of_rounds_first():
    rounds = np.array([1, 2, 1, 2, 2, 3])
    drawn = draws(rounds, 2000, np.random.default_rng(0))
    assert drawn.shape == (2000, 6)
    assert set(drawn.ravel()) == set(range(6))
    # Two slots of a round are never filled by two rounds; so one round may fill them all.
    whole = (rounds[drawn] == rounds[drawn][:, :1]).all(axis=1).mean()
    assert whole == pytest.approx(1 / 9, abs=0.03)


def test_intervals_of_rounds_hold_the_truth_where_windows_alone_do_not():
    """Windows of a round are alike: who takes them for independent is too sure."""
    held = {"rounds": 0, "windows": 0}
    for seed in range(100):
        randoms = np.random.default_rng(seed)
        values = np.repeat(randoms.normal(10, 1, 12), 5) + randoms.normal(0, 0.1, 60)
        for name, units in (("rounds", np.repeat(np.arange(12), 5)), ("windows", np.arange(60))):
            means = values[draws(units, 300, randoms)].mean(axis=1)
            low, high = bounds(means, 0.95)
            held[name] += low <= 10 <= high
    assert held["rounds"] >= 85 > 75 > held["windows"]


def test_tests_by_hand():
    assert mann_whitney_p(np.arange(4), np.arange(4, 8)) == pytest.approx(2 / 70)
    assert np.isnan(mann_whitney_p(np.arange(1), np.arange(4)))
    # Ranks 1 2 3 and 4 5 6: H = 12 / (6 7) (6^2 / 3 + 15^2 / 3) - 3 7.
    h, _, epsilon_squared = kruskal_wallis(np.arange(3), np.arange(3, 6))
    assert h == pytest.approx(27 / 7)
    assert epsilon_squared == pytest.approx(27 / 7 / 5)
    assert np.isnan(kruskal_wallis(np.ones(3), np.ones(3))).all()


def test_spearman_of_rows_is_that_of_each():
    randoms = np.random.default_rng(0)
    first, second = randoms.integers(0, 5, (2, 7, 12)).astype(float)
    expected = [spearman(a, b)[0] for a, b in zip(first, second, strict=True)]
    assert spearman_rows(first, second) == pytest.approx(expected)
    assert np.isnan(spearman_rows(np.ones((1, 5)), first[:1, :5])).all()
    assert np.isnan(spearman(np.ones(5), first[0, :5])).all()
