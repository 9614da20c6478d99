import os
import threading
import time
from itertools import pairwise

import pytest

from metering import rapl
from metering.counters import unwrap
from metering.discovery import discover
from metering.loop import SamplingLoop
from metering.meter import MeterError, parse_domain
from metering.trace import EventWriter, TraceWriter, read_trace


def found_in(powercap):
    meters, missing = rapl.find(powercap.root)
    return {meter.domain.domain: meter for meter in meters}, missing


def values(found):
    return {name: meter.read()[0].value for name, meter in found.items()}


def test_two_sockets_with_memory(powercap):
    powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "core", 1)
    powercap.zone("0:1", "dram", 20)
    powercap.zone("1", "package-1", 30)
    powercap.zone("1:0", "dram", 40)
    found, _ = found_in(powercap)
    assert values(found) == {
        "cpu:package-0": 10,
        "cpu:dram-0": 20,
        "cpu:package-1": 30,
        "cpu:dram-1": 40,
    }


def test_two_dies_on_two_sockets_keep_their_names(powercap):
    for i, name in enumerate(f"package-{s}-die-{d}" for s in (0, 1) for d in (0, 1)):
        powercap.zone(f"{i}", name, 100 + i)
        powercap.zone(f"{i}:0", "dram", 200 + i)
    found, missing = found_in(powercap)
    assert values(found)["cpu:package-1-die-0"] == 102
    assert values(found)["cpu:dram-0-die-1"] == 201
    assert len(found) == 8
    assert {meter.domain.source for meter in found.values()} == {"powercap"}
    assert missing[0].meter == "pyRAPL"


def test_zones_that_overlap_are_not_read(powercap):
    powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "core", 1)
    powercap.zone("0:1", "uncore", 2)
    powercap.zone("1", "psys", 99)
    mmio = powercap.root / "intel-rapl-mmio:0"  # package-0 once more, by another register
    mmio.mkdir()
    (mmio / "name").write_text("package-0\n")
    (mmio / "energy_uj").write_text("11\n")
    assert values(found_in(powercap)[0]) == {"cpu:package-0": 10}


def test_a_domain_carries_the_range_at_which_it_wraps(powercap):
    powercap.zone("0", "package-0", 10, range_uj=65_532_610_987)
    domain = found_in(powercap)[0]["cpu:package-0"].domain
    assert (domain.max_range, domain.unit, domain.estimate) == (65_532_610_987, "uJ", False)


def test_two_zones_of_one_name_do_not_share_a_domain(powercap):
    powercap.zone("0", "package-0", 10)
    powercap.zone("1", "package-0", 20)
    found, missing = found_in(powercap)
    assert values(found) == {"cpu:package-0": 10}
    assert "same name" in missing[0].why


def test_no_tree_and_no_package_are_missing_with_a_remedy(powercap, tmp_path):
    for root in (tmp_path / "nowhere", powercap.root):
        meters, (missing,) = rapl.find(root)
        assert meters == []
        assert "no package zone" in missing.why and "modprobe" in missing.remedy


def test_masked_zones_are_missing(powercap):
    (powercap.root / "intel-rapl:0").symlink_to("intel-rapl/intel-rapl:0")  # leads nowhere
    meters, (missing,) = rapl.find(powercap.root)
    assert meters == [] and "container" in missing.remedy


def test_unreadable_zones_are_missing_and_the_readable_ones_used(powercap, unprivileged):
    closed = powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "dram", 20)
    (closed / "energy_uj").chmod(0)

    def look():
        found, missing = found_in(powercap)
        return values(found), missing

    found, missing = unprivileged(look)
    assert found == {"cpu:dram-0": 20}
    assert "cpu:package-0" in missing[0].why and "PermissionError" in missing[0].why
    assert "chmod a+r" in missing[0].remedy


def test_an_empty_counter_is_missing_not_zero(powercap):
    folder = powercap.zone("0", "package-0", 10)
    (folder / "energy_uj").write_text("")
    meters, (missing,) = rapl.find(powercap.root)
    assert meters == [] and "cannot be read" in missing.why


def test_a_right_lost_half_way_ends_this_domain_only(powercap, unprivileged, tmp_path):
    package, dram = powercap.zone("0", "package-0", 10), powercap.zone("0:0", "dram", 20)
    shared = powercap.root.parent / "out"
    shared.mkdir()
    if os.geteuid() == 0:
        for path in (shared, package / "energy_uj", dram / "energy_uj"):
            os.chown(path, 65534, 65534)
    trace_path, events_path = shared / "trace.csv", shared / "events.jsonl"

    def record():
        meters, _ = rapl.find(powercap.root)
        trace, events = TraceWriter(trace_path, 1), EventWriter(events_path, 1)
        loop = SamplingLoop(meters, trace, events)
        loop.sample(slow=True)
        (package / "energy_uj").chmod(0)
        loop.sample(slow=True)
        loop.sample(slow=True)
        trace.close()

    unprivileged(record)
    assert [s.domain for s in read_trace(trace_path)] == ["cpu:package-0"] + ["cpu:dram-0"] * 3
    (event,) = events_path.read_text().splitlines()
    assert "meter-lost" in event and "cpu:package-0" in event and "PermissionError" in event


