"""Phases shorter than the meter's period, from many of them."""

import numpy as np
import pytest

from analysis.energy.curves import Curve
from analysis.energy.pooling import pool

PHASE_S, PERIOD_S = 0.02, 0.1


def lab(seed, count=150, excess_w=300.0, base_w=100.0):
    """(curve, phases): a counter that moves every 0.1 s over phases of 20 ms."""
    randoms = np.random.default_rng(seed)
    starts = np.cumsum(randoms.uniform(0.15, 0.45, count)) + 1
    end_s = starts[-1] + 1
    t = np.arange(0, end_s, 1e-3)
    at = np.searchsorted(starts, t + 1e-9, "right") - 1
    inside = (at >= 0) & (t - starts[np.clip(at, 0, None)] < PHASE_S - 1e-9)
    watts = base_w + excess_w * inside
    joules = np.concatenate([[0.0], np.cumsum(watts) * 1e-3])
    knots = np.arange(0.05, end_s, PERIOD_S)
    made = Curve(
        ns(knots), np.interp(knots, np.append(t, t[-1] + 1e-3), joules), PERIOD_S, 0.0, 1e-3
    )
    return made, (ns(starts), ns(starts + PHASE_S))


def ns(seconds):
    return np.round(np.asarray(seconds) * 1e9).astype(np.int64)


@pytest.mark.parametrize("seed", range(4))
def test_many_short_phases_tell_what_one_takes(seed):
    made, phases = lab(seed)
    found = pool(made, {"prefill": phases})["prefill"]
    true_j = 400 * PHASE_S
    assert found.each_j == pytest.approx(true_j, rel=0.03)
    assert abs(found.each_j - true_j) < 3 * found.each_u_j + 0.01 * true_j
    # What interpolation makes of each is the power around it.
    plain = made.energy(*phases).joules.mean()
    assert plain < 0.6 * true_j


def test_two_kinds_and_the_rest_are_told_apart():
    made, (starts, ends) = lab(0, excess_w=300)
    after = ends + 50_000_000
    found = pool(made, {"work": (starts, ends), "wait": (ends, after)})
    assert found["work"].each_j == pytest.approx(8.0, rel=0.05)
    assert found["wait"].each_j == pytest.approx(5.0, rel=0.05)
    assert found["work"].count == 150


def test_phases_in_step_with_the_meter_are_less_certain():
    made, phases = lab(0)
    few = pool(made, {"work": tuple(edge[:12] for edge in phases)})["work"]
    many = pool(made, {"work": phases})["work"]
    assert few.each_u_j > many.each_u_j


def test_too_few_values_tell_nothing():
    made, (starts, ends) = lab(0)
    assert pool(made, {"work": (starts[:1], ends[:1])}) is None
    assert pool(made, {}) == {}
    assert pool(made, {"none": ([], [])}) == {}
