"""Summaries and savings, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.phases.savings import pairs_table
from analysis.phases.savings import savings_table as table_of_savings
from analysis.phases.summary import summary_table

LEVEL = {"confidence": 0.95}


def savings_table(pairs):
    return table_of_savings(pairs, margin=0.05, **LEVEL)


def generation(task, condition="baseline", repetition=0, model="m", **numbers):
    row = {
        "session": f"{model}-1",
        "model": model,
        "workload": "w",
        "round": 1,
        "task": task,
        "condition": condition,
        "repetition": repetition,
        "meter": "A Meter",
        "chosen": False,
        "chosen_by": None,
        "prompt_tokens": 30,
        "flags": "",
        "total_u_j": 0.1,
        "idle_u_j": 0.1,
        "prefill_u_j": 0.1,
        "decode_u_j": 0.1,
        "check_u_j": 0.0,
        "babble_u_j": 0.1,
        "decode_status": "ok",
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
    table = summary_table(pd.DataFrame(rows), **LEVEL)
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
    assert (row.rounds, row.tasks, row.generations) == (1, 2, 2)
    # Of one process: no interval, and it says so.
    assert np.isnan(row.low) and row.why.startswith("one round")
    # Each is read to 0.1 J.
    assert row.reading_u == pytest.approx(0.1 / 2**0.5)


def test_what_a_process_adds_needs_rounds_and_what_cancels_does_not():
    tokens = {"a": 10, "b": 20, "c": 41}
    one = [
        generation(task, total_j=10.0 * n + k, prefill_j=1.0 * n, output_tokens=n)
        for k, (task, n) in enumerate(tokens.items())
    ]
    two = [{**row, "round": 2, "total_j": 1.2 * row["total_j"]} for row in one]
    first, both = summary(*one), summary(*one, *two)
    for metric in ("energy per generation", "energy per decoded token", "duration"):
        assert np.isnan(first.low["m", "w", "baseline", metric]), metric
    assert first.sampled["m", "w", "baseline", "prefill share"] == "prompts within one round"
    assert first.sampled["m", "w", "baseline", "output tokens"] == "prompts"
    row = both.loc["m", "w", "baseline", "energy per generation"]
    assert (row.sampled, row.rounds, row.tasks) == ("rounds and prompts", 2, 3)
    # Two rounds that differ by a fifth have one degree of freedom between them.
    assert row.low < row.value / 3 and row.high > 3 * row.value
    # Rounds of the same prompts repeat their tokens.
    for edge in ("low", "high"):
        same = [t.loc["m", "w", "baseline", "output tokens"][edge] for t in (first, both)]
        assert same[0] == pytest.approx(same[1])


def test_the_share_above_idle_has_the_uncertainty_of_idle():
    few = summary(*[generation(t, above_idle_j=3.0, idle_u_j=1.6) for t in "abcd"])
    row = few.loc["m", "w", "baseline", "share of energy above idle"]
    # All windows share it: a mean over them makes it no smaller.
    assert row.value == pytest.approx(0.03) and row.reading_u == pytest.approx(0.016, rel=0.02)
    assert row.low == pytest.approx(0.03 - 1.96 * 0.016, abs=1e-3) and row.low < 0 < row.high
    lone = summary(*[generation(t, above_idle_j=3.0, idle_u_j=np.nan) for t in "abcd"])
    assert np.isnan(lone.low["m", "w", "baseline", "share of energy above idle"])


def test_energies_that_the_meter_does_not_resolve_are_in_no_mean():
    table = summary(
        generation("a", total_j=50.0),
        generation("b", total_j=1e6, above_idle_j=1e6, total_status="unresolved"),
        generation("c", total_j=70.0, prefill_j=1e6, prefill_status="unresolved"),
        generation("d", total_j=60.0, decode_j=1e6, decode_status="unresolved"),
    )
    assert value(table, "energy per generation") == 60
    assert value(table, "energy per generation above idle") == 50
    assert value(table, "prefill energy") == 10 and value(table, "decoding energy") == 90
    assert value(table, "output tokens") == 10


def test_flagged_generations_are_counted_and_left_out_beside():
    table = summary(generation("a"), generation("b", total_j=300.0, flags="throttled"))
    row = table.loc["m", "w", "baseline", "energy per generation"]
    assert (row.value, row.flagged, row.value_without_flagged) == (200, 1, 100)


def test_passes_have_the_exact_binomial_and_no_round_makes_more_of_them():
    rows = [generation(f"t{n}", passed=n > 0) for n in range(12)]
    for table in (summary(*rows), summary(*rows, *[{**row, "round": 2} for row in rows])):
        row = table.loc["m", "w", "baseline", "pass@1"]
        assert row.value == pytest.approx(11 / 12)
        assert (row.low, row.high) == pytest.approx((0.61520, 0.99789), abs=1e-4)


def test_chosen_tasks_are_no_sample():
    rows = [generation(t, chosen=True, chosen_by="outcome") for t in "abcde"]
    row = summary(*rows).loc["m", "w", "baseline", "passing share of the chosen tasks"]
    assert np.isnan(row.low) and "chosen" in row.why


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
    ).set_index("scope")
    row = table.loc["all tasks"]
    assert (row.tasks, row.pairs) == (2, 2)
    assert (row.baseline_j, row.suppressed_j, row.check_j) == (400, 230, 50)
    assert row.saved_share == pytest.approx(1 - 230 / 400)
    assert row.saved_share_without_checks == pytest.approx(1 - 180 / 400)
    assert np.isnan(row.saved_share_low) and row.why == "fewer than 5 prompts"
    assert row.saved_tokens_share == pytest.approx(1 - 20 / 40)
    assert row.saved_time_share == pytest.approx(1 - 2 / 4)
    # Ranks: 180 saved is 2, 10 lost is 1.
    assert row.rank_biserial == pytest.approx(1 / 3)
    assert (row.p, row.least_p, row.verdict) == (1, 0.5, "cannot reject")
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
    ).set_index(["model", "scope"])
    assert table.loc[("m", "all tasks"), ["tasks", "pairs"]].tolist() == [1, 2]
    assert table.saved_share["m", "all tasks"] == pytest.approx(0.5)
    assert table.saved_share["n", "all tasks"] == pytest.approx(0.9)


def test_without_pairs_there_are_no_savings():
    assert savings_table(pairs(generation("a"))).empty


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


def saving(number, **suppressed):
    return [
        row
        for n in range(number)
        for row in (
            generation(f"t{n}", total_j=100.0 + n, output_tokens=20 + n),
            generation(f"t{n}", "suppressed", **{"total_j": 40.0 + 2 * n, **suppressed}),
        )
    ]


def test_a_saving_is_tested_over_tasks_and_few_cannot_reject():
    few, many = (savings_table(pairs(*saving(n))).iloc[0] for n in (5, 8))
    assert few.p == few.least_p == 0.0625 and few.verdict == "cannot reject"
    assert many.p == 2 / 2**8 and many.verdict == "saves" and many.rank_biserial == 1
    assert many.family == "does suppression save energy: 1 tests"
    assert many.saved_share_low < many.saved_share < many.saved_share_high
    assert many.sampled == "prompts within one round"
    # Rounds repeat the tasks: they make no more of them.
    twice = [{**row, "round": k, "session": f"s{k}"} for k in (1, 2) for row in saving(8)]
    both = savings_table(pairs(*twice)).iloc[0]
    assert (both.p, both.rounds, both.tasks, both.pairs) == (many.p, 2, 8, 16)


def test_p_are_adjusted_over_the_workloads_of_one_question():
    rows = saving(8) + [{**row, "workload": "v"} for row in saving(8)]
    table = savings_table(pairs(*rows)).set_index(["workload", "scope"]).loc[:, "all tasks", :]
    assert (table.p_holm == 2 * table.p).all()
    assert set(table.family) == {"does suppression save energy: 2 tests"}


def test_unresolved_pairs_are_in_no_saving_and_are_counted():
    rows = saving(8)
    rows[1] |= {"total_status": "unresolved", "total_j": 1e9}
    row = savings_table(pairs(*rows)).iloc[0]
    assert (row.tasks, row.unresolved) == (7, 1) and row.saved_share > 0.4


def test_a_saving_that_hangs_on_flagged_pairs_says_so():
    rows = saving(8)
    for row in rows[:8]:
        row["flags"] = "throttled"
    row = savings_table(pairs(*rows)).iloc[0]
    assert (row.verdict, row.flagged) == ("saves", 4)
    assert "without the 4 of 8 flagged windows" in row.hangs
    assert savings_table(pairs(*saving(8))).hangs.iloc[0] == ""


def test_no_loss_is_said_of_many_tasks_only():
    few, many = (savings_table(pairs(*saving(n))).iloc[0] for n in (8, 80))
    assert few.no_loss == "a loss of 5% of the tasks is not excluded"
    assert many.no_loss == "no loss of 5% of the tasks or more" and many.worse_tasks == 0
    lost = savings_table(pairs(*saving(80, passed=False))).iloc[0]
    assert lost.no_loss.startswith("a loss") and lost.passes_p < 1e-6
    assert lost.passes_verdict == "change"
