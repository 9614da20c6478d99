import json
import time

import pytest

from metering import nvml as nvml_meters
from metering.loop import SamplingLoop
from metering.meter import Domain, Reading
from metering.trace import EventWriter, TraceWriter, read_trace

A, B = {"uuid": "GPU-aaaa"}, {"uuid": "GPU-bbbb"}


class Files:
    """A loop's two files, read back."""

    def __init__(self, folder):
        self.trace = TraceWriter(folder / "trace.csv", 1)
        self.events = EventWriter(folder / "events.jsonl", 1)
        self._folder = folder

    def samples(self):
        self.trace.flush()
        return list(read_trace(self._folder / "trace.csv"))

    def events_of(self):
        return [json.loads(e) for e in (self._folder / "events.jsonl").read_text().splitlines()]

    def happened(self):
        return [(e["kind"], e["domain"], e["why"]) for e in self.events_of()]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


class Slow:
    """A meter whose reads take their time."""

    name = "slow"
    domain = Domain("gpu:0", "slow", "slow", "mJ", "slow")

    def __init__(self, read_s):
        self._read_s = read_s

    def read(self, everything=False):
        time.sleep(self._read_s)
        return [Reading(time.monotonic_ns(), "gpu:0", "energy", 1, "mJ", "slow")]

    def read_slow(self):
        return []

    def close(self):
        pass


def test_a_vanished_gpu_leaves_the_other_one_metered(nvml, files):
    nvml(A, B)
    meters, _ = nvml_meters.find({})
    loop = SamplingLoop(meters, files.trace, files.events)
    loop.sample(slow=True)
    before = len(files.samples())
    nvml({**A, "error": 15}, B)
    for _ in range(2):
        loop.sample(slow=True, everything=True)
    assert {sample.domain for sample in files.samples()[before:]} == {"gpu:1"}
    assert files.happened() == [("meter-lost", "gpu:0", "NVMLError_GpuIsLost: GPU is lost")]
    loop.close()


def test_a_frozen_counter_is_an_event_and_its_raw_values_stay(nvml, files):
    nvml({**A, "frozen_at_mj": 777}, B)
    meters, _ = nvml_meters.find({})
    loop = SamplingLoop(meters, files.trace, files.events, frozen_after_s=0.3)
    rounds = iter(range(50))
    loop.run(0.02, lambda seconds: time.sleep(seconds) or next(rounds) > 40)
    ((kind, domain, why),) = files.happened()
    assert (kind, domain) == ("counter-frozen", "gpu:0") and "stood at 777 mJ" in why
    frozen = [s.value for s in files.samples() if s[2:4] == ("gpu:0", "energy")]
    assert set(frozen) == {777} and len(frozen) > 5


def test_lost_state_does_not_cost_the_energy(nvml, files):
    nvml(A)
    meters, _ = nvml_meters.find({})
    loop = SamplingLoop(meters, files.trace, files.events)
    loop.sample(slow=True)
    nvml({**A, "unsupported": ["nvmlDeviceGetClockInfo"]})
    for _ in range(3):
        # What is paced is due again then, however little it costs.
        time.sleep(0.5)
        loop.sample(slow=True, everything=True)
    quantities = [sample.quantity for sample in files.samples()]
    assert quantities.count("energy") > 4 and quantities.count("power") >= 1
    # One quantity that fails costs no other.
    assert quantities.count("clock_sm") == 1
    assert {(e["kind"], e["quantity"]) for e in files.events_of()} == {
        ("quantity-lost", "clock_sm"),
        ("quantity-lost", "clock_mem"),
    }


def test_state_is_read_less_often_than_energy(nvml, files):
    nvml(A)
    meters, _ = nvml_meters.find({})
    loop = SamplingLoop(meters, files.trace, files.events)
    rounds = iter(range(100))
    loop.run(0.01, lambda seconds: time.sleep(seconds) or next(rounds) >= 20)
    quantities = [sample.quantity for sample in files.samples()]
    assert quantities.count("energy") > 5 * quantities.count("temperature") > 0


def test_a_round_that_overruns_skips_deadlines_and_counts_them(files):
    loop = SamplingLoop([Slow(read_s=0.05)], files.trace, files.events)
    loop.run(0.01, lambda seconds: time.sleep(seconds) or loop.samples >= 4)
    assert loop.late >= 3 * 3
    assert len(files.samples()) == loop.samples == 5


def test_the_last_sample_comes_after_the_stop(files):
    loop = SamplingLoop([Slow(read_s=0)], files.trace, files.events)
    stopped_ns = []

    def wait(_):
        stopped_ns.append(time.monotonic_ns())
        return True

    loop.run(10.0, wait)
    (sample,) = files.samples()
    assert sample.t_ns >= stopped_ns[0]
