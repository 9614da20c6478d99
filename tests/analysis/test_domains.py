"""What a total is made of: the worker's own energy, each joule once, and never a substitute."""

import numpy as np
import pytest

from analysis.energy.domains import total_of
from analysis.energy.raw import read_session
from analysis.quality.flags import flag_names
from analysis.quality.windows import windows_table

SPAN_S = 60.0


def device(name, kind, *contains, **more):
    """A meter of joules as one of a kind that nobody foresaw declares it."""
    return {
        **{"domain": name, "meter": "new", "source": "new", "unit": "J", "label": f"the {name}"},
        **{"quantity": "energy", "estimate": False, "max_range": None, "details": {}},
        **{"kind": kind, "scale": 1.0, "period_s": 0.01, "resolution": 0.001},
        **{"contains": contains, "max_power_w": 5000.0, **more},
    }


GPU0, GPU1 = device("gpu:0", "gpu"), device("gpu:1", "gpu")
PACKAGES = [device(f"cpu:package-{n}", "processor") for n in (0, 1)]
MEMORY = device("cpu:dram-0", "memory")
PSYS = device("cpu:psys", "system", "cpu:*")
WALL = device("wall", "system", "*")
MODULE = device("gpu:0", "gpu", "cpu:*")
SOCKET = device("cpu:socket-0", "processor", meter="hwmon")
GUESS = device("cpu:estimate", "processor", estimate=True)


def summed(worker, *found, sockets=None, missing=(), curves=None, mirrors=None):
    segment = {
        "segment": 1,
        "device": worker,
        "host": {"sockets": sockets},
        "meters": {"found": list(found), "missing": list(missing)},
    }
    total = total_of(segment, curves or {}, mirrors)
    assert bool(total.parts) != bool(total.why)
    return list(total.parts)


@pytest.mark.parametrize(
    ("worker", "found", "parts"),
    [
        # The worker, and for a board what stands beside it.
        ("cuda:0", [GPU0, PACKAGES[0], MEMORY], ["gpu:0", "cpu:package-0", "cpu:dram-0"]),
        ("cuda:1", [GPU0, GPU1, PACKAGES[0]], ["gpu:1", "cpu:package-0"]),
        ("cuda", [GPU0], ["gpu:0"]),
        ("cpu", [GPU0, *PACKAGES, MEMORY], ["cpu:package-0", "cpu:package-1", "cpu:dram-0"]),
        # No substitute: a spare board, the processor, a guess of it, memory.
        ("cuda:0", [GPU1, *PACKAGES], []),
        ("cuda:0", PACKAGES, []),
        ("cuda:0", [GUESS], []),
        ("cuda:1", [GPU0, GUESS], []),
        ("cpu", [GPU0, MEMORY], []),
        # A guess of the worker itself, alone and never beside a meter.
        ("cpu", [GPU0, GUESS], ["cpu:estimate"]),
        ("cpu", [GUESS, MEMORY], ["cpu:estimate"]),
        ("cpu", [GUESS, *PACKAGES], ["cpu:package-0", "cpu:package-1"]),
        # What contains the worker stands in for it alone, the smallest first.
        ("cpu", [PSYS, MEMORY], ["cpu:psys"]),
        ("cpu", [WALL, PSYS], ["cpu:psys"]),
        ("cuda:0", [WALL, PSYS, GPU1], ["wall"]),
        ("cuda:0", [PSYS, GPU1], []),
        # And is never added to what it contains.
        ("cpu", [PSYS, *PACKAGES, WALL], ["cpu:package-0", "cpu:package-1"]),
        ("cuda:0", [GPU0, PACKAGES[0], PSYS, WALL], ["gpu:0", "cpu:package-0"]),
        ("cuda:0", [MODULE, *PACKAGES, MEMORY], ["gpu:0"]),
        ("cpu", [device("cpu:all", "processor", "cpu:package-*"), *PACKAGES], ["cpu:all"]),
        # Two meters of one socket: not both.
        ("cpu", [PACKAGES[0], SOCKET], ["cpu:package-0"]),
        # Two modules, and nobody knows in which the board is.
        ("cuda:0", [device(f"module:{n}", "system", "cpu:*", "gpu:*") for n in (0, 1)], []),
        ("cuda:0", [device("module:0", "system", "cpu:*", "gpu:*"), WALL], ["module:0"]),
        # Two that hold a third each: not both.
        (
            "cuda:0",
            [MODULE, device("soc", "processor", "cpu:dram-*"), MEMORY],
            ["gpu:0"],
        ),
    ],
)  # fmt: skip
def test_the_total_is_the_workers_own(worker, found, parts):
    assert summed(worker, *found) == parts


def test_all_packages_of_the_machine_are_the_worker_or_none():
    assert summed("cpu", PACKAGES[0], sockets=2) == []
    assert summed("cpu", *PACKAGES, sockets=2) == ["cpu:package-0", "cpu:package-1"]
    assert summed("cpu", PACKAGES[0], sockets=1) == ["cpu:package-0"]
    dies = [device(f"cpu:package-0-die-{n}", "processor") for n in (0, 1)]
    assert summed("cpu", *dies, sockets=2) == []
    why = "the counter of cpu:package-0-die-1 (intel-rapl:1) cannot be read: OSError"
    unread = {"meter": "rapl", "why": why, "remedy": ""}
    assert summed("cpu", dies[0], sockets=1, missing=[unread]) == []
    assert summed("cpu", dies[0], PSYS, sockets=1, missing=[unread]) == ["cpu:psys"]
    # Memory that cannot be read is no processor.
    memory = {**unread, "why": "the counter of cpu:dram-0 (intel-rapl:0:0) cannot be read: OSError"}
    assert summed("cpu", PACKAGES[0], sockets=1, missing=[memory]) == ["cpu:package-0"]
    # For work on a board it stands beside, as far as it is measured.
    assert summed("cuda:0", GPU0, PACKAGES[0], sockets=2) == ["gpu:0", "cpu:package-0"]


