"""A short version of the truth bench: energies, and what is said of their uncertainty, against
powers that are known exactly, through the real meters, loop and estimator in virtual time."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "truth"))

import bench
import ours
from machine import Machine
from powers import POWERS

SESSIONS = 3


@pytest.fixture(scope="module")
def found():
    return bench.run(SESSIONS, peers=False)


@pytest.mark.parametrize("domain", ["gpu", "cpu"])
def test_the_stated_interval_holds_the_truth_as_often_as_it_says(found, domain):
    rows = [row for row in found["windows"] if row["domain"] == domain]
    inside = sum(row["coverage"] * row["windows"] for row in rows)
    assert 0.90 <= inside / sum(row["windows"] for row in rows) <= 0.99


@pytest.mark.parametrize("domain", ["gpu", "cpu"])
def test_windows_of_a_second_and_more_are_right_to_one_percent(found, domain):
    rows = [row for row in found["windows"] if row["domain"] == domain and row["window_s"] >= 1]
    assert rows and max(row["rms_off"] for row in rows) <= 0.01


def test_phases_of_20_ms_pooled_a_hundred_times_are_right_to_three_percent(found):
    assert len(found["pooled"]) == SESSIONS
    assert max(abs(one["pooled"]) for one in found["pooled"]) <= 0.03
    # One difference of the counter is all or nothing.
    assert min(one["single_difference"] for one in found["pooled"]) == 1.0


def test_all_windows_have_a_figure_where_the_meters_were_read(found):
    assert all(row["said"] == row["windows"] for row in found["windows"])


@pytest.mark.parametrize("lacks", [{"samples": False}, {"counter": False}])
def test_a_board_that_tells_less_is_less_certain_and_says_so(lacks):
    power = POWERS["steps"](np.random.default_rng(0), 60)
    start = np.arange(4.0, 50.0, 3.1)
    errors, stated = {}, {}
    for name, more in (("all", {}), ("less", lacks)):
        machine = Machine(power.watts, 0, **more)
        energy = ours.curves(machine)["gpu"].energy(*map(bench._ns, (start, start + 2)))
        errors[name] = energy.joules - machine.joules(start + 2) + machine.joules(start)
        stated[name] = energy.uncertainty_j
    assert np.median(stated["less"]) > np.median(stated["all"])
    assert np.mean(np.abs(errors["less"]) <= 2 * stated["less"]) >= 0.85


def test_the_tables_can_be_printed(found):
    text = "\n".join(bench.rendered(found))
    assert "this workflow" in text and "nan" not in text
