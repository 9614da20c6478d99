"""The study of runtimes, from raw data to tables, under known powers."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

SPAN_S = 60.0
# (system, origin): what a small campaign measures.
SYSTEMS = (("pytorch", None), ("tensorflow", None), ("onnxruntime", "pytorch"))


def parity(subject="TensorFlow", errors=(1e-7, 2e-7), passed=True, **more):
    return {
        "pair": "framework",
        "model": "small",
        "subject": subject,
        "against": "PyTorch",
        "where": "cpu",
        "batch_sizes": [1, 3],
        "relative_error": list(errors),
        "tolerance": 1e-5,
        "passed": passed,
        "why": None if passed else "too far",
        "exporter": None,
        "opset": None,
        "notes": None,
        **more,
    }


def fill(one, each_s=0.01, repetitions=4, spread=0.0, **shares):
    """Idle, then windows of every batch: a batch of 8 takes 8 times as long."""
    one.repetitions = repetitions
    one.begin(seconds=SPAN_S)
    one.window("warmup", 0.3)
    one.window("idle", 2)
    for repetition in range(repetitions):
        for batch in one.batch_sizes:
            slower = 1 + spread * repetition
            one.inference(batch, repetition, each_s=each_s * batch * slower, **shares)
    return one


def campaign(bench, *meters, rounds=2, watts=50.0, times=(0.01, 0.02, 0.008), **keywords):
    return [
        fill(
            bench(*meters, watts=watts, system=system, origin=origin, round=number, **keywords),
            each_s * (1 + 0.01 * number),
            spread=0.002,
        )
        for (system, origin), each_s in zip(SYSTEMS, times, strict=True)
        for number in range(1, rounds + 1)
    ]


def excluded(bench, **keywords):
    facts = {"stage": "conversion", "why": "no such operator"}
    return bench(system="onnxruntime", origin="tensorflow", excluded=facts, **keywords)


def of(table, **columns):
    for name, value in columns.items():
        table = table[table[name] == value]
    return table


def test_energy_of_an_inference_under_a_known_power(bench, known, tabulate_runtimes):
    idle_then_busy = known.Truth(lambda t: np.where(t < 3.4, 20.0, 50.0), SPAN_S)
    one = bench((known.RAPL, idle_then_busy, {}), batch_sizes=(4,))
    table = tabulate_runtimes(fill(one, each_s=0.01)).inferences
    assert set(table.domain) == {"cpu:package-0", "total"} and len(table) == 8
    # The power rises within the first window.
    total = of(table, domain="total").iloc[1:]
    assert set(total.status) == {"ok"}
    # 0.04 s at 50 W; 30 W above idle; 4 samples.
    exact = {
        "inference_s": 0.04,
        "inference_j": 2.0,
        "inference_above_idle_j": 1.2,
        "sample_j": 0.5,
        "sample_above_idle_j": 0.3,
        "samples_per_s": 100.0,
        "power_w": 50.0,
        "energy_delay_js": 0.08,
    }
    for column, value in exact.items():
        assert total[column].to_numpy() == pytest.approx(value, rel=1e-3), column
    assert (total.samples == 4 * total.inferences).all()
    assert (total.energy_u_j < 0.1).all() and (total.energy_u_j > 0).all()


def test_cells_hold_every_metric_once_and_energies_for_each_domain(bench, known, tabulate_runtimes):
    dram = {**known.RAPL, "domain": "cpu:dram-0", "label": "CPU dram-0 (RAPL)"}
    cells = tabulate_runtimes(*campaign(bench, known.RAPL, dram)).runtimes
    keys = ["model", "batch", "runtime", "provider", "domain", "metric"]
    assert not cells.duplicated(keys).any()
    energy = of(cells, metric="energy per inference", runtime="PyTorch", batch=8)
    means = energy.set_index("domain")["mean"]
    # Two rounds, 1 % and 2 % slower; repetitions 0 to 0.6 % slower; two domains of 50 W each.
    expected = 0.08 * 1.015 * 1.003 * 50
    assert means["cpu:package-0"] == pytest.approx(expected, rel=1e-3)
    assert means["total"] == pytest.approx(2 * expected, rel=1e-3)
    assert set(energy.windows) == {8} and set(energy.rounds) == {2}
    time = of(cells, metric="time per inference", runtime="PyTorch", batch=8)
    assert list(time.domain) == [""]
    for row in (*energy.itertuples(), *time.itertuples()):
        # Two rounds: one degree of freedom, and 12.7 standard errors to either side.
        half = stats.t.ppf(0.975, 1) * np.log(1.02 / 1.01) / 2
        assert row.low == pytest.approx(row.mean * np.exp(-half), rel=2e-3)
        assert row.high == pytest.approx(row.mean * np.exp(half), rel=2e-3)
        assert not row.why


def test_a_known_ratio_is_found_with_its_sign_and_its_words(bench, tabulate_runtimes):
    table = tabulate_runtimes(*campaign(bench)).comparisons
    assert set(table.question) == {"RQ1", "RQ2"} and (table.reason == "").all()
    for metric in ("energy per inference", "time per inference"):
        (row,) = of(table, question="RQ1", batch=1, metric=metric).itertuples()
        assert (row.first, row.second) == ("TensorFlow", "PyTorch")
        assert row.ratio == pytest.approx(2, rel=2e-3)
        assert row.difference_percent == pytest.approx(100, abs=0.5)
        assert row.ratio_low < 2 < row.ratio_high
        assert (row.rank_biserial, row.effect, row.rounds) == (1, "large", 2)
        assert row.p <= row.p_holm < 0.05 and row.equivalence_p_holm > 0.99
        # One of two batches; each has one pair of frameworks.
        assert row.family == f"RQ1, {metric}: 2 tests"
        verb, thing = ("uses", "energy") if "energy" in metric else ("takes", "time")
        assert re.fullmatch(f"{verb} (2 times the|100 % more) {thing}", row.verdict)
        (row,) = of(table, question="RQ2", batch=8, metric=metric).itertuples()
        assert (row.first, row.second) == ("ONNX Runtime from PyTorch", "PyTorch")
        assert row.ratio == pytest.approx(0.8, rel=2e-3)
        assert (row.first_windows, row.first_rounds) == (8, 2)


def test_p_values_are_adjusted_over_all_tests_of_a_question(bench, tabulate_runtimes):
    more = [
        fill(bench(system="mxnet", round=n), 0.015 * (1 + 0.02 * n * n), spread=0.002)
        for n in (1, 2, 3)
    ]
    results = tabulate_runtimes(*campaign(bench, rounds=3), *more)
    family = of(results.comparisons, question="RQ1", metric="time per inference")
    # Three pairs at two batches, and none of the other question.
    assert len(family) == 6 and set(family.family) == {"RQ1, time per inference: 6 tests"}
    expected = multipletests(family.p, method="holm")[1]
    assert family.p_holm.to_numpy() == pytest.approx(expected)
    omnibus = pd.read_parquet(results.folder / "tables" / "omnibus.parquet")
    rows = of(omnibus, question="RQ1", metric="time per inference")
    assert len(rows) == 2 and set(rows.rounds) == {3} and (rows.why == "").all()
    assert (rows.p_holm >= rows.p).all() and (rows.eta_squared > 0.9).all()
    assert set(rows.family) == {"RQ1, time per inference, any of them: 2 tests"}


def test_different_meters_are_not_compared_but_times_are(bench, known, tabulate_runtimes):
    first = fill(bench(known.RAPL))
    second = fill(bench(known.ESTIMATE, watts=10.0, system="tensorflow"), each_s=0.03)
    table = tabulate_runtimes(first, second).comparisons
    energy = of(table, metric="energy per inference")
    assert energy.reason.str.startswith("different meters: ").all() and len(energy) == 2
    numbers = energy.select_dtypes("number").drop(columns=["batch", "confidence", "margin"])
    assert numbers.isna().all(axis=None)
    time = of(table, metric="time per inference")
    assert (time.reason == "").all()
    assert time.ratio.to_numpy() == pytest.approx(3, rel=1e-3)


def test_rounds_of_a_cell_read_by_different_meters_are_refused(bench, known, tabulate_runtimes):
    other = {**known.ESTIMATE, "label": "another"}
    rounds = fill(bench(known.ESTIMATE)), fill(bench(other, round=2))
    with pytest.raises(SystemExit, match="different meters, which are never mixed"):
        tabulate_runtimes(*rounds)


def test_providers_are_compared_for_one_export_and_different_machines_never(
    bench, known, tabulate_runtimes
):
    export = {"system": "onnxruntime", "origin": "pytorch"}
    meters = {**known.GPU}
    cuda, tensorrt = (
        fill(bench(meters, provider=provider, **export), each_s)
        for provider, each_s in (("cuda", 0.02), ("tensorrt", 0.015))
    )
    framework = fill(bench(meters, provider="cuda"), 0.03)
    framework.segments[0]["host"] = {"cpu_model": "Another"}
    table = tabulate_runtimes(tensorrt, cuda, framework).comparisons
    time = of(table, metric="time per inference", batch=1).set_index(["question", "first_provider"])
    row = time.loc[("RQ3", "tensorrt")]
    assert (row.second_provider, row.within) == ("cuda", "ONNX Runtime from PyTorch")
    assert row.ratio == pytest.approx(0.75, rel=1e-3)
    for provider in ("cuda", "tensorrt"):
        assert time.loc[("RQ2", provider)].second_provider == "cuda"
        assert time.loc[("RQ2", provider)].reason.startswith("different machines: ")


def test_excluded_sessions_have_a_reason_and_never_figures(bench, tabulate_runtimes):
    out = [excluded(bench, round=number) for number in (1, 2)]
    planned = [
        {"session": name, "model": "small", "title": "MXNet", "provider": "cpu", "round": 1}
        for name in ("small__mxnet__cpu__r1", "small__pytorch__cpu__r1")
    ]
    one = fill(bench(absent={"cuda": "no GPU"}))
    results = tabulate_runtimes(one, fill(bench(system="tensorflow")), *out, planned=planned)
    table = results.excluded.set_index("session")
    for session in out:
        assert (table.stage[session.name], table.why[session.name]) == (
            "conversion",
            "no such operator",
        )
    assert table.stage["small__mxnet__cpu__r1"] == "not measured"
    assert (table.stage[""], table.provider[""], table.why[""]) == ("absent", "cuda", "no GPU")
    assert len(table) == 4
    name = "ONNX Runtime from TensorFlow"
    assert name not in set(results.inferences.runtime) | set(results.runtimes.runtime)
    refused = of(results.comparisons, first=name)
    assert len(refused) == 6 and refused.ratio.isna().all() and refused.p_holm.isna().all()
    assert refused.reason.str.contains("conversion: no such operator").all()


def test_windows_without_an_energy_are_told_and_count_for_time_only(bench, tabulate_runtimes):
    one = fill(bench())
    late = of(pd.DataFrame(one.windows), kind="inference", batch=8).start_ns.iloc[2]
    one.samples = [sample for sample in one.samples if sample[1] < late]
    results = tabulate_runtimes(one)
    cells = of(results.runtimes, batch=8).set_index(["domain", "metric"])
    assert cells.windows["total", "energy per inference"] == 2
    assert cells.windows["", "time per inference"] == 4
    row = of(results.excluded, batch=8).iloc[0]
    assert row.stage == "metering" and "2 of 4 windows not covered" in row.why


def test_short_windows_have_no_energy(bench, known, tabulate_runtimes):
    one = bench(known.GPU, provider="cuda", batch_sizes=(1,))
    results = tabulate_runtimes(fill(one, seconds=0.05))
    assert set(results.inferences.status) == {"unresolved"}
    assert results.inferences[["inference_j", "sample_above_idle_j"]].isna().all(axis=None)
    energy = of(results.runtimes, metric="energy per inference", domain="total").iloc[0]
    assert energy.windows == 0 and np.isnan(energy["mean"])
    assert "4 of 4 windows too short" in results.excluded.why.iloc[0]
    assert results.correlation.empty and results.comparisons.empty


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"own": 0.99, "others": 0.05}, ""),
        ({"own": 0.99, "others": None}, ""),
        ({"own": 0.98, "others": 0.2}, "other programs' CPU time was 20% of its own"),
        ({"own": 0.6}, "its thread had a CPU for 60% of the time"),
    ],
)
def test_windows_are_flagged_where_the_machine_was_not_the_sessions_own(
    bench, tabulate_runtimes, shares, words
):
    results = tabulate_runtimes(fill(bench(), **shares))
    assert set(results.inferences.flag) == {words}
    assert (results.inferences.flagged == bool(words)).all()
    # All of them: a line at the top of the page, and none of them worse than the others.
    assert set(results.runtimes.flagged) == {0}
    beside = tabulate_runtimes(fill(bench(), **shares), fill(bench(system="tensorflow")))
    by_runtime = beside.runtimes.groupby("runtime").flagged.max()
    assert by_runtime.to_dict() == {"PyTorch": 4 if words else 0, "TensorFlow": 0}


def test_the_sampler_is_no_stranger(bench, tabulate_runtimes):
    one = fill(bench(sampler={"cpu_s": 2.0, "wall_s": 10.0}), own=1.0, others=0.25)
    table = tabulate_runtimes(one).inferences
    assert table.others_share.to_numpy() == pytest.approx(0.05)
    assert not table.flagged.any()


def test_only_a_single_thread_on_the_processor_can_be_called_starved(
    bench, known, tabulate_runtimes
):
    """Several threads rest where the work has serial parts."""
    two = fill(bench(threads=2), own=1.0)
    gpu = fill(bench(known.GPU, provider="cuda"), own=0.3)
    assert not tabulate_runtimes(two, gpu).inferences.flagged.any()


def test_parity_is_told_once_and_the_worst_of_it(bench, tabulate_runtimes):
    onnx = {"pair": "onnx", "subject": "ONNX", "exporter": "an exporter", "opset": 18}
    device = {"pair": "device", "subject": "PyTorch"}
    benches = [
        fill(bench(parity=[parity(), parity(**onnx), parity(**device)])),
        fill(bench(round=2, parity=[parity(errors=(3e-7, 1e-7)), parity(**onnx)])),
        bench(
            system="tensorflow",
            excluded={"stage": "parity", "why": "too far"},
            parity=[parity(**{**onnx, "subject": "Bad"}, errors=(2e-3, None), passed=False)],
        ),
    ]
    table = tabulate_runtimes(*benches).parity.set_index(["pair", "subject"])
    assert len(table) == 4
    first = table.loc[("framework", "TensorFlow")]
    assert (first.first_batch_error, first.worst_error, first.sessions) == (3e-7, 3e-7, 2)
    assert (first.first_batch, first.last_batch) == (1, 3)
    assert table.loc[("onnx", "ONNX")][["exporter", "opset"]].tolist() == ["an exporter", 18]
    bad = table.loc[("onnx", "Bad")]
    assert (bool(bad.passed), bad.why, bad.worst_error) == (False, "too far", 2e-3)
    assert np.isnan(bad.last_batch_error)


def test_the_correlation_is_of_cells_and_of_rounds_within_them(bench, tabulate_runtimes):
    # A batch of 8 takes 8 times as long and as much, and the second round 1 % more of both.
    table = tabulate_runtimes(*campaign(bench)).correlation.set_index(["scope", "model", "batch"])
    (pooled,) = table.loc["all cells"].itertuples()
    assert (pooled.units, pooled.cells, pooled.rounds) == (6, 6, 12)
    assert pooled.rho > 0.99 and pooled.rho_low < pooled.rho <= pooled.rho_high
    assert not pooled.estimate
    (within,) = table.loc["within cells"].itertuples()
    # One difference a cell; all six have one sign.
    assert within.units == 6 and within.p == pytest.approx(2 * 0.5**6) == within.least_p
    batches = table.loc["model and batch"]
    assert len(batches) == 2 and batches.rho.isna().all()
    assert set(batches.why) == {"fewer than 5 cells"}


def test_one_round_has_no_correlation_within_cells(bench, tabulate_runtimes):
    table = tabulate_runtimes(*campaign(bench, rounds=1)).correlation.set_index("scope")
    assert np.isnan(table.rho["within cells"])
    assert table.why["within cells"] == "fewer than 5 cells with two rounds"


def test_correlation_of_an_estimate_says_so(bench, known, tabulate_runtimes):
    table = tabulate_runtimes(*campaign(bench, known.ESTIMATE, watts=10.0)).correlation
    assert table.estimate.all() and len(table) == 4


def test_tables_do_not_depend_on_the_order_of_the_sessions(bench, tabulate_runtimes):
    benches = campaign(bench)
    names = ("runtimes", "comparisons", "correlation")
    first = {name: getattr(tabulate_runtimes(*benches), name) for name in names}
    again = tabulate_runtimes(*benches[::-1])
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, getattr(again, name))


def test_sessions_of_the_other_study_are_refused(lab, tabulate_runtimes):
    other = lab().begin()
    other.window("idle", 1.0)
    with pytest.raises(SystemExit, match="no session of the study of runtimes"):
        tabulate_runtimes(other)
