"""Intervals and tests that know the design, against values worked out by hand or by scipy; how
often they hold: test_coverage.py."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import laws, prompts, ranks, rounds
from analysis.statistics.estimate import BOTH, ONE_ROUND, PROMPTS, ROUNDS, Estimate, Spread

CONFIDENCE = 0.95


def test_windows_of_a_round_are_repeats():
    """However many there are, the interval is that of the rounds' means."""
    means = np.array([1.0, 1.1, 1.3])
    few = rounds.mean(means, np.arange(3), confidence=CONFIDENCE)
    many = rounds.mean(np.repeat(means, 50), np.repeat(np.arange(3), 50), confidence=CONFIDENCE)
    assert (many.value, many.low, many.high) == pytest.approx((few.value, few.low, few.high))
    logs = np.log(means)
    half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / 3**0.5
    assert few.low == pytest.approx(math.exp(logs.mean() - half))
    assert (few.unit, few.rounds, few.freedom) == (ROUNDS, 3, pytest.approx(2))


def test_two_rounds_have_one_degree_of_freedom_and_one_has_none():
    two = rounds.mean(np.array([1.0, 1.1]), np.array([1, 2]), confidence=CONFIDENCE)
    assert two.freedom == pytest.approx(1) and two.high / two.low > 3
    one = rounds.mean(np.array([1.0, 1.1, 1.2]), np.array([1, 1, 1]), confidence=CONFIDENCE)
    assert one.value == pytest.approx(1.1) and math.isnan(one.low) and one.why == ONE_ROUND
    none = rounds.mean(np.array([np.nan]), np.array([1]), confidence=CONFIDENCE)
    assert math.isnan(none.value) and none.why


def test_a_ratio_is_paired_by_round():
    """What a round is off by, in both, is not in the ratio; rounds of one alone do not count."""
    off = np.array([1.0, 1.5, 0.7])
    first, second = 2 * off * np.array([1.0, 1.01, 0.99]), off
    at = np.array([1, 2, 3])
    found = rounds.ratio(
        np.append(first, 99.0), np.append(at, 4), second, at, confidence=CONFIDENCE
    )
    expected = stats.ttest_rel(np.log(first), np.log(second))
    assert found.value == pytest.approx(2, rel=0.01) and found.rounds == 3
    assert found.p == pytest.approx(expected.pvalue)
    assert 1.9 < found.low < found.high < 2.1
    alone = rounds.ratio(first[:1], at[:1], second, at, confidence=CONFIDENCE)
    assert alone.value == pytest.approx(2) and math.isnan(alone.p) and alone.why == ONE_ROUND


def test_an_interval_is_never_narrower_than_reading_alone_allows():
    values, at = np.array([1.0, 1.0001, 0.9999]), np.arange(3)
    sampled = rounds.mean(values, at, confidence=CONFIDENCE)
    read = rounds.mean(values, at, confidence=CONFIDENCE, reading_u=0.03)
    assert sampled.high - sampled.low < 0.001
    assert read.high - read.low == pytest.approx(2 * 1.96 * 0.03 / 3**0.5, rel=0.01)
    assert read.reading_u == pytest.approx(0.03 / 3**0.5, rel=1e-3)


def test_a_signed_mean_may_be_below_zero():
    found = rounds.mean(np.array([-1.0, 1.0, 0.3]), np.arange(3), confidence=0.95, signed=True)
    assert found.low < 0 < found.high and found.p > 0.5


def test_equivalence_needs_an_interval_within_the_margin():
    alike, apart = np.array([0.001, -0.002, 0.0]), np.array([0.03, 0.06, 0.045])
    assert rounds.equivalent(alike, 0.05) < 0.05
    assert rounds.equivalent(apart, 0.05) > 0.05
    # Equal in the mean, and too uncertain: that is no equivalence.
    assert rounds.equivalent(np.array([0.2, -0.2]), 0.05) > 0.05
    assert math.isnan(rounds.equivalent(alike[:1], 0.05))


