"""Intervals hold the truth as often as they say, and tests find nothing where nothing is: a short
version of `make statistics`."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "coverage"))

import quantities

# Hundreds of campaigns are simulated.
pytestmark = pytest.mark.slow
SEEDS = 150
CASES = quantities.cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.what}, {case.size}")
def test_an_interval_holds_the_truth_and_a_test_finds_nothing(case):
    count = quantities.counted(case, SEEDS)
    slack = 3.3 * math.sqrt(0.05 * 0.95 / SEEDS)
    if count.given and case.goal:
        assert count.coverage >= case.goal[0] - slack
    if count.tested:
        assert count.false_positives <= 0.05 + slack


def test_one_round_gives_neither_an_interval_nor_a_verdict():
    silent = [case for case in CASES if case.size.startswith(("1x", "1 sessions"))]
    assert len(silent) == 3
    for case in silent:
        count = quantities.counted(case, 20)
        assert count.given == count.tested == 0


def test_a_percentile_bootstrap_would_not_pass():
    """What the intervals of few windows were made by: the control that the test above can fail."""

    def draw(randoms):
        values, _ = quantities.windows(randoms, 2, 3)
        means = randoms.choice(values, (500, len(values))).mean(axis=1)
        return (*np.quantile(means, (0.025, 0.975)), 1.0, math.nan)

    count = quantities.counted(quantities.Case("bootstrap of windows", "2x3", draw), SEEDS)
    assert count.coverage < 0.8
