"""A sampler never outlives its session, however that ends: with real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SAMPLER = SCRIPTS / "metering/sampler.py"

# A session: it runs a sampler, says which, and goes on.
SESSION = f"""
import sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from metering.sampler import Sampler
options = ["--powercap-root", sys.argv[1]]
with Sampler("trace.csv", "events.jsonl", want=sys.argv[2].split(","), options=options) as sampler:
    print(sampler.pid, flush=True)
    time.sleep(60)
"""
# It starts a program, whose standard input outlives it, and is gone before that has begun.
GONE = """
import os, subprocess, sys
command = [*sys.argv[2:], "--parent", str(os.getpid())]
child = subprocess.Popen(command, stdin=int(sys.argv[1]), stdout=subprocess.DEVNULL, stderr=2)
print(child.pid, flush=True)
os._exit(0)
"""


def ended(pid):
    """Gone, or a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def session(tmp_path, powercap):
    """Starts a session and gives it and its sampler's number."""
    powercap.zone("0", "package-0", 10)
    running = []

    def start(want="cpu"):
        command = [sys.executable, "-c", SESSION, str(powercap.root), want]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_session(session, wait_until, how):
    process, sampler = session()
    assert not ended(sampler)
    process.send_signal(how)
    wait_until(lambda: ended(sampler))


def test_it_goes_on_while_its_session_does(session):
    process, sampler = session()
    time.sleep(1.0)
    assert process.poll() is None and not ended(sampler)


@pytest.mark.slow
@pytest.mark.parametrize("call", ["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetSamples"])
def test_it_ends_though_a_call_into_the_driver_never_comes_back(session, nvml, wait_until, call):
    gpu = {"uuid": "GPU-a", "sample_ms": 20, "period_ms": 10}
    nvml(gpu)
    process, sampler = session("gpu")
    nvml({**gpu, "blocks": [call]})
    time.sleep(1.5)  # by then it has called
    process.kill()
    wait_until(lambda: ended(sampler))


def test_it_ends_where_its_session_ended_before_it_began(tmp_path, powercap, wait_until):
    powercap.zone("0", "package-0", 10)
    files = ["--trace", str(tmp_path / "t.csv"), "--events", str(tmp_path / "e.jsonl")]
    command = [sys.executable, str(SAMPLER), *files, "--want", "cpu"]
    command += ["--powercap-root", str(powercap.root)]
    # We hold the writing end of its standard input: that never ends.
    read_end, write_end = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", GONE, str(read_end), *command],
        pass_fds=[read_end],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wait_until(lambda: ended(int(done.stdout)))
    os.close(read_end)
    os.close(write_end)


def test_started_by_hand_it_needs_no_parent_and_a_wrong_one_is_said(tmp_path, powercap):
    powercap.zone("0", "package-0", 10)
    files = ["--trace", str(tmp_path / "t.csv"), "--events", str(tmp_path / "e.jsonl")]
    command = [sys.executable, str(SAMPLER), *files, "--want", "cpu"]
    command += ["--powercap-root", str(powercap.root)]
    run = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    assert subprocess.run(command, **run).returncode == 0
    wrong = subprocess.run([*command, "--parent", "1"], **run)
    assert (
        wrong.returncode == 1 and "process 1, which started the sampler, has ended" in wrong.stderr
    )
