"""When a cell has enough windows, and which are left out then."""

import dataclasses
import math

import numpy as np
import pytest

from session.specification import ByWidth
from session.stopping import Stopping, half_width, t_quantile, verdict

WIDTH = ByWidth(within=0.02, at_least=3, at_most=8, confidence=0.95, resolve_periods=2)


@pytest.mark.parametrize(
    ("confidence", "freedom", "t"),
    # Abramowitz and Stegun 1964, table 26.10.
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 9, 2.262), (0.99, 30, 2.750), (0.9, 120, 1.658)],
)
def test_students_quantile_is_that_of_the_table(confidence, freedom, t):
    assert t_quantile(confidence, freedom) == pytest.approx(t, abs=6e-4)


def test_the_width_is_that_of_the_interval_over_the_mean():
    # s / sqrt(n) = 0.1, t = 4.303, mean = 1.
    values = [1 - 0.1 * math.sqrt(3), 1.0, 1 + 0.1 * math.sqrt(3)]
    assert half_width(values, 0.95, 3) == pytest.approx(0.4303, abs=1e-4)
    # Those behind the first make it narrower by their number, whatever they are.
    assert half_width([*values, *[1.0] * 9], 0.95, 3) == pytest.approx(0.4303 / 2, abs=1e-4)
    assert half_width([7.0, 7.0], 0.95, 2) == 0
    for values, pilot in (([1.0], 1), ([0.0, 0.0], 2), ([], 2), ([1.0, 1.1], 3)):
        assert half_width(values, 0.95, pilot) is None


@pytest.mark.slow
@pytest.mark.parametrize(("scatter", "at_least"), [(0.01, 2), (0.02, 3), (0.05, 3), (0.03, 5)])
def test_where_it_says_narrow_enough_the_mean_is_that_close_as_often_as_it_says(scatter, at_least):
    """Stopped at the first narrow interval, it was in 29 to 89 % of cases."""
    rule = dataclasses.replace(WIDTH, at_least=at_least, at_most=100_000)
    randoms = np.random.default_rng(1)
    close = []
    for _ in range(400):
        values = list(randoms.normal(1, scatter, at_least))
        while verdict(rule, values).why is None:
            values += list(randoms.normal(1, scatter, max(1, len(values) // 20)))
        close.append(abs(np.mean(values) - 1) <= rule.within * np.mean(values))
    assert np.mean(close) > 0.925


@pytest.mark.parametrize(
    ("energies", "why"),
    [
        ([1.0, 1.0], None),
        ([1.0, 1.001, 0.999], "narrow enough"),
        ([1.0, 1.2, 0.8], None),
        ([1.0, 1.2, 0.8] * 2 + [1.0, 1.0], "at most so many"),
        # What happens to be narrow behind the first windows does not count.
        ([1.0, 1.2, 0.8, 1.0, 1.0, 1.0], None),
        # Windows without an energy do not count, though they look steady.
        ([1.0, None, 1.0], None),
        ([None] * 8, "at most so many; 8 without an energy"),
        ([1.0, 1.001, 0.999, *[None] * 5], "narrow enough"),
    ],
)
def test_a_cell_has_enough_when_it_is_narrow_or_at_the_cap(energies, why):
    found = verdict(WIDTH, energies)
    assert found.why == why
    assert found.windows == len(energies)
    assert found.with_energy == sum(e is not None for e in energies)


class Measured:
    """A session of cells with given energies; `taken` is what was measured, in order."""

    def __init__(self, energies, rules, order="ab"):
        self.energies, self.taken, self.asked = energies, [], 0
        self.out = 0
        most = max(rule if isinstance(rule, int) else rule.at_most for rule in rules.values())
        self.names = [f"{cell}:{n}" for n in range(most) for cell in order]
        self.rules = rules

    def so_far(self):
        self.asked += 1
        counts = {cell: sum(t.startswith(cell) for t in self.taken) for cell in self.energies}
        return {cell: self.energies[cell][:count] for cell, count in counts.items()}

    def leave_out(self, count):
        self.out += count

    def run(self, until=None):
        stopping = Stopping(self.rules, self.so_far)
        left = stopping.left(self.names, set(self.taken))
        for name in stopping.needed(left, self.leave_out):
            if len(self.taken) == until:
                return stopping
            self.taken.append(name)
        return stopping


STEADY, NOISY = [1.0, 1.001, 0.999, 1.0] * 2, [1.0, 1.5, 0.5, 1.0] * 2


def test_steady_cells_end_early_and_noisy_ones_at_the_cap_each_round_after_the_other():
    session = Measured({"a": STEADY, "b": NOISY}, {"a": WIDTH, "b": WIDTH})
    stopping = session.run()
    assert session.taken == [
        "a:0",
        "b:0",
        "a:1",
        "b:1",
        "a:2",
        "b:2",
        *[f"b:{n}" for n in range(3, 8)],
    ]
    assert session.out == 5
    told = stopping.recorded_verdicts()
    assert (told["a"]["windows"], told["a"]["why"]) == (3, "narrow enough")
    assert (told["b"]["windows"], told["b"]["why"]) == (8, "at most so many")
    (line,) = stopping.lines()
    assert line == "b: within 76.1% of its mean and not 2.0%: at most so many (8 windows)"


def test_windows_without_an_energy_go_to_the_cap_and_it_says_so():
    session = Measured({"a": [None] * 8}, {"a": WIDTH}, order="a")
    stopping = session.run()
    assert len(session.taken) == 8
    assert list(stopping.lines()) == [
        "a: 8 windows and no interval: at most so many; 8 without an energy"
    ]


@pytest.mark.parametrize("until", range(11))
def test_a_killed_session_ends_where_an_undisturbed_one_does(until):
    whole = Measured({"a": STEADY, "b": NOISY}, {"a": WIDTH, "b": WIDTH})
    whole.run()
    killed = Measured({"a": STEADY, "b": NOISY}, {"a": WIDTH, "b": WIDTH})
    killed.run(until)
    assert len(killed.taken) == until
    killed.run()
    assert killed.taken == whole.taken


def test_a_session_that_was_killed_at_its_end_has_nothing_left():
    session = Measured({"a": STEADY}, {"a": WIDTH}, order="a")
    session.run()
    stopping = Stopping(session.rules, session.so_far)
    assert stopping.left(session.names, set(session.taken)) == []
    assert stopping.recorded_verdicts()["a"]["why"] == "narrow enough"


def test_a_fixed_number_is_measured_whole_and_no_energy_is_read():
    session = Measured({"a": STEADY, "b": NOISY}, {"a": 3, "b": 3})
    stopping = session.run()
    assert session.taken == session.names and session.asked == session.out == 0
    assert stopping.recorded_verdicts() == {} and not list(stopping.lines())


def test_the_least_number_costs_no_look_at_energies():
    session = Measured({"a": STEADY}, {"a": dataclasses.replace(WIDTH, at_least=4)}, order="a")
    session.run()
    assert session.taken == [f"a:{n}" for n in range(4)] and session.asked == 1 + 0
