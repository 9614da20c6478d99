"""Who uses the processors, from a /proc of our own."""

import os

import pytest

from metering import rapl
from metering.activity import Activity, process_tree

HERTZ = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def proc(tmp_path):
    """Makes a process: its CPU seconds (own and of ended children) and its living children."""

    def make(pid, own_s, children_s=0, children=()):
        folder = tmp_path / str(pid) / "task" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        times = f"{own_s * HERTZ} 0 {children_s * HERTZ} 0"
        fields = " ".join(["S", *["0"] * 10, times, *["0"] * 20])
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a (b) c) {fields}")
        (folder / "children").write_text(" ".join(map(str, children)))
        return tmp_path

    (tmp_path / "stat").write_text(f"cpu {50 * HERTZ} 0 {10 * HERTZ} 0 0 0 0 0 0 0\n")
    return make


def values(activity):
    return {reading.quantity: reading.value for reading in activity.read_slow()}


def test_the_session_s_tree_and_the_sampler_are_its_own_and_all_else_is_not(proc):
    proc(10, 5, children_s=2, children=[11, 12])
    proc(11, 3)
    proc(12, 1, children=[13])
    proc(13, 4)
    root = proc(20, 6)
    assert values(Activity(10, 20, root)) == {"machine_busy_s": 60, "own_s": 21}
    assert process_tree(10, 20, proc_root=root) == {10, 11, 12, 13, 20}


def test_children_of_other_threads_are_its_own_and_the_sampler_counts_once(proc):
    proc(10, 5, children=[20])
    proc(11, 3)
    root = proc(20, 6)
    thread = root / "10" / "task" / "101"
    thread.mkdir()
    (thread / "children").write_text("11")
    assert values(Activity(10, 20, root)) == {"machine_busy_s": 60, "own_s": 14}
    assert process_tree(10, proc_root=root) == {10, 11, 20}


def test_what_the_kernel_does_not_tell_is_left_out_and_not_zero(proc):
    root = proc(10, 5)
    assert Activity(10, 99, root).read_slow() == []
    (root / "stat").unlink()
    assert Activity(10, 10, root).read_slow() == []


def test_it_counts_this_process_over_the_real_proc():
    first = values(Activity(os.getpid(), os.getpid()))
    assert first["machine_busy_s"] >= first["own_s"] > 0


def test_the_parts_of_a_package_are_read_beside_it_and_do_not_wrap(powercap, wait_until):
    powercap.zone("0", "package-0", 1_000)
    core = powercap.zone("0:0", "core", 900, range_uj=1_000)
    powercap.zone("0:1", "uncore", 50)
    powercap.zone("0:2", "dram", 70)
    found, _ = rapl.find(powercap.root)
    package = next(meter for meter in found if meter.domain.domain == "cpu:package-0")
    memory = next(meter for meter in found if meter.domain.domain == "cpu:dram-0")
    assert {r.quantity: r.value for r in package.read_slow()} == {"energy_parts": 0}
    powercap.set(core, 30)
    # A read that took long, as on a busy machine, makes the next one wait.
    assert {r.quantity: r.value for r in wait_until(package.read_slow)} == {"energy_parts": 130}
    assert memory.read_slow() == []
