import pytest

from metering.counters import CounterReset, CounterWatch, max_gap_s, unwrap
from metering.meter import Domain, Reading

S = 1_000_000_000


def domain(**changes) -> Domain:
    fields = {"domain": "gpu:0", "meter": "nvml", "source": "nvml", "unit": "mJ", "label": "GPU"}
    return Domain(**{**fields, **changes})


def energy(t_s: float, value: int) -> Reading:
    return Reading(int(t_s * S), "gpu:0", "energy", value, "mJ", "nvml")


def power(t_s: float, value: int) -> Reading:
    return Reading(int(t_s * S), "gpu:0", "power", value, "mW", "nvml")


def kinds(watch: CounterWatch, *rounds: list[Reading]) -> list[list[str]]:
    return [[kind for kind, _ in watch.check(readings)] for readings in rounds]


def test_a_curve_without_wraps_is_left_alone():
    assert unwrap([5, 7, 7, 12], max_range=100) == [5, 7, 7, 12]
    assert unwrap([], max_range=100) == []


def test_one_wrap_and_two_wraps_keep_the_energy():
    assert unwrap([90, 99, 4, 8], max_range=100) == [90, 99, 104, 108]
    assert unwrap([90, 10, 95, 5, 6], max_range=100) == [90, 110, 195, 205, 206]


def test_a_counter_that_does_not_wrap_but_falls_was_reset():
    with pytest.raises(CounterReset, match="fell from 900 to 3"):
        unwrap([800, 900, 3], max_range=None)


def test_a_fall_far_from_the_range_is_a_reset_where_the_greatest_step_is_known():
    assert unwrap([90, 99, 4, 8], max_range=100, most=9) == [90, 99, 104, 108]
    with pytest.raises(CounterReset, match="fell from 50 to 3 far from its range 100"):
        unwrap([48, 50, 3, 8], max_range=100, most=9)


def test_a_value_beyond_the_range_is_refused():
    with pytest.raises(CounterReset, match="above its range 100"):
        unwrap([99, 101], max_range=100)


def test_the_longest_safe_gap_is_one_run_through_the_range():
    assert max_gap_s(262_143_328_850, power_w=262.14332885) == pytest.approx(1000)


def test_a_counter_that_stands_still_under_power_is_reported_once_until_it_moves():
    watch = CounterWatch(domain(), frozen_after_s=5)
    rounds = [[energy(t, 70), power(t, 9000)] for t in (0, 4, 6, 7)]
    moved = [[energy(8, 71), power(8, 9000)], [energy(14, 71), power(14, 9000)]]
    assert kinds(watch, *rounds, *moved) == [[], [], ["counter-frozen"], [], [], ["counter-frozen"]]


def test_a_counter_may_stand_still_without_power():
    watch = CounterWatch(domain(), frozen_after_s=5)
    assert kinds(watch, *[[energy(t, 70), power(t, 0)] for t in (0, 6, 12)]) == [[], [], []]


def test_an_estimate_may_stand_still_and_a_package_may_not():
    still = [[energy(0, 70)], [energy(6, 70)]]
    assert kinds(CounterWatch(domain(estimate=True), 5), *still) == [[], []]
    assert kinds(CounterWatch(domain(max_range=10**12), 5), *still) == [[], ["counter-frozen"]]


def test_a_fall_is_reported_where_the_counter_cannot_wrap():
    fall = [[energy(0, 70)], [energy(1, 3)]]
    assert kinds(CounterWatch(domain()), *fall) == [[], ["counter-reset"]]
    assert kinds(CounterWatch(domain(max_range=10**12)), *fall) == [[], []]


def test_a_gap_that_could_hide_a_wrap_is_reported():
    watch = CounterWatch(domain(max_range=65_000_000_000, scale=1e-6), frozen_after_s=1e9)
    gaps = [[energy(0, 1)], [energy(60, 2)], [energy(130, 3)]]  # 65 kJ last 65 s at 1 kW
    assert kinds(watch, *gaps) == [[], [], ["wrap-risk"]]


def test_a_round_without_an_energy_counter_is_no_news():
    watch = CounterWatch(domain(quantity="power"))
    assert kinds(watch, [power(0, 5)], [power(60, 5)]) == [[], []]


GPU = {"scale": 1e-3, "max_power_w": 3000.0}
PACKAGE = {"scale": 1e-6, "max_power_w": 1000.0, "max_range": 262_143_328_850}


@pytest.mark.parametrize(
    ("fields", "values", "said"),
    [
        # A true wrap-around, and a counter that was reset on resume: a wrap would be 256 kJ.
        (PACKAGE, [262_143_328_000, 99_000], []),
        (PACKAGE, [5_000_000_000, 99_000], ["counter-reset"]),
        (PACKAGE, [5_000_000_000, 5_100_000_000], []),
        (PACKAGE, [5_000_000_000, 105_000_000_000], ["counter-jumped"]),
        # A true 100 ms counter at 700 W, and one that jumps.
        (GPU, [1_000, 71_000], []),
        (GPU, [1_000, 4_000_000_000], ["counter-jumped"]),
        ({**GPU, "max_power_w": None}, [1_000, 4_000_000_000], []),
    ],
)
def test_a_step_that_no_device_can_draw_is_said(fields, values, said):
    watch = CounterWatch(domain(**fields))
    rounds = [[energy(0.1 * at, value)] for at, value in enumerate(values)]
    assert kinds(watch, *rounds)[-1] == said


def test_a_step_holds_what_was_drawn_since_the_last_one():
    watch = CounterWatch(domain(**GPU), frozen_after_s=1e9)
    slow = [[energy(0.1 * n, 30_000_000 * (n // 300))] for n in range(900)]  # 30 kJ in 30 s
    assert [said for said in kinds(watch, *slow) if said] == []


def test_all_readings_of_a_round_are_watched():
    watch = CounterWatch(domain(**GPU))
    assert kinds(watch, [energy(0, 70), energy(0.1, 3), energy(0.2, 9)]) == [["counter-reset"]]
