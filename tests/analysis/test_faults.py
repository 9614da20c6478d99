"""Known faults of meters, put into the readings of a known power: windows that a fault does not
touch keep their energy, and those that it touches have none, or the right one."""

import dataclasses

import numpy as np
import pytest

from analysis.energy.curves import curve

SECONDS = 40.0
# Meters whose readings are spoilt: (domain, how it is read).
METERS = {
    "counter that wraps": ("RAPL", {"gap_s": 0.05}),
    "counter that wraps, read densely": ("RAPL", {"gap_s": 0.01}),
    "slow counter": ("GPU", {}),
    "slow counter, read often": ("GPU", {"gap_s": 0.02}),
    "very slow counter": ("GPU", {"update_s": 1.0, "gap_s": 0.05}),
    "fast counter": ("GPU", {"update_s": 0.02, "gap_s": 0.05}),
    "power only": ("GPU_POWER", {}),
    "slow power": ("GPU_POWER", {"update_s": 0.5}),
    "estimate": ("ESTIMATE", {}),
}
GARBAGE = (0, -1, 2**32 - 1, 2**64 - 1, 7 * 10**17, float("nan"), float("inf"))


@dataclasses.dataclass
class Spoilt:
    """Readings, and between which readings they were spoilt."""

    times: list
    values: list
    domain: dict
    first: int
    last: int


def garbage(randoms, times, values, domain):
    at, count = int(randoms.integers(100, len(values) - 100)), int(randoms.integers(1, 4))
    values = list(values)
    values[at : at + count] = [GARBAGE[randoms.integers(len(GARBAGE))]] * count
    return Spoilt(times, values, domain, at - 1, at + count)


def garbage_of_all_kinds(randoms, times, values, domain):
    at = int(randoms.integers(100, len(values) - 100))
    values = list(values)
    values[at : at + 5] = [GARBAGE[i] for i in randoms.integers(len(GARBAGE), size=5)]
    return Spoilt(times, values, domain, at - 1, at + 5)


