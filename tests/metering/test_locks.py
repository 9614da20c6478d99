"""A lock ends with its holder, however that ends; who holds it is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metering.locks import HeldError, Lock, LockError, wait_for
from session.exclusive import BusyError, exclusive_session

SCRIPTS = Path(__file__).parents[2] / "scripts"
HOLD = """
import sys, time
sys.path.insert(0, {scripts!r})
from pathlib import Path
from metering.locks import Lock
with Lock(Path(sys.argv[1]), "work", shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """Starts a process that holds a lock until its standard input ends."""
    started = []

    def start(path, kind="own"):
        command = [sys.executable, "-c", HOLD.format(scripts=str(SCRIPTS)), str(path), kind]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", ["own", "shared"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_lock_is_free_as_soon_as_its_holder_has_ended(tmp_path, holder, kind, number):
    path = tmp_path / "lock"
    other = holder(path, kind)
    lock = Lock(path, "mine", shared=kind == "shared")
    with pytest.raises(HeldError) as held:
        lock.acquire()
    assert held.value.holder["pid"] == str(other.pid) and "work" in str(held.value)
    if number is None:
        other.stdin.close()
    else:
        other.send_signal(number)
    other.wait()
    with lock:
        # It says who ended without its leave.
        assert bool(lock.previous) == (number is not None)
    assert path.exists() == (kind == "shared")


def test_a_fork_of_the_holder_does_not_hold_on(tmp_path):
    child = os.fork()
    if child == 0:
        Lock(tmp_path / "lock", "work").acquire()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.waitpid(child, 0)
    with Lock(tmp_path / "lock", "mine"):
        pass


def test_who_waits_says_for_whom_and_goes_on(tmp_path, holder):
    other, said = holder(tmp_path / "lock"), []

    def say(text):
        said.append(text)
        other.stdin.close()

    wait_for(Lock(tmp_path / "lock", "mine"), say, every_s=0.05)
    assert len(said) == 1 and str(other.pid) in said[0]


def test_patience_ends(tmp_path, holder):
    holder(tmp_path / "lock")
    with pytest.raises(HeldError):
        wait_for(Lock(tmp_path / "lock", "mine"), lambda text: None, patience_s=0, every_s=0.05)


def test_what_others_wrote_is_shown_as_one_line(tmp_path):
    path = tmp_path / "lock"
    for text in ("", "{", "[]", '{"pid": 1}', "\0" * 100):
        path.write_text(text)
        with Lock(path, "mine") as lock:
            assert lock.previous == {}
    path.write_text(json.dumps({"what": "a\nb\x1b[31m", "pid": 1, "host": "h", "since": "s"}))
    with Lock(path, "mine") as lock:
        assert lock.previous["what"] == "ab[31m"


def test_no_file_of_another_is_written_through_a_link(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(LockError, match="cannot be opened"):
        Lock(tmp_path / "lock", "work", shared=True).acquire()
    (tmp_path / "folder").mkdir()
    with pytest.raises(LockError):
        Lock(tmp_path / "folder", "work").acquire()
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERENCE_ENERGY_LOCK", str(tmp_path / "machine"))
    monkeypatch.setattr("session.exclusive.PATIENCE_S", 0.1)
    (tmp_path / "small" / "partial").mkdir(parents=True)
    return tmp_path / "small"


def enter(world, name="s"):
    return exclusive_session(name, world / "partial", world / "raw" / name, None)


def test_a_session_that_another_measures_is_refused(world, holder):
    other = holder(world / "partial" / "s.lock")
    with pytest.raises(BusyError, match=rf"process {other.pid} .* kill {other.pid}"), enter(world):
        pass
    with enter(world, "another") as free:
        assert free


def test_a_session_waits_for_the_machine(world, holder, capsys):
    other = holder(world.parent / "machine", "shared")
    subprocess.Popen(["sh", "-c", f"sleep 1; kill {other.pid}"])
    with enter(world) as free:
        assert free and other.wait() is not None
    assert capsys.readouterr().err.count("waits until nothing else is measured here") == 1


def test_where_the_machine_cannot_be_locked_that_is_said(world, capsys):
    (world.parent / "machine").mkdir()
    with enter(world) as free:
        assert free
    assert "that nothing else is measured here is not known" in capsys.readouterr().err


def test_samples_that_another_host_writes_are_seen(world):
    lock, folder = world / "partial" / "s.lock", world / "partial" / "s-1a2b"
    there = {"what": "session s", "pid": 7, "host": "elsewhere", "since": "now"}
    lock.write_text(json.dumps(there))
    folder.mkdir()
    (folder / "trace.csv").write_text("")
    with pytest.raises(BusyError, match=r"on elsewhere.*kill 7 there"), enter(world):
        pass
    assert json.loads(lock.read_text())["host"] == "elsewhere"  # and is refused again
    os.utime(folder / "trace.csv", (0, 0))
    with enter(world) as free:
        assert free