def test_one_counter_behind_two_names_counts_once():
    mirrors = {"cpu:package-1": "cpu:package-0"}
    assert summed("cpu", *PACKAGES, mirrors=mirrors) == ["cpu:package-0"]
    assert summed("cuda:0", GPU0, *PACKAGES, mirrors=mirrors) == ["gpu:0", "cpu:package-0"]


def analysed(lab, *meters, worker="cpu", sockets=None, missing=()):
    one = lab(*meters)
    one.device = worker
    one.missing = list(missing)
    one.begin(seconds=SPAN_S)
    one.segments[0]["host"]["sockets"] = sockets
    one.window("idle", 5.0)
    for number in range(4):
        one.generation(f"T/{number}", tokens=101)
    windows = windows_table(read_session(one.write().folder), 2)
    return windows, windows[(windows.domain == "total") & (windows.kind == "generation")]


def test_a_spare_board_is_no_substitute_and_says_so(lab, known):
    spare = {**known.GPU, "domain": "gpu:1"}
    windows, total = analysed(lab, spare, known.RAPL, worker="cuda:0")
    assert set(total.status) == {"not covered"} and set(total.sums) == {"nothing"}
    assert total[["energy_j", "pooled_j", "above_idle_j"]].isna().all(axis=None)
    assert all(flag_names(text) == ["worker not metered"] for text in total["flags"])
    # What was read stands under its own name.
    assert windows[windows.domain == "gpu:1"].energy_j.notna().any()
    _, total = analysed(lab, spare, known.RAPL, worker="cuda:1")
    assert set(total.status) == {"ok"} and set(total.sums) == {"gpu:1 + cpu:package-0"}
    assert set(total["flags"]) == {""}


def test_a_missing_package_is_no_total(lab, known):
    _, total = analysed(lab, known.RAPL, sockets=2)
    assert total.energy_j.isna().all()
    assert all(flag_names(text) == ["worker not metered"] for text in total["flags"])
    _, total = analysed(lab, known.RAPL, sockets=1)
    assert total.energy_j.notna().all() and set(total["flags"]) == {""}


def swinging(known, scale=1.0, shift=0.0):
    def watts(t):
        work = 60 + 40 * np.sin(t / 3 + shift) + 5 * np.sin(17 * t)
        return scale * np.where(t < 7, 60.0, work)

    return known.Truth(watts, SPAN_S)


def other(known, name):
    return {**known.RAPL, "domain": name, "label": name}


@pytest.mark.parametrize("how", [{}, {"gap_s": 0.031, "seed": 7}])
def test_dies_that_mirror_one_counter_are_counted_once_and_flagged(lab, known, how):
    truth = swinging(known)
    dies = [other(known, f"cpu:package-0-die-{n}") for n in (0, 1)]
    windows, total = analysed(lab, (dies[0], truth, {}), (dies[1], truth, how))
    assert set(total.sums) == {"cpu:package-0-die-0"}
    assert all(flag_names(text) == ["mirrored"] for text in total["flags"])
    expected = np.diff(
        truth.joules((total[["start_ns", "end_ns"]].to_numpy() - 1e12) / 1e9), axis=1
    )
    np.testing.assert_allclose(total.energy_j, expected[:, 0], rtol=0.02)
    for name in (die["domain"] for die in dies):
        assert windows[windows.domain == name]["flags"].str.contains("mirrored").all()


@pytest.mark.parametrize(
    "second",
    [{"scale": 1.01}, {"shift": 0.15}, {"scale": 0.99, "shift": 0.05}],
    ids=["a hundredth more", "a little later", "both"],
)
def test_packages_of_similar_power_are_two(lab, known, second):
    first, then = swinging(known), swinging(known, **second)
    packages = [other(known, f"cpu:package-{n}") for n in (0, 1)]
    _, total = analysed(lab, (packages[0], first, {}), (packages[1], then, {}))
    assert set(total.sums) == {"cpu:package-0 + cpu:package-1"}
    assert set(total["flags"]) == {""}


def test_two_boards_on_one_counter_say_so(lab, known):
    truth = swinging(known, scale=3)
    boards = [({**known.GPU, "domain": f"gpu:{n}"}, truth, {"gap_s": 0.02}) for n in (0, 1)]
    _, total = analysed(lab, *boards, worker="cuda:0")
    assert set(total.sums) == {"gpu:0"}
    assert total["flags"].str.contains("mirrored").all()


def test_a_module_and_its_processor_are_one_and_the_same_joule(lab, known):
    module = {**known.GPU, "kind": "gpu", "scale": 1e-3, "contains": ["cpu:*"]}
    _, total = analysed(lab, module, known.RAPL, worker="cuda:0")
    assert set(total.sums) == {"gpu:0"}
    assert (total.energy_j / total.duration_s).to_numpy() == pytest.approx(100, rel=0.02)
