import pytest

from metering.discovery import discover
from metering.estimate import find
from metering.meter import MeterError

HERTZ = 100


@pytest.fixture(autouse=True)
def clock_tick(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: HERTZ)


@pytest.fixture
def proc(tmp_path):
    """A /proc with two CPUs; set its ticks by name."""

    def stat(user=0, nice=0, system=0, idle=0, iowait=0, irq=0, softirq=0, steal=0, guest=0):
        ticks = (user, nice, system, idle, iowait, irq, softirq, steal, guest, 0)
        line = " ".join(map(str, ticks))
        (tmp_path / "stat").write_text(f"cpu  {line}\ncpu0 {line}\ncpu1 {line}\nintr 5\n")
        return tmp_path

    stat()
    return stat


def energy(meter):
    (reading,) = meter.read(everything=True)
    assert (reading.quantity, reading.unit, reading.source) == ("energy", "J", "estimate")
    return reading.value


def test_energy_is_busy_time_at_rated_power(proc):
    ((meter,), missing) = find(proc(), rated_power_w=40)
    proc(user=2 * HERTZ, system=1 * HERTZ, idle=1 * HERTZ)  # 3 CPU-seconds of a 20 W CPU
    assert energy(meter) == pytest.approx(60)
    assert missing == []


def test_all_cpus_busy_draw_the_rated_power(proc):
    ((meter,), _) = find(proc(), rated_power_w=40)
    proc(user=2 * 5 * HERTZ)  # both CPUs for five seconds
    assert energy(meter) == pytest.approx(5 * 40)


def test_idle_waiting_stolen_and_double_counted_time_adds_nothing(proc):
    ((meter,), _) = find(proc(user=100), rated_power_w=40)
    before = energy(meter)
    proc(user=100, idle=900, iowait=50, steal=70, guest=30)  # guest is part of user
    assert energy(meter) == before


def test_interrupts_and_niced_work_count(proc):
    ((meter,), _) = find(proc(), rated_power_w=2)  # 1 W a CPU
    proc(nice=100, irq=100, softirq=100)
    assert energy(meter) == pytest.approx(3)


def test_utilisation_and_rated_power_stand_beside_it(proc):
    ((meter,), _) = find(proc(user=100, idle=100), rated_power_w=40)
    proc(user=130, idle=170)
    slow = {r.quantity: (r.value, r.unit) for r in meter.read_slow()}
    assert slow == {"rated_power": (40, "W"), "utilisation": (0.3, "1")}


def test_within_one_tick_utilisation_is_absent_not_zero(proc):
    ((meter,), _) = find(proc(user=100), rated_power_w=40)
    assert [r.quantity for r in meter.read_slow()] == ["rated_power"]


def test_a_rated_power_that_nobody_gave_is_called_assumed(proc):
    ((meter,), _) = find(proc())
    details = meter.domain.details
    assert details["rated_power_w"] == 20
    assert details["rated_power_from"].startswith("assumed")
    ((meter,), _) = find(proc(), rated_power_w=40)
    assert not meter.domain.details["rated_power_from"].startswith("assumed")


def test_it_is_called_an_estimate_and_tells_its_limits(proc):
    domain = find(proc())[0][0].domain
    assert domain.estimate and "estimate" in domain.label and "estimate" in domain.domain
    assert domain.details["resolution_s"] == pytest.approx(0.01)
    assert "whole machine" in domain.details["scope"]


def test_a_rated_power_must_be_positive(proc):
    for power in (0, -5, float("nan")):
        with pytest.raises(MeterError, match="positive"):
            find(proc(), rated_power_w=power)


def test_without_cpu_accounting_it_is_missing(tmp_path):
    found, (missing,) = find(tmp_path)
    assert found == [] and "cannot be read" in missing.why


def test_it_steps_in_only_where_no_package_is_metered(proc, powercap):
    def found():
        meters, missing = discover(["cpu"], powercap_root=powercap.root, proc_root=proc())
        return {meter.domain.domain for meter in meters}, missing

    names, missing = found()
    assert names == {"cpu:estimate"}
    assert missing[0].meter == "rapl"  # and why it had to
    powercap.zone("0", "package-0", 1)
    assert found()[0] == {"cpu:package-0"}


def test_ticks_that_go_back_make_no_negative_energy_and_end_nothing(tmp_path):
    stat = tmp_path / "stat"

    def ticks(user, iowait=0, idle=100):
        stat.write_text(f"cpu  {user} 0 0 {idle} {iowait} 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")

    ticks(50, iowait=9)
    ((meter,), _) = find(tmp_path, 100.0)
    values = []
    for user, iowait in ((50, 9), (49, 9), (48, 5), (52, 4), (51, 4), (60, 4)):
        ticks(user, iowait)
        values += [r.value for r in meter.read(everything=True)]
        assert all(0 <= r.value <= 1 for r in meter.read_slow() if r.quantity == "utilisation")
    per_tick = meter.domain.resolution
    assert values == pytest.approx([per_tick * n for n in (50, 50, 50, 52, 52, 60)])


def test_the_estimate_declares_its_tick(tmp_path):
    (tmp_path / "stat").write_text("cpu  5 0 0 9 0 0 0 0 0 0\ncpu0 5 0 0 9 0 0 0 0 0 0\n")
    ((meter,), _) = find(tmp_path, 100.0)
    domain = meter.domain
    assert domain.estimate and domain.kind == "processor" and domain.scale == 1.0
    assert domain.resolution == pytest.approx(100.0 * domain.period_s)
