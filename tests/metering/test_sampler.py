"""The sampler as a process, over fakes and, for the estimate, over the real /proc."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metering.counters import unwrap
from metering.meter import MeterError
from metering.sampler import Sampler
from metering.trace import HEADER, read_trace

SCRIPTS = Path(__file__).parents[2] / "scripts"
PARENT = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from metering.sampler import Sampler
try:
    with Sampler("trace.csv", "events.jsonl", want=["cpu"]) as sampler:
        print(sampler.pid, flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", sampler.stats["samples"], flush=True)
"""


@pytest.fixture
def sampler(tmp_path, powercap):
    """Makes samplers over the fake powercap tree that append to one trace."""

    def make(**changes) -> Sampler:
        options = ["--powercap-root", str(powercap.root), *changes.pop("options", [])]
        arguments = {"want": ["cpu"], "options": options, "period_s": 0.02} | changes
        return Sampler(tmp_path / "trace.csv", tmp_path / "events.jsonl", **arguments)

    return make


@pytest.fixture
def parent(tmp_path):
    """A process group of its own that runs a sampler; gives it and the sampler's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def samples(tmp_path, name="trace.csv"):
    """What the meters said; who used the processors is no meter's."""
    return [sample for sample in read_trace(tmp_path / name) if sample.domain != "host"]


def ended(pid: int) -> bool:
    """Gone, or a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def waits(child: int) -> bool:
    """Whether a child can be collected: a zombie cannot while a thread of it is still ending."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def test_the_block_is_entered_with_samples_and_left_with_stats(sampler, powercap, tmp_path):
    powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "dram", 20)
    with sampler() as running:
        assert {s.domain for s in samples(tmp_path)} == {"cpu:package-0", "cpu:dram-0"}
        assert [d["domain"] for d in running.meters["found"]] == ["cpu:package-0", "cpu:dram-0"]
        assert [m["meter"] for m in running.meters["missing"]] == ["pyRAPL"]
        running.check()
    assert (tmp_path / "trace.csv").read_text().startswith(HEADER + "\n")
    assert set(running.stats) == {"cpu_s", "wall_s", "samples", "late"}
    assert len(samples(tmp_path)) == 2 * running.stats["samples"]
    assert (tmp_path / "events.jsonl").read_text() == ""


def test_samples_enclose_the_block_on_its_own_clock(sampler, powercap, tmp_path):
    powercap.zone("0", "package-0", 10)
    before_ns = time.perf_counter_ns()
    with sampler():
        start_ns = time.perf_counter_ns()
        end_ns = time.perf_counter_ns()
    t_ns = [s.t_ns for s in samples(tmp_path)]
    assert before_ns < t_ns[0] < start_ns and end_ns < t_ns[-1] < time.perf_counter_ns()
    assert t_ns == sorted(t_ns)


def test_who_used_the_processors_stands_beside_what_the_meters_said(sampler, powercap, tmp_path):
    powercap.zone("0", "package-0", 1)
    with sampler():
        pass
    read = {s.quantity: s.value for s in read_trace(tmp_path / "trace.csv") if s.domain == "host"}
    assert read["machine_busy_s"] > read["own_s"] > 0


def test_a_second_segment_appends(sampler, powercap, tmp_path):
    powercap.zone("0", "package-0", 10)
    with sampler(segment=1):
        pass
    with open(tmp_path / "trace.csv", "a") as file:
        file.write("1,99,cpu:pack")  # the first one was killed in mid-write
    with sampler(segment=2):
        pass
    segments = [s.segment for s in samples(tmp_path)]
    assert set(segments) == {1, 2} and segments == sorted(segments)


def test_gpus_are_sampled_and_a_known_power_found(sampler, nvml, tmp_path, wait_until):
    gpu = {"uuid": "GPU-aaaa", "power_mw": 200_000, "start_ns": time.monotonic_ns()}
    nvml(gpu)
    with sampler(want=["gpu"]) as running:
        wait_until(lambda: len({s.value for s in samples(tmp_path) if s.unit == "mJ"}) > 10)
    assert running.meters["missing"] == []
    counter = [s for s in samples(tmp_path) if s.quantity == "energy"]
    curve = unwrap([s.value for s in counter], running.meters["found"][0]["max_range"])
    true_mj = (counter[-1].t_ns - counter[0].t_ns) * 1e-9 * gpu["power_mw"]
    assert abs(curve[-1] - curve[0] - true_mj) <= 0.1 * gpu["power_mw"]


def test_a_gpu_that_vanishes_leaves_the_cpu_and_an_event(
    sampler, nvml, powercap, tmp_path, wait_until
):
    powercap.zone("0", "package-0", 10)
    nvml({"uuid": "GPU-aaaa"})
    with sampler(want=["cpu", "gpu"]) as running:
        nvml({"uuid": "GPU-aaaa", "error": 15})

        # A quantity that is read at another time may be lost before.
        def lost():
            lines = (tmp_path / "events.jsonl").read_text().splitlines()
            return [event for event in map(json.loads, lines) if event["kind"] == "meter-lost"]

        (event,) = wait_until(lost)
        running.check()
    assert (event["segment"], event["domain"]) == (1, "gpu:0")
    last = samples(tmp_path)[-1]
    assert last.domain == "cpu:package-0" and last.t_ns > event["t_ns"]


