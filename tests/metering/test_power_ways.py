"""The way of reading power changes with what the driver gives, and no sample is misplaced."""

import itertools

import pytest

from metering import nvml as meters
from metering.loop import SamplingLoop

GPU = {"uuid": "GPU-a", "sample_ms": 20, "instant_mw": 90_000, "power_mw": 80_000, "period_ms": 20}


@pytest.fixture
def sampled(nvml, clock, kept):
    """A loop over one GPU in virtual time: call it with the GPU's changes, for so many seconds."""
    with clock.running():

        def run(seconds, **changes):
            nvml({**GPU, **changes})
            if run.loop is None:
                run.meters, run.missing = meters.find({})
                run.loop = SamplingLoop(run.meters, kept.trace(), kept.log())
            end_s = clock.now_s + seconds
            while clock.now_s < end_s:
                clock.wait(0.05)
                run.loop.sample(slow=False)

        run.loop = None
        yield run


def ways(kept, since_s=0.0):
    return [r.source for r in kept.of("power") if r.t_ns > since_s * 1e9]


def changes(kept):
    return [kind for kind, _ in kept.events]


def test_samples_alone_are_read_where_they_are_good(sampled, kept):
    sampled(20)
    assert set(ways(kept)) == {"nvml:samples"} and kept.events == []
    times = [r.t_ns for r in kept.of("power")]
    assert {b - a for a, b in itertools.pairwise(times)} == {20_000_000}


@pytest.mark.parametrize(
    "fault",
    [
        {"sample_none": True},
        {"sample_shift_ms": 3_600_000},
        {"sample_shift_ms": 200},
        {"sample_shift_ms": -3_600_000},
        {"sample_shift_ms": -1_500},
        {"sample_stuck_us": 5},
        {"sample_stuck_us": 2**63},
        {"raises": {"nvmlDeviceGetSamples": "Mismatch"}},
        {"raises": {"nvmlDeviceGetSamples": "EIO"}},
    ],
    ids=str,
)
def test_samples_that_end_or_cannot_be_placed_give_way_and_come_back(sampled, kept, clock, fault):
    sampled(5)
    good_s = clock.now_s
    sampled(10, **fault)
    bad_s = clock.now_s
    # Within a fetch or two the next best way is taken; no sample has a time that cannot be.
    assert set(ways(kept, good_s + 1.2)) == {"nvml:instant"}
    assert all(r.t_ns <= clock.now_s * 1e9 for r in kept.of("power"))
    sampled(15)
    assert changes(kept) == ["source-changed", "source-changed"]
    assert set(ways(kept, bad_s + 6)) == {"nvml:samples"}
    for way in ("nvml:samples", "nvml:instant"):
        times = [r.t_ns for r in kept.of("power") if r.source == way]
        assert times == sorted(set(times))


@pytest.mark.parametrize(
    "fault",
    [{"sample_none": True}, {"sample_shift_ms": 3_600_000}, {"sample_stuck_us": 5}],
    ids=str,
)
def test_a_buffer_that_is_no_use_from_the_start_is_not_preferred(sampled, kept, fault):
    sampled(10, **fault)
    (gpu,) = sampled.meters
    assert gpu.domain.details["power"] == "instant"
    assert set(ways(kept)) == {"nvml:instant"} and kept.events == []
    sampled(10)
    assert ways(kept)[-1] == "nvml:samples" and changes(kept) == ["source-changed"]


def test_without_the_power_now_a_mean_is_read_and_called_one(sampled, kept, clock):
    sampled(3)
    since_s = clock.now_s + 1.2
    sampled(5, sample_none=True, raises={"nvmlDeviceGetFieldValues": "FunctionNotFound"})
    assert set(ways(kept, since_s)) == {"nvml:average"}


def test_power_that_cannot_be_read_at_all_is_lost_and_comes_back_and_energy_goes_on(
    sampled, kept, clock
):
    sampled(3)
    broken = dict.fromkeys(("nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"), "Unknown")
    since_s = clock.now_s + 1.2
    sampled(5, sample_none=True, raises=broken)
    assert ways(kept, since_s) == [] and changes(kept)[-1] == "quantity-lost"
    assert len([r for r in kept.of("energy") if r.t_ns > since_s * 1e9]) > 50
    sampled(5)
    assert kept.events[-1] == ("source-changed", "power")
    assert ("quantity-back", "power") in kept.events


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 0.5, -0.5, 0.05, -0.05])
def test_a_step_of_the_wall_clock_moves_no_sample(sampled, kept, clock, step_s):
    sampled(5.5)
    clock.wall_ahead_s += step_s
    sampled(15)
    assert changes(kept)[0] == "clock-stepped"
    samples = [r for r in kept.of("power") if r.source == "nvml:samples"]
    times = [r.t_ns for r in samples]
    assert times == sorted(set(times)) and times[-1] <= clock.now_s * 1e9
    # They are multiples of 20 ms of the wall clock that stamped them, before and behind the step.
    before = [t for t in times if t < 1_005_500_000_000]
    behind = [t for t in times if t > 1_008_500_000_000]
    assert len(before) > 200 and len(behind) > 300
    assert {t % 20_000_000 for t in before} == {0}
    assert len({t % 20_000_000 for t in behind}) == 1


def test_a_slewed_clock_is_no_step(sampled, kept, clock):
    for _ in range(20):
        sampled(1)
        clock.wall_ahead_s += 0.0005  # adjtime's usual rate
    assert set(ways(kept)) == {"nvml:samples"} and kept.events == []


def test_a_board_without_a_counter_whose_power_fails_is_a_meter_that_fails(sampled, kept):
    counter = "nvmlDeviceGetTotalEnergyConsumption"
    sampled(2, unsupported=[counter, "nvmlDeviceGetSamples"])
    broken = dict.fromkeys(("nvmlDeviceGetFieldValues", "nvmlDeviceGetPowerUsage"), "Unknown")
    sampled(2, unsupported=[counter, "nvmlDeviceGetSamples"], raises=broken)
    sampled(2, unsupported=[counter, "nvmlDeviceGetSamples"])
    assert [k for k in changes(kept) if k.startswith("meter")] == ["meter-failed", "meter-back"]
