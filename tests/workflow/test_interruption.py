"""Sessions that are killed or interrupted: nothing finished is lost, nothing half-made is left."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

PATIENCE_S = 180


def processes(folder: Path) -> dict[int, str]:
    """The living processes that work in a folder or name it, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            cwd = os.readlink(entry / "cwd")
        except OSError:
            continue
        if command and (cwd == str(folder) or str(folder) in command):
            found[int(entry.name)] = command
    return found


def session_pid(folder: Path) -> int | None:
    for pid, command in processes(folder).items():
        if "scripts/measure_phases.py" in command and "python" in command.split()[0]:
            return pid
    return None


def wait_for(what, process) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, "the run ended before its time"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def written(clone) -> list[str]:
    """The windows on disk while the session runs."""
    files = list((clone.folder / "results/small/partial").glob("*/windows.jsonl"))
    return files[0].read_text().splitlines() if files else []


def gone(clone) -> bool:
    """Whether every process of the clone ends within a few seconds."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if not processes(clone.folder):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("windows", [0, 2, 6], ids=["loading", "first task", "later"])
def test_a_killed_session_goes_on_and_loses_no_finished_window(clone, windows):
    run = clone.start("phases")
    wait_for(lambda: session_pid(clone.folder) and len(written(clone)) >= windows, run)
    os.kill(session_pid(clone.folder), signal.SIGKILL)
    before = written(clone)
    assert run.wait(PATIENCE_S) != 0
    assert gone(clone), processes(clone.folder)
    assert not (clone.raw / "session.json").exists()

    output = clone.run("phases")
    after = (clone.raw / "windows.jsonl").read_text().splitlines()
    whole = {json.loads(w)["generation"] for w in before if '"kind": "generation"' in w}
    kept = [w for w in before if json.loads(w).get("generation") in {*whole, None}]
    assert after[: len(kept)] == kept
    found = list(map(json.loads, after))
    for kind, key, count in (("generation", "generation", 4), ("probe", "probe", 6)):
        names = [w[key] for w in found if w["kind"] == kind]
        assert len(names) == len(set(names)) == count
    probes = [w for w in before if '"kind": "probe"' in w]
    assert ("goes on after" in output) == bool(whole or probes)


def test_ctrl_c_leaves_no_process_and_no_result(clone):
    run = clone.start("phases")
    wait_for(lambda: len(written(clone)) >= 2, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(60) != 0
    assert gone(clone), processes(clone.folder)
    assert not clone.raw.exists() or not list(clone.raw.iterdir())
    clone.run("phases")
    assert (clone.raw / "session.json").exists()


def test_an_interrupt_to_snakemake_alone_ends_everything_too(clone):
    run = clone.start("phases")
    wait_for(lambda: len(written(clone)) >= 2, run)
    os.kill(run.pid, signal.SIGTERM)
    run.wait(PATIENCE_S)
    assert gone(clone), processes(clone.folder)
    clone.run("phases")
    assert (clone.raw / "session.json").exists()


def test_after_a_killed_snakemake_its_session_ends_and_the_same_command_goes_on(clone):
    run = clone.start("phases")
    wait_for(lambda: len(written(clone)) >= 2, run)
    # A second run, whatever Snakemake's own lock would say.
    second = clone.run("phases", "--nolock", check=False)
    (said,) = [line for line in second.splitlines() if "is being measured already" in line]
    assert str(run.pid) in said and "same command again" in said
    assert run.poll() is None and session_pid(clone.folder) is not None

    before = written(clone)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert gone(clone), processes(clone.folder)
    kept = [json.loads(w) for w in before if '"kind": "generation"' in w]
    assert not clone.raw.exists() or not list(clone.raw.iterdir())
    output = clone.run("phases")
    found = list(map(json.loads, (clone.raw / "windows.jsonl").read_text().splitlines()))
    assert [w for w in found if w["kind"] == "generation"][: len(kept)] == kept
    assert "was killed" in output
    assert not list((clone.results / "partial").iterdir())