def test_a_frozen_counter_is_reported_while_sampling(sampler, powercap, tmp_path, wait_until):
    powercap.zone("0", "package-0", 10)
    with sampler(options=["--frozen-after-s", "0.1"]):
        events = wait_until((tmp_path / "events.jsonl").read_text)
    assert json.loads(events)["kind"] == "counter-frozen"


def test_without_any_meter_it_runs_and_says_what_is_missing(sampler, nvml):
    nvml()
    with sampler(want=["gpu"]) as running:
        assert running.meters["found"] == []
        assert running.meters["missing"][0]["why"] == "NVML finds no GPU"


def test_the_estimate_over_the_real_proc_counts_work(sampler, tmp_path):
    with sampler(cpu_rated_power_w=50) as running:
        start_s = time.process_time()
        while time.process_time() - start_s < 0.3:
            pass
    (domain,) = running.meters["found"]
    assert domain["estimate"] and domain["details"]["rated_power_w"] == 50
    energy_j = [s.value for s in samples(tmp_path) if s.quantity == "energy"]
    power_per_cpu_w = 50 / domain["details"]["logical_cpus"]
    assert energy_j[-1] - energy_j[0] >= 0.25 * power_per_cpu_w  # 0.3 s, to a few clock ticks


def test_a_killed_sampler_is_noticed(sampler, powercap, wait_until):
    powercap.zone("0", "package-0", 10)
    with pytest.raises(MeterError, match=r"ended early.*SIGKILL"), sampler() as running:
        os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: waits(running.pid))
        with pytest.raises(MeterError, match=r"is not running.*SIGKILL"):
            running.check()
    assert running.stats is None


def test_the_error_of_the_block_is_not_hidden(sampler, powercap):
    powercap.zone("0", "package-0", 10)
    with pytest.raises(ZeroDivisionError), sampler() as running:
        os.kill(running.pid, signal.SIGKILL)
        _ = 1 / 0


def test_a_sampler_that_cannot_start_says_why_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    broken = Sampler(tmp_path / "file" / "trace.csv", tmp_path / "events.jsonl")
    with pytest.raises(MeterError, match=r"did not start.*cannot write") as caught, broken:
        pass
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)
    wrong = Sampler(tmp_path / "trace.csv", tmp_path / "events.jsonl", want=["fpga"])
    with pytest.raises(MeterError, match="unknown kind of meter 'fpga'"), wrong:
        pass


def test_a_sampler_that_hangs_at_the_start_is_given_up(sampler):
    hanging = sampler(start_timeout_s=0.0)
    with pytest.raises(MeterError, match="gave no sample within 0 s"), hanging:
        pass
    assert ended(hanging.pid)


def test_checking_before_the_block_is_an_error(sampler):
    with pytest.raises(MeterError, match="enter the block"):
        sampler().check()


def test_a_sampler_told_to_stop_finishes_its_trace(sampler, powercap, tmp_path, wait_until):
    powercap.zone("0", "package-0", 10)
    with sampler() as running:
        os.kill(running.pid, signal.SIGTERM)
        wait_until(lambda: waits(running.pid))
    assert running.stats["samples"] == len(samples(tmp_path))


def test_a_parent_killed_outright_leaves_no_sampler_and_a_whole_trace(parent, tmp_path, wait_until):
    process, sampler_pid = parent
    assert not ended(sampler_pid)
    killed_ns = time.monotonic_ns()
    process.kill()
    wait_until(lambda: ended(sampler_pid))
    assert (tmp_path / "trace.csv").read_text().endswith("\n")
    assert samples(tmp_path)[-1].t_ns > killed_ns  # it took its last sample


def test_ctrl_c_in_the_group_of_the_parent_does_not_lose_the_trace(parent, tmp_path):
    process, sampler_pid = parent
    os.killpg(process.pid, signal.SIGINT)
    said, rounds = process.stdout.read().split()
    assert said == "interrupted"
    assert len([s for s in samples(tmp_path) if s.quantity == "energy"]) == int(rounds)
    assert ended(sampler_pid)


@pytest.mark.parametrize(
    "how", [[str(SCRIPTS / "metering/sampler.py")], ["-m", "metering.sampler"]]
)
def test_it_runs_by_itself(how, powercap, tmp_path):
    powercap.zone("0", "package-0", 10)
    files = ["--trace", str(tmp_path / "t.csv"), "--events", str(tmp_path / "e.jsonl")]
    command = [sys.executable, *how, *files, "--want", "cpu", "--powercap-root", str(powercap.root)]
    done = subprocess.run(
        command, cwd=SCRIPTS, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    ready, last = map(json.loads, done.stdout.splitlines())
    assert ready["meters"]["found"][0]["domain"] == "cpu:package-0"
    assert last["stats"]["samples"] == len(samples(tmp_path, "t.csv"))
