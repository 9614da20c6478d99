"""What prompts and rounds share, by hand; tests/analysis/test_coverage.py says how
often they hold."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import laws, prompts, ranks, rounds

LEVEL = {"confidence": 0.95}


def cells(table):
    """Of a table of rounds x prompts."""
    table = np.asarray(table, float)
    at, to = np.indices(table.shape)
    return prompts.cells(at.ravel(), to.ravel(), table.ravel())


def test_two_rounds_have_one_degree_of_freedom():
    found = prompts.mean(cells([[10.0], [12.0]]), **LEVEL)
    half = stats.t.ppf(0.975, 1) * abs(np.log(1.2)) / 2
    assert (found.unit, found.rounds) == ("rounds", 2)
    assert np.log(found.high / found.value) == pytest.approx(half)
    alone = prompts.mean(cells([[10.0, 12.0]]), **LEVEL)
    assert alone.value == 11 and np.isnan(alone.low) and alone.why.startswith("one round")


def test_what_is_alike_is_no_sample():
    found = prompts.mean(cells([[6.29], [6.29], [6.29]]), **LEVEL)
    assert np.isnan(found.low) and found.why == "no two differ"
    # But for what reading it adds.
    read = prompts.mean(cells([[6.29], [6.29], [6.29]]), reading_u=0.1, **LEVEL)
    assert read.high / 6.29 == pytest.approx(np.exp(1.96 * 0.1 / 6.29), rel=1e-4)


def test_what_all_windows_of_a_round_share_is_added_within_it():
    table = [[0.02, 0.03, 0.04, 0.03]]
    without = prompts.within(cells(table), signed=True, **LEVEL)
    shared = prompts.within(cells(table), signed=True, common_u=0.015, **LEVEL)
    wider = np.hypot(without.high - without.value, stats.norm.ppf(0.975) * 0.015)
    assert shared.high - shared.value == pytest.approx(wider)
    assert shared.low < 0 < without.low and shared.reading_u != shared.reading_u


def test_many_prompts_cost_no_memory():
    made = cells(np.random.default_rng(0).random((1, 50_000)) < 0.3)
    found = prompts.share(made, **LEVEL)
    assert found.value == pytest.approx(0.3, abs=0.01)
    assert found.high - found.low == pytest.approx(2 * 1.96 * (0.21 / 50_000) ** 0.5, rel=0.05)


def test_a_variation_has_the_interval_of_its_variance():
    found = rounds.variation(np.array([9.0, 10, 11]), **LEVEL)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 * (2 / 7.37776) ** 0.5, rel=1e-4)
    assert found.high == pytest.approx(0.1 * (2 / 0.0506356) ** 0.5, rel=1e-4)
    assert np.isnan(rounds.variation(np.array([9.0]), **LEVEL).value)


def test_no_loss_by_hand():
    assert ranks.no_loss(0, 12, 0.05) == pytest.approx(0.95**12)
    assert ranks.no_loss(0, 60, 0.05) < 0.05 < ranks.no_loss(3, 60, 0.05)
    assert np.isnan(ranks.no_loss(0, 0, 0.05))


def test_a_share_of_two_laws():
    lengths = np.array([64.0, 128, 256, 512, 1024, 2048])
    randoms = np.random.default_rng(0)

    def law(*terms):
        y = np.polynomial.polynomial.polyval(lengths, terms)
        y = y * np.exp(0.01 * randoms.normal(size=len(lengths)))
        return laws.polynomial(lengths, y, np.zeros(len(lengths)), len(terms) - 1, **LEVEL)

    found = laws.share(law(1.0, 0.02), 1000.0, law(4.0, 1e-4), 1000.0, 10, **LEVEL)
    assert found.low < 21 / (21 + 41) < found.high
    assert found.high - found.low < 0.02