def test_parts_of_few_degrees_of_freedom_widen_an_interval_and_p_goes_with_it():
    both = Spread.of(1.0, 1) + Spread.of(1.0, 100)
    assert both.half(0.95) == pytest.approx(math.hypot(12.706, 1.984), rel=1e-3)
    for p in (0.5, 0.05, 0.001):
        assert both.p(both.half(1 - p)) == pytest.approx(p, rel=1e-3)
    assert Spread().p(1.0) == 0 and Spread.of(1.0, 2).less(1.0).variance == 0


def crossed(process, prompt, noise=0.0, seed=0):
    """Cells of joules over tokens: 4 J a token, times what the process and the prompt add."""
    randoms = np.random.default_rng(seed)
    at, to = np.divmod(np.arange(len(process) * len(prompt)), len(prompt))
    each = 4 * np.asarray(process)[at] * np.asarray(prompt)[to]
    each = each * np.exp(noise * randoms.normal(size=len(each)))
    return prompts.cells(at, to, 100 * each, np.full(len(each), 100.0))


def test_prompts_and_rounds_are_both_in_the_interval():
    prompt = [0.8, 0.9, 1.0, 1.1, 1.2]
    still = prompts.mean(crossed([1.0, 1.001, 0.999], prompt), confidence=CONFIDENCE)
    loud = prompts.mean(crossed([0.8, 1.0, 1.2], prompt), confidence=CONFIDENCE)
    alike = prompts.mean(crossed([0.8, 1.0, 1.2], [1.0] * 5), confidence=CONFIDENCE)
    assert still.value == pytest.approx(4, rel=0.01) and still.unit == BOTH
    assert loud.high - loud.low > 1.5 * (still.high - still.low) > 0.5
    assert loud.high - loud.low > alike.high - alike.low > 1.5 * (still.high - still.low)


def test_one_round_gives_joules_no_interval_and_a_share_one():
    one = crossed([1.0], [0.8, 0.9, 1.0, 1.1, 1.2])
    assert prompts.mean(one, confidence=CONFIDENCE).why == ONE_ROUND
    within = prompts.within(one, confidence=CONFIDENCE)
    assert within.unit == PROMPTS and within.low < within.value < within.high


def test_repetitions_of_a_prompt_are_one_observation():
    above, below = np.array([1.0, 3.0, 5.0]), np.ones(3)
    made = prompts.cells(np.zeros(3), np.array(["a", "a", "b"]), above, below)
    assert sorted(made.above) == [2.0, 5.0] and made.counts == (1, 2)


def test_a_workload_over_another_is_paired_by_round():
    process = np.array([1.0, 1.4, 0.7])
    first, second = crossed(process * 1.2, [1.0, 1.05]), crossed(process, [0.95, 1.0, 1.05])
    found = prompts.over(first, second, confidence=CONFIDENCE)
    assert found.value == pytest.approx(1.2 * 1.025, rel=1e-3)
    # Apart, the rounds would leave a factor of three to either side.
    assert found.low > 0.8 and found.high < 1.8 and found.rounds == 3
    alone = prompts.over(crossed([1.0], [1, 1.1]), crossed([1.0], [1, 1.1]), confidence=CONFIDENCE)
    assert alone.value == pytest.approx(1) and alone.why == ONE_ROUND


def test_a_share_of_prompts_of_one_kind_is_no_certainty():
    """All that were drawn saved nine tenths; those that save nothing were not drawn."""
    five = prompts.cells(np.zeros(5), np.arange(5), np.full(5, 0.1), np.ones(5))
    found = prompts.share(five, confidence=CONFIDENCE)
    assert found.value == pytest.approx(0.1) and found.high > 0.3 and found.low < 0.1
    three = prompts.cells(np.zeros(3), np.arange(3), np.full(3, 0.1), np.ones(3))
    assert prompts.share(three, confidence=CONFIDENCE).why == "fewer than 5 prompts"


def test_passes_are_exactly_binomial():
    found = prompts.proportion(np.array([1.0] * 11 + [0.0]), np.arange(12), confidence=CONFIDENCE)
    low, high = stats.binomtest(11, 12).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert prompts.proportion(np.ones(3), np.arange(3), confidence=0.95).low < 0.4