def reset(randoms, times, values, domain):
    at = int(randoms.integers(100, len(values) - 100))
    first = int(randoms.choice([0, values[at] // 1000]))
    after = [v - values[at] + first for v in values[at:]]
    if domain["max_range"]:
        after = [v % domain["max_range"] for v in after]
    return Spoilt(times, values[:at] + after, domain, at - 1, at)


def leap(randoms, times, values, domain):
    at = int(randoms.integers(100, len(values) - 100))
    high = {"uJ": 10**10, "mJ": 10**7, "J": 10**4}[domain["unit"]]
    after = [v + high for v in values[at:]]
    if domain["max_range"]:
        after = [v % domain["max_range"] for v in after]
    return Spoilt(times, values[:at] + after, domain, at - 1, at)


def unread(randoms, times, values, domain):
    at = int(randoms.integers(100, len(values) - 100))
    last = int(np.searchsorted(times, times[at] + randoms.uniform(0.3, 6) * 1e9))
    last = min(last, len(values) - 50)
    kept = list(times[:at]) + list(times[last:])
    return Spoilt(kept, values[:at] + values[last:], domain, at - 1, at)


def time_goes_back(randoms, times, values, domain):
    at, times = int(randoms.integers(100, len(values) - 100)), list(times)
    times[at] -= int(randoms.uniform(0.1, 5) * 1e9)
    return Spoilt(times, values, domain, at - 1, at + 1)


def time_leaps(randoms, times, values, domain):
    at, times = int(randoms.integers(100, len(values) - 100)), list(times)
    times[at] += int(randoms.uniform(1, 600) * 1e9)
    return Spoilt(times, values, domain, at - 1, at + 1)


def step_back(randoms, times, values, domain):
    at, values = int(randoms.integers(100, len(values) - 100)), list(values)
    values[at] = values[at - 1] - {"uJ": 61, "mJ": 1, "J": 0.1}[domain["unit"]]
    return Spoilt(times, values, domain, at - 1, at + 1)


def range_unknown(randoms, times, values, domain):
    falls = np.flatnonzero(np.diff(values) < 0)
    at = int(falls[0]) if len(falls) else 0
    unknown = [None, 0, -1][randoms.integers(3)]
    return Spoilt(times, values, {**domain, "max_range": unknown}, at, at + 1)


FAULTS = {
    "counter": (
        *(garbage, garbage_of_all_kinds, reset, leap, unread),
        *(time_goes_back, time_leaps, step_back, range_unknown),
    ),
    "power": (garbage, garbage_of_all_kinds, unread, time_goes_back, time_leaps),
}
CASES = [
    (meter, fault)
    for meter, (domain, _) in METERS.items()
    for fault in FAULTS["power" if domain == "GPU_POWER" else "counter"]
    if fault is not range_unknown or domain == "RAPL"
]


@pytest.mark.parametrize(
    "meter, fault", CASES, ids=[f"{meter}: {fault.__name__}" for meter, fault in CASES]
)
def test_a_fault_costs_the_windows_that_it_touches_and_no_other(known, meter, fault):
    name, how = METERS[meter]
    domain = getattr(known, name)
    for seed in range(8):
        randoms = np.random.default_rng(seed)
        truth = known.Truth(lambda t: np.where(t % 7 < 3.3, 60.0, 280.0), SECONDS + 1)
        times, values = known.read(domain, truth, seconds=SECONDS, seed=seed, **how)
        spoilt = fault(randoms, times, values, domain)
        faultless = curve(times, values, domain)
        made = curve(spoilt.times, spoilt.values, spoilt.domain)
        start = randoms.uniform(1, SECONDS - 5, 300)
        end = start + randoms.uniform(0.5, 4, 300)
        edges = [known.START_NS + (one * 1e9).astype(np.int64) for one in (start, end)]
        energy, was = made.energy(*edges), faultless.energy(*edges)
        true = truth.joules(end) - truth.joules(start)
        # What an update shows late, and what a fault makes of the intervals beside it.
        margin_s = 2.5 * max(how.get("update_s", 0.1), 0.05)
        first, last = (
            (spoilt.times[min(at, len(spoilt.times) - 1)] - known.START_NS) / 1e9
            for at in (spoilt.first, spoilt.last)
        )
        if fault in (time_goes_back, time_leaps):
            first, last = ((times[at] - known.START_NS) / 1e9 for at in (spoilt.first, spoilt.last))
        untouched = (end < first - margin_s) | (start > last + margin_s)
        assert untouched.any() and not untouched.all()
        assert not np.isnan(energy.joules[untouched]).any()
        off = np.abs(energy.joules - was.joules)[untouched]
        assert np.all(off <= 1e-6 + 2 * was.uncertainty_j[untouched]), off.max()
        told = ~untouched & ~np.isnan(energy.joules)
        wrong = np.abs(energy.joules - true)[told] > 1e-6 + 3 * energy.uncertainty_j[told]
        assert np.mean(wrong) <= 0.05 if told.any() else True


def board(known, truth, seed, *, period_s=0.1, seconds=SECONDS):
    """(counter, samples) of a board as an H100, each (times, values): a counter that is read
    closely now and then and else seldom, and the driver's samples, 20 ms apart."""
    randoms = np.random.default_rng(seed)
    looks = [np.arange(0, 12 * period_s, 0.004)]
    looks += [np.arange(t, t + 1.3 * period_s, 0.004) for t in np.arange(8, seconds, 8)]
    t = np.sort(np.concatenate([np.arange(0, seconds, 0.47), *looks]))
    t = np.unique(np.round(t + randoms.uniform(0, 0.001, len(t)), 6))
    moves = np.arange(-1, seconds / period_s + 1) * period_s + randoms.uniform(0, period_s)
    shown = moves + randoms.uniform(0, 0.002, len(moves))
    move = moves[np.searchsorted(shown, t, "right") - 1]
    counted = np.floor(truth.joules(move - 0.008) * 1000).astype(np.int64) + 123_456_789
    at = np.arange(0.02, seconds, 0.02) + randoms.uniform(0, 0.02)
    watts = (truth.joules(at - 0.008) - truth.joules(at - 0.028)) / 0.02
    noisy = np.round(watts * randoms.normal(1, 0.003, len(at)) * 1000).astype(int)
    return (known.START_NS + (t * 1e9).astype(np.int64), counted), (
        known.START_NS + ((at + randoms.uniform(0, 0.002, len(at))) * 1e9).astype(np.int64),
        noisy,
    )


def none(times, values):
    return times[:0], values[:0]


def end_in_the_middle(times, values):
    return times[: len(times) // 2], values[: len(times) // 2]


def cover_a_part(times, values):
    return times[len(times) // 3 : len(times) // 2], values[len(times) // 3 : len(times) // 2]


def have_a_hole(times, values):
    there = (np.arange(len(times)) < 700) | (np.arange(len(times)) > 900)
    return times[there], values[there]


def are_a_minute_late(times, values):
    return times + 60 * 10**9, values


def are_stamped_wrongly(times, values):
    return times + 2_300_000_000, values


def jump_by_minutes(times, values):
    half = np.arange(len(times)) > len(times) // 2
    return times + 180 * 10**9 * half, values


def jump_back(times, values):
    half = np.arange(len(times)) > len(times) // 2
    return times - 12_700_000_000 * half, values


def jump_for_a_second(times, values):
    some = (np.arange(len(times)) > 700) & (np.arange(len(times)) < 750)
    return times + 100 * 10**9 * some, values


def are_garbage_at_times(times, values):
    values = values.astype(float)
    values[::97], values[5::301], values[7::401] = 2**32 - 1, np.nan, -1
    return times, values


def are_of_another_board(times, values):
    return times, np.roll(values, 150)


def are_zero(times, values):
    return times, 0 * values


SAMPLES = (
    *(none, end_in_the_middle, cover_a_part, have_a_hole, are_a_minute_late, are_stamped_wrongly),
    *(jump_by_minutes, jump_back, jump_for_a_second, are_garbage_at_times, are_of_another_board),
    are_zero,
)
H100 = {"details": {"name": "NVIDIA H100 80GB HBM3", "power": "samples"}}
QUIET = (have_a_hole, jump_for_a_second, are_garbage_at_times)


@pytest.mark.parametrize("fault", SAMPLES, ids=lambda fault: fault.__name__)
def test_where_samples_fail_the_counter_tells(known, fault):
    truth = known.Truth(lambda t: np.where(t % 3.7 < 1.6, 90.0, 480.0), SECONDS + 1)
    domain = {**known.GPU, **H100}
    worst = []
    for seed in range(6):
        counter, samples = board(known, truth, seed)
        made = curve(*counter, domain, fault(*samples))
        start = np.random.default_rng(seed).uniform(2, SECONDS - 8, 300)
        end = start + np.random.default_rng(seed + 99).uniform(2, 5, 300)
        energy = made.energy(*[known.START_NS + (t * 1e9).astype(np.int64) for t in (start, end)])
        true = truth.joules(end) - truth.joules(start)
        # The counter covers all, whatever the samples do.
        assert not np.isnan(energy.joules).any()
        worst.append(np.abs(energy.joules - true) / energy.uncertainty_j)
        if fault not in QUIET:
            assert made.notes
            # Where they do not tell the meter is as slow as its counter is read.
            assert max(made.periods_s(*[made.times_ns[[-5]]] * 2)) > 0.09
    assert np.mean(np.concatenate(worst) <= 2) >= 0.93


def test_good_samples_are_used_and_nothing_is_noted(known):
    truth = known.Truth(lambda t: np.where(t % 3.7 < 1.6, 90.0, 480.0), SECONDS + 1)
    counter, samples = board(known, truth, 0)
    made = curve(*counter, {**known.GPU, **H100}, samples)
    assert made.notes == () and made.period_s == pytest.approx(0.02, rel=0.01)
    edges = known.START_NS + np.asarray([[5e9], [5.4e9]]).astype(np.int64)
    true = truth.joules(5.4) - truth.joules(5.0)
    energy = made.energy(*edges)
    assert abs(energy.joules[0] - true) <= 2 * energy.uncertainty_j[0]
    assert energy.uncertainty_j[0] < 0.02 * true
    assert made.periods_s(*edges) == pytest.approx([0.02], rel=0.01)


def test_samples_that_are_left_out_here_and_there_cost_the_windows_there(known):
    """A driver with much to do leaves out four in a hundred and fifty, and a counter that is dear
    is read every few seconds: the seconds between two of its values were lost whole."""
    truth = known.Truth(lambda t: np.where(t % 3.7 < 1.6, 90.0, 480.0), SECONDS + 1)
    (times, counted), (sampled, watts) = board(known, truth, 0)
    seconds = (times - known.START_NS) / 1e9
    read = (seconds < 1.5) | (np.diff(seconds, prepend=0) < 0.02)
    there = np.arange(len(sampled)) % 150 >= 4
    made = curve(times[read], counted[read], {**known.GPU, **H100}, (sampled[there], watts[there]))
    start = np.random.default_rng(1).uniform(3, SECONDS - 8, 400)
    end = start + 0.3
    edges = [known.START_NS + (t * 1e9).astype(np.int64) for t in (start, end)]
    periods_s = made.periods_s(*edges)
    fine = periods_s < 0.03
    assert 0.75 < fine.mean() < 1 and periods_s.max() < 0.15
    energy = made.energy(*edges)
    off = np.abs(energy.joules - (truth.joules(end) - truth.joules(start)))
    assert np.mean(off[fine] <= 2 * energy.uncertainty_j[fine]) > 0.9
    assert np.median(off[fine] / energy.joules[fine]) < 0.02
    assert made.notes == ()


def test_many_faults_at_once_cost_little_and_leave_no_wrong_joule(known):
    t = np.arange(0, 60, 0.05)
    lost = []
    for seed in range(40):
        randoms = np.random.default_rng(seed)
        values = ((t * 100e6 + 2e11).astype(np.int64) % known.RANGE_UJ).tolist()
        times = known.START_NS + np.round(t * 1e9).astype(np.int64)
        for _ in range(randoms.integers(1, 12)):
            at = int(randoms.integers(5, len(values) - 5))
            match randoms.integers(4):
                case 0:
                    values[at] = int(randoms.integers(0, 2**60))
                case 1:
                    values[at] = 0
                case 2:
                    times[at] -= int(randoms.integers(0, 10**10))
                case _:
                    values[at : at + 3] = [2**32 - 1] * 3
        made = curve(times, values, known.RAPL)
        start = randoms.uniform(1, 50, 200)
        end = start + randoms.uniform(1, 8, 200)
        edges = [known.START_NS + np.round(one * 1e9).astype(np.int64) for one in (start, end)]
        energy = made.energy(*edges)
        known_j = ~np.isnan(energy.joules)
        lost.append(1 - known_j.mean())
        off = np.abs(energy.joules / (100 * (end - start)) - 1)[known_j]
        assert off.max(initial=0) < 0.05
    assert np.mean(lost) < 0.05
