"""Windows to energies: what is covered, what is resolved, what is added up."""

import numpy as np
import pytest


def of(table, domain="total", **columns):
    """The rows of a domain with these values."""
    table = table[table.domain == domain]
    for name, value in columns.items():
        table = table[table[name] == value]
    return table


def test_windows_get_their_energy_and_uncertainty(lab, analyse):
    one = lab().begin()
    one.window("idle", 5)
    one.generation("T/0", tokens=41)
    _, windows, _ = analyse(one)
    idle = of(windows, kind="idle").iloc[0]
    assert (idle.status, idle.meter, idle.sums) == ("ok", one.meters[0][0]["label"], "gpu:0")
    assert idle.energy_j == pytest.approx(500, rel=0.01)
    assert 0 < idle.energy_u_j < 10
    assert abs(idle.energy_j - 500) <= 3 * idle.energy_u_j
    assert set(windows.domain) == {"gpu:0", "total"}


def test_short_windows_are_unresolved_but_pool(lab, analyse):
    one = lab().begin()
    for _ in range(50):
        one.window("prefill", 0.03, generation=None)
        one.window("idle", 0.25)
    _, windows, _ = analyse(one)
    short = of(windows, kind="prefill")
    assert set(short.status) == {"unresolved"}
    assert short.energy_j.isna().all() and short.energy_u_j.isna().all()
    assert short.pooled_j.notna().all()
    assert short.pooled_j.sum() == pytest.approx(50 * 3, rel=0.05)
    assert set(of(windows, kind="idle").status) == {"ok"}


def test_windows_without_readings_are_not_covered(lab, analyse):
    one = lab().begin(seconds=10)
    one.window("idle", 5)
    one.window("idle", 10)
    one.window("idle", 5)
    _, windows, _ = analyse(one)
    total = of(windows)
    assert list(total.status) == ["ok", "not covered", "not covered"]
    assert total.energy_j.isna().tolist() == [False, True, True]
    assert total.pooled_j.isna().tolist() == [False, True, True]


def test_a_lost_meter_takes_the_total_along_and_never_counts_as_zero(lab, known, analyse):
    constant = known.Truth(lambda t: np.full_like(t, 100.0), 100)
    one = lab((known.GPU, constant, {}), known.RAPL).begin(seconds=30)
    # The board falls off the bus half-way.
    one.samples = [s for s in one.samples if s[2] is known.RAPL or s[1] < known.at(10)]
    one.window("idle", 5)
    early = one.generation("T/0")
    one.now = 15
    late = one.generation("T/1")
    _, windows, generations = analyse(one)
    gpu, cpu, total = (
        of(windows, name, generation=late) for name in ("gpu:0", "cpu:package-0", "total")
    )
    assert set(gpu.status) == set(total.status) == {"not covered"}
    assert "not covered" not in set(cpu.status)
    assert total.pooled_j.isna().all() and total.energy_j.isna().all()
    whole = of(windows, generation=early, kind="generation").iloc[0]
    assert whole.energy_j == pytest.approx(200 * whole.duration_s, rel=0.03)
    lost = generations.set_index("generation").loc[late]
    numbers = ["total_j", "prefill_j", "decode_j", "token_j", "decoded_token_j", "above_idle_j"]
    assert lost[numbers].isna().all()
    assert lost.total_status == "not covered"


def test_a_meter_that_never_answered_is_not_covered(lab, known, analyse):
    one = lab(known.GPU, known.RAPL).begin()
    one.samples = [s for s in one.samples if s[2] is known.RAPL]
    one.window("idle", 5)
    name = one.generation("T/0")
    _, windows, generations = analyse(one)
    assert set(of(windows).status) == {"not covered"}
    assert set(of(windows, "gpu:0").status) == {"not covered"}
    assert of(windows, "cpu:package-0", kind="idle").energy_j.iloc[0] == pytest.approx(
        500, rel=0.01
    )
    assert np.isnan(generations.set_index("generation").total_j[name])


def test_measured_domains_are_added_up_and_named(lab, known, analyse):
    one = lab(known.GPU, known.RAPL).begin()
    one.window("idle", 5)
    _, windows, _ = analyse(one)
    total = of(windows).iloc[0]
    parts = [of(windows, name).iloc[0] for name in ("gpu:0", "cpu:package-0")]
    assert total.sums == "gpu:0 + cpu:package-0"
    assert total.meter == " + ".join(part.meter for part in parts)
    assert total.energy_j == pytest.approx(sum(part.energy_j for part in parts), rel=1e-12)
    squares = sum(part.energy_u_j**2 for part in parts)
    assert total.energy_u_j == pytest.approx(squares**0.5, rel=1e-12)


