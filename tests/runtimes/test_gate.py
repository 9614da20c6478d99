"""Parity as a gate: what passes, what does not, and what is said of it."""

import numpy as np
import pytest

from runtimes import gate
from runtimes.network import relative_error

TOLERANCE = 1e-5
FACTS = {"model": "m", "subject": "Alpha", "against": "PyTorch", "where": "cpu"}


def judged(*errors, why=None):
    record = {"batch_sizes": [1, 3], "relative_error": list(errors), "why": why}
    return gate.judge("framework", record, TOLERANCE, **FACTS)


def test_a_pair_passes_when_it_is_near_enough_at_both_batch_sizes():
    assert judged(1e-7, TOLERANCE)["passed"]
    assert judged(1e-7, 1e-7)["why"] is None


@pytest.mark.parametrize("errors", [(1e-7, 1.1e-5), (1.1e-5, 1e-7), (float("inf"), 0.0)])
def test_one_batch_size_that_is_off_fails_the_pair_with_its_figure(errors):
    pair = judged(*errors)
    assert not pair["passed"]
    assert f"{max(errors):.1e}, above 1e-05" in pair["why"]
    assert gate.exclusion([judged(0.0, 0.0), pair]) == {
        "stage": "parity",
        "why": f"Alpha against PyTorch: {pair['why']}",
    }


def test_nothing_compared_is_nothing_passed():
    assert not judged()["passed"]
    failed = judged(None, None, why="ValueError: no such operator")
    assert gate.exclusion([failed]) == {
        "stage": "conversion",
        "why": "Alpha against PyTorch: ValueError: no such operator",
    }
    assert "no numbers" in judged(0.0, None)["why"]


def test_what_passes_is_not_excluded():
    assert gate.exclusion([judged(0.0, 0.0), judged(1e-9, 1e-6)]) is None


def test_the_error_is_relative_to_the_largest_output():
    expected = np.array([[1e-6, -2000.0, 3.0]], np.float32)
    assert relative_error(expected, expected) == 0
    assert relative_error(expected + np.float32(2.0), expected) == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_is_no_small_error(value):
    assert relative_error(np.array([1.0, value]), np.array([1.0, 2.0])) is None
    assert relative_error(np.ones((2, 3)), np.ones((3, 2))) is None
