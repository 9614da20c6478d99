"""What the sampler takes of a core, over an NVML whose calls burn CPU time, in virtual time."""

import itertools
import sys
from collections import Counter

import pytest
from clocks import Clock, Kept

from metering import nvml as meters
from metering.loop import SamplingLoop
from metering.pace import BUDGET, PROCESS_BUDGET, START_UP_S, STRETCH_FIRST, Budget

DEAR_S = 0.0046
GPUS = [{"uuid": f"GPU-{n}", "sample_ms": 20, "instant_mw": 90_000} for n in range(8)]


@pytest.fixture
def ran(nvml, monkeypatch):
    """Samples for two minutes; gives what was called when, the share of a core, and what was read.

    ``dear`` burn 4.6 ms, as the energy counter of an H100 does, other calls 20 us.
    """

    def run(gpus=1, dear=None, period_s=0.05, round_s=1e-4, seconds=120.0, **changes):
        nvml(*({**gpu, **changes} for gpu in GPUS[:gpus]))
        clock, calls = Clock(), []
        import pynvml

        def burning(name, real):
            def function(*arguments):
                clock.burn(DEAR_S if dear is None or name in dear else 2e-5)
                calls.append((clock.now_s, name))
                return real(*arguments)

            return function

        for name in dir(pynvml):
            if name.startswith("nvmlDevice"):
                monkeypatch.setattr(pynvml, name, burning(name, getattr(pynvml, name)))
        kept = Kept()
        PROCESS_BUDGET.__init__()  # as in a new process
        with clock.running():
            found, _ = meters.find({})
            loop = SamplingLoop(found, kept.trace(), kept.log())
            loop.sample(slow=True)
            begin_s = clock.now_s + START_UP_S + 10  # and it adapts
            spent = []

            def until(seconds):
                clock.wait(seconds)
                clock.burn(round_s)
                if clock.now_s >= begin_s and not spent:
                    spent.append((clock.cpu_s, clock.now_s))
                return clock.now_s >= begin_s + seconds_left

            seconds_left = seconds
            loop.run(period_s, until)
            share = (clock.cpu_s - spent[0][0]) / (clock.now_s - spent[0][1])
        counts = Counter(name for t, name in calls if t >= begin_s)
        return counts, share, kept

    yield run
    PROCESS_BUDGET.__init__()
    sys.modules.pop("pynvml", None)


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [1, 8])
@pytest.mark.parametrize("dear", [None, {"nvmlDeviceGetTotalEnergyConsumption"}])
def test_the_sampler_takes_less_than_a_hundredth_of_a_core(ran, gpus, dear):
    counts, share, _ = ran(gpus, dear)
    assert share < 0.01
    # And is not silent.
    reads = counts["nvmlDeviceGetTotalEnergyConsumption"]
    assert 0.3 * 120 <= reads <= 1.3 * 120


def test_a_board_without_samples_whose_calls_are_all_dear_keeps_the_budget_too(ran):
    _, share, kept = ran(unsupported=["nvmlDeviceGetSamples"])
    assert share < 0.01
    assert {r.source for r in kept.of("power")} == {"nvml:instant"}


def test_samples_of_power_have_no_hole_though_a_fetch_is_dear(ran):
    _, _, kept = ran(dear={"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetSamples"})
    times = sorted(r.t_ns for r in kept.of("power"))
    assert max(b - a for a, b in itertools.pairwise(times)) <= 21e6
    assert kept.events == []


def test_what_is_cheap_is_read_as_often_as_before(ran):
    counts, share, _ = ran(dear=set(), period_s=0.1)
    assert share < BUDGET
    assert counts["nvmlDeviceGetTotalEnergyConsumption"] >= 0.9 * 120 / 0.1
    assert counts["nvmlDeviceGetTemperature"] >= 0.9 * 120
    assert counts["nvmlDeviceGetSamples"] >= 0.9 * 120


def test_rounds_that_take_the_budget_leave_less_to_what_is_dear(ran):
    dear = {"nvmlDeviceGetTotalEnergyConsumption"}
    quiet, _, _ = ran(dear=dear)
    loaded, share, _ = ran(dear=dear, round_s=4e-4)
    energy = "nvmlDeviceGetTotalEnergyConsumption"
    assert 0 < loaded[energy] < 0.6 * quiet[energy]
    assert share < 0.011  # the rounds alone take 0.008


def test_the_budget_judges_only_behind_the_start_up():
    clock = Clock()
    with clock.running():
        budget = Budget(share=0.01)
        for _ in range(4):
            budget.update()
            clock.burn(1.0)
        assert budget.steady is None and budget.stretch == STRETCH_FIRST
        clock.wait(START_UP_S)
        budget.update()
        for _ in range(8):
            clock.wait(5)
            budget.update()
        assert budget.steady == (0.0, 40.0) and budget.stretch == 1
        clock.burn(1.0)
        clock.wait(19)
        budget.update()
        assert budget.stretch == 3
        for _ in range(8):
            clock.wait(20)
            budget.update()
        assert budget.stretch == 1