def test_the_other_boards_of_the_machine_are_no_part_of_the_total(lab, known, analyse):
    one = lab(known.GPU, {**known.GPU, "domain": "gpu:1"}, known.RAPL)
    one.device = "cuda:1"
    one.begin().window("idle", 5)
    _, windows, _ = analyse(one)
    assert of(windows).iloc[0].sums == "gpu:1 + cpu:package-0"
    assert set(windows.domain) == {"gpu:0", "gpu:1", "cpu:package-0", "total"}


def test_measured_and_estimate_are_never_added_up(lab, known, analyse):
    one = lab(known.GPU, known.ESTIMATE).begin()
    one.window("idle", 5)
    session, windows, _ = analyse(one)
    total = of(windows).iloc[0]
    assert (total.sums, bool(total.estimate)) == ("gpu:0", False)
    assert total.energy_j == pytest.approx(500, rel=0.01)
    assert bool(of(windows, "cpu:estimate").estimate.iloc[0])
    assert not session.estimate
    assert "estimate" not in session.meter()


def test_an_estimate_alone_is_the_total_and_called_one(lab, known, analyse):
    one = lab(known.ESTIMATE).begin()
    one.window("idle", 5)
    session, windows, _ = analyse(one)
    total = of(windows).iloc[0]
    assert (total.sums, bool(total.estimate)) == ("cpu:estimate", True)
    assert session.estimate
    assert "estimate" in session.meter()


def test_segments_whose_clocks_overlap_do_not_mix(lab, known, analyse):
    one = lab((known.GPU, known.Truth(lambda t: np.full_like(t, 100.0)), {})).begin(seconds=30)
    one.window("idle", 5)
    one.generation("T/0")
    # Another boot: the clock and the counter begin anew, and the board draws less.
    one.meters = [(known.GPU, known.Truth(lambda t: np.full_like(t, 40.0)), {"seed": 3})]
    one.begin(seconds=30)
    one.window("idle", 5)
    one.generation("T/1")
    _, windows, generations = analyse(one)
    idle = of(windows, kind="idle").set_index("segment")
    assert idle.energy_j[1] == pytest.approx(500, rel=0.02)
    assert idle.energy_j[2] == pytest.approx(200, rel=0.02)
    power = (generations.total_j / generations.duration_s).tolist()
    assert power == pytest.approx([100, 40], rel=0.05)
    assert generations.above_idle_j.abs().max() < 8


def test_above_idle_leaves_the_idle_power_out(lab, known, analyse):
    truth = known.Truth(lambda t: np.where(t < 10, 60.0, 160.0))
    one = lab((known.GPU, truth, {})).begin()
    one.window("idle", 8)
    one.now = 11
    one.generation("T/0", tokens=101)
    _, _, generations = analyse(one)
    row = generations.iloc[0]
    assert row.above_idle_j == pytest.approx(100 * row.duration_s, rel=0.03)


def test_above_idle_is_unknown_without_idle(lab, analyse):
    one = lab().begin()
    one.generation("T/0")
    _, _, generations = analyse(one)
    assert generations.above_idle_j.isna().all()
    assert generations.total_j.notna().all()


def test_idle_that_was_not_metered_does_not_count(lab, analyse):
    one = lab().begin(seconds=20)
    one.window("idle", 5)
    one.generation("T/0")
    one.now = 18
    one.window("idle", 10)
    _, _, generations = analyse(one)
    row = generations.iloc[0]
    assert row.above_idle_j == pytest.approx(0, abs=5)


def test_a_torn_last_sample_is_named(lab, analyse):
    from analysis.energy.raw import read_session
    from metering.torn import TornError

    one = lab().begin()
    one.window("idle", 5)
    one.write()
    with (one.folder / "trace.csv").open("a") as trace:
        trace.write("1,10,gpu")
    with pytest.raises(TornError, match=r"trace\.csv is torn: its last line has no end"):
        read_session(one.folder)


def test_an_idle_gpu_beside_work_on_the_processor_is_not_its_energy(lab, known, analyse):
    one = lab(known.GPU, known.ESTIMATE)
    one.device = "cpu"
    one.begin().window("idle", 5)
    session, windows, _ = analyse(one)
    total = of(windows).iloc[0]
    assert (total.sums, bool(total.estimate)) == ("cpu:estimate", True)
    assert session.estimate
