"""Sessions of the same work beside each other."""

import numpy as np
import pytest


def test_sessions_that_differ_by_known_shares_have_that_coefficient_of_variation(
    lab, known, tabulate
):
    labs = []
    for number, watts in enumerate((95.0, 100.0, 105.0), 1):
        truth = known.Truth(lambda t, watts=watts: np.full_like(t, watts), 400.0)
        one = lab((known.GPU, truth, {}), round=number, conditions=("baseline",))
        one.begin(seconds=40)
        one.window("idle", 3.0)
        for repetition in range(3):
            one.generation("T/0", repetition=repetition, prefill_s=0.4, tokens=41)
        labs.append(one)
    table = tabulate(*labs).table("repeatability").set_index("metric")
    energy = table.loc["energy per decoded token"]
    assert energy.sessions == 3 and energy["mean"] == pytest.approx(5.0, rel=0.01)
    assert energy.cv == pytest.approx(0.05, abs=0.003)
    # Chi-square of two degrees of freedom.
    assert energy.cv_low / energy.cv == pytest.approx((2 / 7.378) ** 0.5, rel=1e-3)
    assert energy.cv_high / energy.cv == pytest.approx((2 / 0.05064) ** 0.5, rel=1e-3)
    assert energy.icc > 0.9
    assert energy.mean_low < 4.5 and energy.mean_high > 5.5
    assert table.loc["time per decoded token"].cv == pytest.approx(0, abs=1e-6)
    assert energy.within_cv < 0.02


def test_one_session_has_nothing_to_differ_from(lab, tabulate):
    one = lab().begin(seconds=40)
    one.window("idle", 3.0)
    one.generation("T/0", prefill_s=0.4)
    assert tabulate(one).table("repeatability").empty
