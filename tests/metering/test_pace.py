"""Reading a counter that is dear to read, over one that moves on a regular grid in virtual time."""

import random
import time

import pytest

from metering.grid import Grid, fit_line
from metering.meter import Reading
from metering.pace import PacedCounter

PERIOD_S = 0.100002


class Counter:
    """Moves every `PERIOD_S`, shows it up to 25 ms late, and costs CPU time to read."""

    def __init__(self, monkeypatch, cost_s, seed=0, phase_s=0.037):
        self.now_s = self.cpu_s = 0.0
        self.reads = 0
        self._cost_s = cost_s
        randoms = random.Random(seed)
        self.moves_s = [phase_s + n * PERIOD_S for n in range(2000)]
        self._shown_s = [
            t + (randoms.uniform(0, 0.025) if randoms.random() < 0.1 else randoms.uniform(0, 1e-3))
            for t in self.moves_s
        ]
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(time, "process_time", lambda: self.cpu_s)
        monkeypatch.setattr(time, "sleep", self.wait)

    def wait(self, seconds):
        self.now_s += max(0.0, seconds)

    def read(self):
        self.reads += 1
        self.now_s += self._cost_s
        self.cpu_s += self._cost_s
        value = sum(t <= self.now_s for t in self._shown_s)
        return Reading(round(self.now_s * 1e9), "gpu:0", "energy", value, "mJ", "nvml")

    def run(self, paced, seconds, every_s=0.05):
        readings = []
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            readings += paced.read()
            self.wait(every_s)
        return readings


@pytest.fixture
def counter(monkeypatch):
    return lambda cost_s, **more: Counter(monkeypatch, cost_s, **more)


@pytest.mark.parametrize("seed", range(5))
def test_a_dear_counter_is_read_at_its_share_of_a_core(counter, seed):
    dear = counter(0.0035, seed=seed)
    paced = PacedCounter(dear.read, 0.004)
    paced.read()
    begin_s, cpu_s = dear.now_s, dear.cpu_s
    dear.run(paced, 100)
    # Twenty reads a second would take 7 %; the dense looks around single moves come on top.
    assert (dear.cpu_s - cpu_s) / (dear.now_s - begin_s) < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_single_readings_show_the_last_move_beyond_doubt(counter, seed):
    dear = counter(0.0035, seed=seed)
    paced = PacedCounter(dear.read, 0.004)
    readings = dear.run(paced, 100)
    alone = [
        one
        for before, one, after in zip(readings, readings[1:], readings[2:], strict=False)
        if min(one.t_ns - before.t_ns, after.t_ns - one.t_ns) > 0.2e9
    ]
    assert len(alone) > 20
    for one in alone:
        assert one.value == sum(t <= one.t_ns / 1e9 for t in dear.moves_s)


def test_a_cheap_counter_is_read_every_time(counter):
    cheap = counter(2e-5)
    paced = PacedCounter(cheap.read, 0.004)
    paced.read()
    before = cheap.reads
    assert len(cheap.run(paced, 4)) >= 4 / 0.06
    assert cheap.reads - before >= 4 / 0.06


def test_a_counter_that_stands_still_is_still_read(counter):
    still = counter(0.0035, phase_s=1e9)
    readings = still.run(PacedCounter(still.read, 0.004), 20)
    assert {r.value for r in readings} == {0} and len(readings) >= 8


def test_everything_reads_though_nothing_is_due(counter):
    dear = counter(0.0035)
    paced = PacedCounter(dear.read, 0.004)
    paced.read()
    assert len(paced.read(everything=True)) == 1


def test_what_the_counter_raises_comes_through(monkeypatch):
    def lost():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        PacedCounter(lost, 0.004).read()


def test_a_grid_follows_moves_of_which_some_show_late():
    randoms = random.Random(1)
    moves = [5 + n * PERIOD_S for n in range(10)]
    grid = Grid([t + randoms.uniform(0, 0.002) for t in moves])
    for number in (15, 30, 80, 160, 240, 320):
        late_s = 0.02 if number == 80 else randoms.uniform(0, 0.002)
        assert grid.add(5 + number * PERIOD_S + late_s) == number
    assert grid.time_s(400) == pytest.approx(5 + 400 * PERIOD_S, abs=0.004)


def test_moves_that_agree_on_nothing_are_no_grid():
    assert fit_line([(0, 0.0)], 0.1) is None
    assert fit_line([(0, 0.0), (1, 0.3)], 0.1) is None