def test_wraps_over_a_trace_are_kept_raw_and_corrected_afterwards(powercap, tmp_path):
    folder = powercap.zone("0", "package-0", 900, range_uj=1000)
    meters, _ = rapl.find(powercap.root)
    trace = TraceWriter(tmp_path / "trace.csv", 1)
    loop = SamplingLoop(meters, trace, EventWriter(tmp_path / "events.jsonl", 1))
    raw = [900, 100, 950, 50]  # 200, 850 and 100 uJ: two wraps
    for value in raw:
        powercap.set(folder, value)
        loop.sample(slow=False)
    trace.close()
    read = [sample.value for sample in read_trace(tmp_path / "trace.csv")]
    assert read == raw
    curve = unwrap(read, meters[0].domain.max_range)
    assert curve[-1] - curve[0] == 1150


def test_energy_of_a_known_power_is_found_within_one_step(powercap, tmp_path):
    """A counter fed at 40 W that moves every 50 ms and wraps on the way."""
    power_w, range_uj = 40, 30_000_000
    folder = powercap.zone("0", "package-0", 0, range_uj)
    start_ns, steps_uj, done = time.monotonic_ns(), [], threading.Event()

    def advance():
        last_uj = 0
        while not done.wait(0.05):
            total_uj = (time.monotonic_ns() - start_ns) * power_w // 1000
            powercap.set(folder, total_uj % range_uj)
            steps_uj.append(total_uj - last_uj)
            last_uj = total_uj

    feeder = threading.Thread(target=advance)
    feeder.start()
    meters, _ = rapl.find(powercap.root)
    trace = TraceWriter(tmp_path / "trace.csv", 1)
    loop = SamplingLoop(meters, trace, EventWriter(tmp_path / "events.jsonl", 1))
    loop.run(0.02, wait=lambda seconds: time.sleep(seconds) or loop.samples >= 60)
    done.set()
    feeder.join()
    trace.close()

    samples = list(read_trace(tmp_path / "trace.csv"))
    curve = unwrap([sample.value for sample in samples], range_uj)
    true_uj = (samples[-1].t_ns - samples[0].t_ns) * power_w / 1000
    assert min(b.value - a.value for a, b in pairwise(samples)) < 0
    assert abs(curve[-1] - curve[0] - true_uj) <= max(steps_uj)


def test_an_unknown_kind_of_meter_is_refused():
    with pytest.raises(MeterError, match="'fpga': choose from cpu, gpu"):
        discover(want=["cpu", "fpga"])


@pytest.mark.parametrize("range_text", ["0", "", "garbage", "-5", "99"])
def test_a_range_that_cannot_be_is_unknown_and_said(powercap, range_text):
    folder = powercap.zone("0", "package-0", 100)
    powercap.zone("1", "package-1", 100)
    (folder / "max_energy_range_uj").write_text(range_text)
    (odd, plain), missing = rapl.find(powercap.root)
    assert odd.domain.max_range is None and odd.read()[0].value == 100
    assert plain.domain.max_range > 1e9
    (said,) = [m.why for m in missing if m.meter == "rapl"]
    assert "the range of cpu:package-0 is" in said and "\n" not in said


def test_a_domain_that_reads_zero_is_left_out_and_said(powercap):
    powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "dram", 0)
    (package,), missing = rapl.find(powercap.root)
    assert package.domain.domain == "cpu:package-0"
    assert any("cpu:dram-0 reads zero" in lack.why for lack in missing)


def test_a_zone_declares_what_the_analysis_asks(powercap):
    powercap.zone("0", "package-0", 10)
    powercap.zone("0:0", "dram", 20)
    (package, dram), _ = rapl.find(powercap.root)
    assert (package.domain.kind, dram.domain.kind) == ("processor", "memory")
    since = ("kind", "scale", "period_s", "resolution", "contains", "max_power_w", "power_scale")
    for domain in (package.domain, dram.domain):
        assert (domain.scale, domain.period_s, domain.max_power_w) == (1e-6, 1e-3, 1000.0)
        assert domain.resolution * domain.scale == pytest.approx(2.0**-14)
        # As the record of a session from before is understood.
        old = {key: value for key, value in domain.as_dict().items() if key not in since}
        assert parse_domain(old) == domain


@pytest.mark.parametrize("text", ["", "x", None])
def test_parts_that_cannot_be_read_cost_the_package_nothing(powercap, text):
    powercap.zone("0", "package-0", 1_000)
    core = powercap.zone("0:0", "core", 900)
    (meter,), _ = rapl.find(powercap.root)
    assert [r.quantity for r in meter.read_slow()] == ["energy_parts"]
    (core / "energy_uj").unlink() if text is None else (core / "energy_uj").write_text(text)
    assert meter.read_slow() == [] and meter.read()[0].value == 1_000
    assert [(h.kind, h.quantity) for h in meter.new_events()] == [("quantity-lost", "energy_parts")]


def test_a_part_that_was_reset_is_no_wrap_around(powercap):
    powercap.zone("0", "package-0", 1_000)
    core = powercap.zone("0:0", "core", 5_000_000_000)
    (meter,), _ = rapl.find(powercap.root)
    assert meter.read_slow()[0].value == 0
    powercap.set(core, 3)  # a wrap would be 257 kJ
    assert meter.read_slow() == [] and meter.new_events()[0].kind == "quantity-lost"
