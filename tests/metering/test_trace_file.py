import json

import pytest

from metering.meter import MeterError, Reading
from metering.trace import HEADER, EventWriter, TraceWriter, read_trace

READING = Reading(123, "gpu:0", "energy", 456, "mJ", "nvml")


def write(path, *readings, segment=1):
    writer = TraceWriter(path, segment)
    writer.write(readings)
    writer.close()


def test_what_is_written_is_read_back_digit_by_digit(tmp_path):
    readings = [
        READING,
        READING._replace(value=0.1 + 0.2, unit="J"),
        READING._replace(value=10**18),
    ]
    write(tmp_path / "trace.csv", *readings)
    assert [sample[1:] for sample in read_trace(tmp_path / "trace.csv")] == readings


def test_the_header_is_written_once_and_segments_follow_each_other(tmp_path):
    path = tmp_path / "new" / "trace.csv"
    write(path, READING, segment=1)
    write(path, READING, segment=2)
    assert path.read_text().splitlines()[0] == HEADER
    assert path.read_text().count("segment") == 1
    assert [sample.segment for sample in read_trace(path)] == [1, 2]


@pytest.mark.parametrize("torn", ["1,789,gpu:0,ener", "1,789,gpu:0,energy,4", "1"])
def test_a_torn_last_line_is_dropped_and_the_next_writer_cuts_it_off(tmp_path, torn):
    path = tmp_path / "trace.csv"
    write(path, READING)
    with open(path, "a") as file:
        file.write(torn)
    assert len(list(read_trace(path))) == 1
    write(path, READING._replace(t_ns=999), segment=2)
    assert [(s.segment, s.t_ns) for s in read_trace(path)] == [(1, 123), (2, 999)]


def test_a_torn_header_is_an_empty_trace_and_is_written_anew(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("segment,t_")
    assert list(read_trace(path)) == []
    write(path, READING)
    assert len(list(read_trace(path))) == 1


def test_a_file_that_is_no_trace_is_refused_with_its_line(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("t,power\n1,2\n")
    with pytest.raises(MeterError, match="not a trace"):
        list(read_trace(path))
    path.write_text(HEADER + "\n1,123,gpu:0,energy,many,mJ,nvml\n")
    with pytest.raises(MeterError, match="line 2"):
        list(read_trace(path))


def test_a_trace_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MeterError, match=r"cannot write .*trace\.csv"):
        TraceWriter(tmp_path / "file" / "trace.csv", 1)


def test_events_are_on_disk_at_once(tmp_path):
    writer = EventWriter(tmp_path / "events.jsonl", segment=3)
    writer.write(5, "meter-lost", "gpu:0", "GPU is lost")
    assert json.loads((tmp_path / "events.jsonl").read_text()) == {
        "segment": 3,
        "t_ns": 5,
        "kind": "meter-lost",
        "domain": "gpu:0",
        "why": "GPU is lost",
    }
    writer.close()
