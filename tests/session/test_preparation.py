"""Warming up until the rate is stable; rest before idle."""

import pytest

from session.preparation import idle_again, is_settled, rest_and_idle, warm_up, why_unsettled
from session.specification import Protocol


def protocol(**changes):
    usual = {"stable_within": 0.02, "warmup_max_s": 10, "settle_s": 0, "cooldown": None}
    return Protocol(**usual | changes)


class Work:
    """Stretches of half a second each at given rates; the last goes on."""

    def __init__(self, *rates):
        self.rates, self.now = list(rates), 100.0

    def clock(self):
        return self.now

    def __call__(self):
        self.now += 0.5
        return self.rates.pop(0) if len(self.rates) > 1 else self.rates[0]


@pytest.mark.parametrize(
    ("rates", "stable"),
    [
        ([100, 100], False),
        ([100, 101, 100], True),
        ([50, 100, 101, 100], True),
        ([100, 103, 100], False),
        # Rising, or falling, by less than is allowed: only half of it is.
        ([100, 100.9, 101.8], False),
        ([101.8, 100.9, 100], False),
        ([100, 100.4, 100.8], True),
        ([100, 100, 100], True),
    ],
)
def test_rates_are_stable_where_they_agree_and_show_no_trend(rates, stable):
    assert is_settled(rates, 0.02) == stable


def test_warming_up_ends_when_the_rate_is_stable_and_not_before_its_time():
    rising = [50, 80, 95, 99, 100, 100.2, 100]
    work = Work(*rising)
    warm = warm_up(work, 0, protocol(), work.clock)
    assert warm == {"rates_per_s": rising, "stable": True}
    work = Work(100)
    warm = warm_up(work, 3, protocol(), work.clock)
    assert warm == {"rates_per_s": [100] * 6, "stable": True}


def test_a_rate_that_never_settles_ends_at_the_cap_and_says_so():
    work = Work(*[100, 150] * 50)
    asked = protocol()
    warm = warm_up(work, 1, asked, work.clock)
    assert warm["stable"] is False and len(warm["rates_per_s"]) == 10 / 0.5
    line = why_unsettled(warm, asked)
    assert "did not settle within 2.0%" in line and "37.5%" in line and "\n" not in line


def test_the_cap_is_never_below_the_time_that_is_asked_for():
    work = Work(*[100, 150] * 50)
    warm = warm_up(work, 20, protocol(), work.clock)
    assert len(warm["rates_per_s"]) == 20 / 0.5


def test_work_too_slow_for_three_stretches_says_so():
    asked = protocol(warmup_max_s=0.3)
    work = Work(100)
    warm = warm_up(work, 0, asked, work.clock)
    assert warm == {"rates_per_s": [100], "stable": False}
    assert "too slow for 3 stretches" in why_unsettled(warm, asked)


def test_a_fixed_time_looks_at_no_rate():
    work = Work(*[100, 150] * 50)
    asked = protocol(stable_within=None)
    warm = warm_up(work, 2, asked, work.clock)
    assert warm["stable"] is None and len(warm["rates_per_s"]) == 4
    assert why_unsettled(warm, asked) is None
    assert warm_up(Work(1), 0, asked) == {"rates_per_s": [], "stable": None}


def test_rest_comes_before_idle():
    said = []
    settle, idle = rest_and_idle(0.02, 0.01, said.append)
    assert (settle["kind"], idle["kind"]) == ("settle", "idle")
    assert settle["end_ns"] - settle["start_ns"] >= 0.02e9
    assert idle["start_ns"] >= settle["end_ns"]
    assert said == ["recording idle for 0.01 s"]
    assert [w["kind"] for w in rest_and_idle(0, 0, said.append)] == ["idle"]


def test_behind_the_last_window_it_is_the_same_again_and_none_where_none_is_asked_for():
    said = []
    settle, idle = idle_again(0.02, 0.01, said.append)
    assert (settle["kind"], idle["kind"]) == ("settle", "idle")
    assert idle["end_ns"] - idle["start_ns"] >= 0.01e9
    assert said == ["recording idle once more, for 0.01 s"]
    assert [window["kind"] for window in idle_again(0, 0.01, said.append)] == ["idle"]
    assert idle_again(0.02, 0, said.append) == [] and len(said) == 2