def test_a_law_is_found_and_its_uncertainty_is_that_of_lengths():
    lengths = np.array([64.0, 128, 256, 512, 1024, 2048, 4096])
    truth = 4 + 0.016 * lengths
    off = 1 + 0.02 * np.array([1, -1, 1, 1, -1, -1, 1])
    x, y = np.repeat(lengths, 3), np.repeat(truth * off, 3)
    made = laws.polynomial(x, y, np.zeros(len(x)), 1, confidence=CONFIDENCE)
    more = laws.polynomial(
        np.tile(x, 20), np.tile(y, 20), np.zeros(20 * len(x)), 1, confidence=CONFIDENCE
    )
    for term, again, value in zip(made.terms, more.terms, (4, 0.016), strict=True):
        assert term.low < value < term.high and term.unit == PROMPTS
        # More windows of a length say nothing of how lengths differ.
        assert again.high - again.low == pytest.approx(term.high - term.low)
    (low, high), _ = made.left_out
    assert low < made.terms[0].value < high and 0.99 < made.r2 < 1
    ratio = made.ratio(2000, 200, confidence=CONFIDENCE)
    assert ratio.low < (4 + 32) / (4 + 3.2) < ratio.high
    assert laws.polynomial(x[:6], y[:6], np.zeros(6), 1, confidence=CONFIDENCE) is None


def test_what_a_law_leaves_is_held_against_what_windows_vary_by():
    randoms = np.random.default_rng(1)
    x = np.repeat([64.0, 128, 256, 512, 1024], 6)
    noise = 1 + 0.01 * randoms.normal(size=len(x))
    line = laws.polynomial(x, (4 + 0.01 * x) * noise, np.zeros(30), 1, confidence=CONFIDENCE)
    bent = laws.polynomial(
        x, (4 + 0.01 * x + 2e-5 * x**2) * noise, np.zeros(30), 1, confidence=CONFIDENCE
    )
    assert line.lack_of_fit_p > 0.05 > 1e-3 > bent.lack_of_fit_p


def test_pairs_too_few_cannot_reject_and_say_so():
    p, least, effect = ranks.signed_ranks(np.array([5.0, 6, 7]), np.array([1.0, 1.5, 1.2]))
    assert p == least == 0.25 and effect == 1
    assert ranks.signed_ranks(np.ones(3), np.ones(3))[1] == 1
    _, least, _ = ranks.signed_ranks(np.arange(6.0) ** 2 + 1, np.zeros(6))
    assert least < 0.05
    assert Estimate(least_p=0.25).cannot_reject and not Estimate(least_p=0.03).cannot_reject


def test_passes_gained_and_lost_are_tested_exactly():
    p, least = ranks.mcnemar(7, 0)
    assert p == pytest.approx(2 / 2**7) and least == pytest.approx(2 / 2**7)
    assert ranks.mcnemar(0, 0)[1] == 1 and ranks.mcnemar(2, 1)[0] == 1


def test_holm_is_that_of_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    known = ~np.isnan(p)
    assert ranks.holm(p)[known] == pytest.approx(multipletests(p[known], method="holm")[1])
    assert math.isnan(ranks.holm(p)[2])


@pytest.mark.parametrize(
    ("size", "word"),
    [(0.0, "negligible"), (-0.2, "small"), (0.3, "medium"), (-1, "large"), (math.nan, "")],
)
def test_effects_have_words(size, word):
    assert ranks.effect(size) == word


def test_intraclass_correlation_is_the_part_between_rounds():
    randoms = np.random.default_rng(0)
    at = np.repeat(np.arange(200), 5)
    values = 10 + randoms.normal(size=200)[at] + randoms.normal(size=1000)
    assert rounds.intraclass(values, at) == pytest.approx(0.5, abs=0.08)
    assert abs(rounds.intraclass(randoms.normal(size=1000), at)) < 0.08
    assert math.isnan(rounds.intraclass(values[:5], at[:5]))


def test_a_randomised_block_design_is_that_of_a_paired_test():
    randoms = np.random.default_rng(1)
    table = np.exp(randoms.normal(size=(6, 2)))
    f, p, _ = rounds.blocks(table)
    t = stats.ttest_rel(*np.log(table).T)
    assert (f, p) == pytest.approx((t.statistic**2, t.pvalue))
    assert math.isnan(rounds.blocks(table[:1])[0])
