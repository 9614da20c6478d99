"""A trace as arrays: by Arrow and line by line the same."""

import numpy as np
import pytest

from analysis.energy import readings
from analysis.energy.readings import read_readings
from metering.meter import MeterError
from metering.trace import HEADER


@pytest.fixture(params=["arrow", "lines"])
def read(request, tmp_path, monkeypatch):
    """Writes a trace and reads it."""
    if request.param == "lines":
        monkeypatch.setattr(readings, "_by_arrow", readings._line_by_line)

    def make(*lines, end="\n"):
        path = tmp_path / "trace.csv"
        path.write_text("\n".join((HEADER, *lines)) + end)
        return read_readings(path)

    return make


def test_readings_are_told_apart_and_keep_their_order(read):
    found = read(
        "1,30,gpu:0,energy,123,mJ,nvml",
        "1,10,gpu:0,power,7.5,mW,nvml:samples",
        "2,20,gpu:0,energy,5,mJ,nvml",
        "1,40,gpu:0,energy,124,mJ,nvml",
    )
    assert set(found) == {(1, "gpu:0", "energy"), (2, "gpu:0", "energy"), (1, "gpu:0", "power")}
    assert found[1, "gpu:0", "energy"].times_ns.tolist() == [30, 40]
    assert found[1, "gpu:0", "energy"].values.tolist() == [123, 124]
    assert found[1, "gpu:0", "power"].values.tolist() == [7.5]


@pytest.mark.parametrize("value", [2**53 + 1, 2**63 - 1, 2**64 - 1])
def test_integers_stay_exact(read, value):
    found = read(f"1,1,a,energy,{value},mJ,x", f"1,2,a,energy,{value - 2},mJ,x", "1,3,b,p,nan,W,x")
    assert [int(v) for v in found[1, "a", "energy"].values] == [value, value - 2]
    assert np.isnan(found[1, "b", "p"].values).all()


def test_a_torn_last_line_is_dropped(read):
    for torn in ("1,2,a,energy,6", "1,2,a,energy,6,mJ,nv", "1"):
        found = read("1,1,a,energy,5,mJ,nvml", torn, end="")
        assert found[1, "a", "energy"].values.tolist() == [5]


def test_an_empty_trace_has_no_readings(read, tmp_path):
    assert read() == {}
    (tmp_path / "trace.csv").write_text("")
    assert read_readings(tmp_path / "trace.csv") == {}


@pytest.mark.parametrize(
    "line", ["1,x,a,energy,5,mJ,nvml", "1,2,a,energy,,mJ,nvml", "1,2,a", "1,2,a,energy,five,mJ,x"]
)
def test_what_is_no_sample_is_said_with_its_line(read, line):
    with pytest.raises(MeterError, match="line 3: not a sample"):
        read("1,1,a,energy,5,mJ,nvml", line, "1,3,a,energy,5,mJ,nvml")


def test_what_is_no_trace_is_refused(tmp_path):
    (tmp_path / "trace.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MeterError, match="not a trace"):
        read_readings(tmp_path / "trace.csv")


def test_the_better_way_of_a_power_wins_where_both_are(read):
    lines = [f"1,{t * 20_000_000},g,power,{t},mW,nvml:samples" for t in range(50)]
    lines += [f"1,{t * 50_000_000 + 1},g,power,999,mW,nvml:instant" for t in range(40)]
    lines += [f"1,{t * 50_000_000 + 2},g,power,5,mW,nvml:average" for t in range(60)]
    best = read(*lines)[1, "g", "power"].best("samples", "instant")
    assert np.all(np.diff(best.times_ns) > 0)
    assert best.values[:50].tolist() == list(range(50))
    assert set(best.values[50:].tolist()) == {999} and best.times_ns[50] > 1_050_000_000


def test_an_old_trace_has_the_way_of_its_domain(read):
    found = read("1,1,g,power,5,mW,nvml", "1,2,g,power,6,mW,nvml")[1, "g", "power"]
    assert len(found.best("samples", "instant").values) == 0
    assert len(found.best("samples", "instant", otherwise="samples").values) == 2
    assert len(found.best("samples", "instant", otherwise="average").values) == 0
    assert len(found.best().values) == 2
