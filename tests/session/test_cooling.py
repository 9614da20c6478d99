"""Rest between blocks until the device is as cool as it was when idle: over a trace that a fake
sampler writes."""

import dataclasses
import threading

import pytest

from metering import tail
from metering.meter import Reading
from metering.trace import TraceWriter
from session.cooling import Cooling, temperatures_of
from session.specification import Cooldown

COOLDOWN = Cooldown(within_c=3, max_s=120)


class Board:
    """Readings one after the other; each call gives the next, the last goes on."""

    def __init__(self, *temperatures):
        self.left = list(temperatures)
        self.asked_ns = []

    def __call__(self, since_ns):
        self.asked_ns.append(since_ns)
        now = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return now if isinstance(now, dict) else {"gpu:0": now}


def cooled(board, **changes):
    said = []
    cooling = Cooling(dataclasses.replace(COOLDOWN, **changes), board, said.append)
    cooling.remember()
    return cooling.wait("b1:0"), said


def test_it_waits_until_the_board_is_near_what_it_was_when_idle():
    board = Board(40, 70, 55, 44, 43, 40)
    (window,), said = cooled(board)
    assert window["kind"] == "cooldown" and window["before"] == "b1:0" and window["reached"]
    assert window["temperatures_c"] == {"gpu:0": 43} and window["reference_c"] == {"gpu:0": 40}
    assert window["end_ns"] >= window["start_ns"] and said == []
    # Only what is read from now on counts, each time.
    assert board.asked_ns == sorted(board.asked_ns) and len(board.asked_ns) == 5


def test_a_board_that_is_cooler_than_it_was_is_cool():
    (window,), _ = cooled(Board(40, 30))
    assert window["reached"]


def test_the_warmest_of_several_domains_decides():
    (window,), _ = cooled(
        Board({"a": 40, "b": 50}, {"a": 40, "b": 60}, {"a": 44, "b": 50}, {"a": 43, "b": 53})
    )
    assert window["reached"] and window["temperatures_c"] == {"a": 43, "b": 53}


def test_at_the_limit_it_goes_on_and_says_so():
    (window,), (line,) = cooled(Board(40, 70), max_s=0.01)
    assert not window["reached"] and window["end_ns"] - window["start_ns"] >= 0.01e9
    assert line.startswith("b1:0: after 0 s of cooling 30 K above what it was when idle")


def test_a_meter_that_is_lost_is_not_waited_for():
    (window,), (line,) = cooled(Board({"gpu:0": 40}, {}))
    assert not window["reached"] and "not known to be" in line


def test_without_a_temperature_it_says_so_once_and_waits_for_nothing():
    said = []
    cooling = Cooling(COOLDOWN, Board({}), said.append)
    cooling.remember()
    assert cooling.wait("a") == cooling.wait("b") == []
    assert said == ["no cool-down between blocks: no meter of this session has a temperature"]


def test_where_none_is_asked_for_no_meter_is_looked_at():
    board = Board(40)
    cooling = Cooling(None, board, print)
    cooling.remember()
    assert cooling.wait("a") == [] and board.asked_ns == []


@pytest.fixture
def trace(tmp_path, monkeypatch):
    """Appends readings to a trace as the sampler does, each flushed."""
    monkeypatch.setattr(tail, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(tail, "POLL_S", 0.01)

    def write(*readings, segment=1):
        writer = TraceWriter(write.path, segment)
        for t_ns, domain, quantity, value in readings:
            writer.write([Reading(t_ns, domain, quantity, value, "C", "nvml")])
        writer.close()

    write.path = tmp_path / "trace.csv"
    return write


def test_temperatures_are_those_of_the_segment_and_its_domains_since_then(trace):
    trace((5, "gpu:0", "temperature", 90), segment=1)
    trace(
        (10, "gpu:0", "temperature", 40),
        (10, "gpu:1", "temperature", 99),
        (20, "gpu:0", "energy", 1234),
        (30, "gpu:0", "temperature", 41),
        segment=2,
    )
    since = temperatures_of(trace.path, 2, 0.05, {"gpu:0"})
    assert since(0) == since(20) == {"gpu:0": 41}
    assert since(31) == {}
    assert temperatures_of(trace.path, 2, 0.05, {"cpu:package-0"})(0) == {}


def test_it_waits_for_the_sampler_to_write_a_fresh_one(trace):
    trace((10, "gpu:0", "temperature", 70))
    later = threading.Timer(0.1, trace, [(50, "gpu:0", "temperature", 42)])
    later.start()
    assert temperatures_of(trace.path, 1, 0.05, {"gpu:0"})(40) == {"gpu:0": 42}
    later.join()


def test_the_tail_holds_whole_lines_however_it_is_cut(trace):
    trace(*((t, "gpu:0", "temperature", t) for t in range(200)))
    with trace.path.open("a") as file:
        file.write("1,999,gpu:0,tempera")
    for length in range(30, 300, 7):
        samples = tail.tail(trace.path, 1, length)
        assert [s.t_ns for s in samples] == list(range(200 - len(samples), 200))
    assert len(tail.tail(trace.path, 1)) == 200
