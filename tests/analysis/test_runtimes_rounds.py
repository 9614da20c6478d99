"""The unit of the study of runtimes is the round: what few can say, and how often wrongly."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "coverage"))

import runtimes_study as study

from analysis.runtimes import wording
from analysis.runtimes.comparisons import How, comparisons_table
from analysis.runtimes.drift import with_drift
from analysis.runtimes.rounds import rounds_table
from analysis.statistics import ranks
from analysis.statistics import rounds as over_rounds

ENERGY, ABOVE_IDLE, TIME = wording.ENERGY, wording.ABOVE_IDLE, wording.TIME
ONE = {"models": ("one",), "batches": (1,)}


def campaign(rounds=3, windows=3, seed=0, **how):
    return study.inferences(np.random.default_rng(seed), rounds, windows, **ONE, **how)


def compared(table, rounds=3, margin=0.05, common=()):
    clean = rounds_table(table, common=common, clean_only=True)
    sessions = study.sessions(rounds, **ONE)
    return comparisons_table(rounds_table(table), clean, sessions, How(0.95, margin))


def of(table, first="TensorFlow", second="PyTorch", metric=ENERGY):
    chosen = (table["first"] == first) & (table.second == second) & (table.metric == metric)
    (row,) = table[chosen].to_dict("records")
    return row


def change(table, runtime, factor, where=True, flag=""):
    """The windows of a runtime (and of those, some) take so many times the energy."""
    chosen = (table.runtime == runtime) & where
    changed = table.copy()
    for name in ("energy_j", "inference_j", "inference_above_idle_j", "above_idle_j"):
        changed[name] = table[name].where(~chosen, table[name] * factor)
    changed["flags"] = table["flags"].mask(chosen, flag) if flag else table["flags"]
    return changed


def test_a_ratio_is_student_s_of_the_rounds_logarithms_paired():
    table = campaign(4, 5)
    row = of(compared(table, 4))
    means = table.groupby(["runtime", "round"]).inference_j.mean()
    logs = np.log(means["TensorFlow"]) - np.log(means["PyTorch"])
    expected = stats.ttest_1samp(logs, 0)
    low, high = expected.confidence_interval(0.95)
    assert row["p"] == pytest.approx(expected.pvalue)
    found = [row[name] for name in ("ratio", "ratio_low", "ratio_high")]
    assert found == pytest.approx(np.exp([logs.mean(), low, high]))
    assert (row["rounds"], row["freedom"], row["windows"]) == (4, 3, 40)


def test_windows_are_repeats_and_make_no_interval_narrower():
    few, many = (campaign(3, n, within=1e-6, read=1e-6) for n in (2, 20))
    rows = [of(compared(table), metric=TIME) for table in (few, many)]
    widths = [np.log(row["ratio_high"] / row["ratio_low"]) for row in rows]
    assert widths[0] == pytest.approx(widths[1], rel=1e-3)


def test_rounds_that_only_one_side_has_do_not_count():
    table = campaign(3)
    lacking = table[(table.runtime != "TensorFlow") | (table["round"] != 2)]
    assert of(compared(lacking))["rounds"] == 2
    one = table[(table.runtime != "TensorFlow") | (table["round"] == 1)]
    row = of(compared(one))
    assert row["verdict"] == wording.ONE_ROUND and "another process" in row["why"]
    assert np.isnan([row[name] for name in ("p", "p_holm", "ratio_low", "equivalence_p")]).all()
    never = table[~table["round"].isin([1]) | (table.runtime == "PyTorch")]
    never = never[~never["round"].isin([2, 3]) | (never.runtime != "PyTorch")]
    assert of(compared(never))["verdict"] == "no round has both, above zero"


def test_the_reading_of_idle_is_common_to_a_round_and_no_interval_is_narrower_than_it():
    table = campaign(2, 50, between=1e-6, within=1e-6, read=1e-6).assign(idle_power_u_w=7.5)
    rounds = rounds_table(table)
    # 7.5 W of 200 - 75, fifty windows or one.
    u = rounds.inference_above_idle_j_u / rounds.inference_above_idle_j
    assert u.to_numpy() == pytest.approx(7.5 / 125, rel=1e-3)
    row = of(compared(table, 2), metric=ABOVE_IDLE)
    share = 7.5 / 125 * np.sqrt(2) / np.sqrt(2)
    assert row["reading_u"] == pytest.approx(share, rel=1e-2)
    half = np.log(row["ratio_high"] / row["ratio_low"]) / 2
    assert half >= stats.norm.ppf(0.975) * share * 0.99 and row["verdict"] == wording.NOT_TOLD
    # The total has nothing of it.
    assert of(compared(table, 2))["verdict"] == "equivalent within 5 %"


def test_two_rounds_that_agree_by_chance_are_no_certainty():
    """A reading of 1 % must not replace what two rounds cannot tell."""
    table = campaign(2, 1, between=1e-9, within=1e-9, read=1e-9)
    table["energy_u_j"] = 0.01 * table.energy_j
    for number, factor in ((1, 1.10), (2, 1.11)):
        table = change(table, "TensorFlow", factor, table["round"] == number)
    row = of(compared(table, 2))
    expected = stats.ttest_1samp(np.log([1.10, 1.11]), 0).pvalue
    assert expected > 0.02 and row["p"] == pytest.approx(expected, rel=1e-3)


def test_equivalence_is_shown_and_not_taken_from_a_large_p():
    close = compared(campaign(6, 3, between=0.005, within=0.005))
    row = of(close, metric=TIME)
    assert row["verdict"].startswith("equivalent within 5 %")
    assert row["equivalence_p"] <= row["equivalence_p_holm"] < 0.05
    tight = of(compared(campaign(6, 3, between=0.005, within=0.005), margin=0.001), metric=TIME)
    assert tight["verdict"] == wording.NOT_TOLD
    wide = of(compared(campaign(3, 3)), metric=TIME)
    assert wide["p_holm"] > 0.05 and wide["verdict"] == wording.NOT_TOLD


def test_a_difference_within_the_margin_is_both():
    table = change(campaign(6, 3, between=1e-3, within=1e-3), "TensorFlow", 1.02)
    assert of(compared(table, 6))["verdict"] == "uses 2 % more energy, equivalent within 5 %"


def test_energy_above_idle_near_zero_is_a_difference_and_no_ratio():
    table = campaign(4)
    near = np.random.default_rng(1).normal(0, 1e-3, len(table))
    nothing = table.runtime == "PyTorch"
    table["inference_above_idle_j"] = table.inference_above_idle_j.mask(nothing, near)
    row = of(compared(table, 4), metric=ABOVE_IDLE)
    assert np.isnan(row["ratio"]) and np.isnan(row["equivalence_p"])
    assert row["difference_low"] < 1.25 < row["difference_high"] and row["p"] < 0.05
    assert " J more energy above idle" in wording.verdict(row | {"p_holm": row["p"]})
    # Those of two others are as before.
    assert of(compared(table, 4), first="MXNet", second="TensorFlow")["ratio"] > 0


def test_total_and_above_idle_that_disagree_are_said_in_the_row():
    table = campaign(3, between=0.002, within=0.002)
    slow = table.runtime == "TensorFlow"
    for name, factor in (
        ("inference_j", 1.25),
        ("energy_j", 1.25),
        ("inference_above_idle_j", 0.8),
    ):
        table[name] = table[name].mask(slow, table[name] * factor)
    made = compared(table)
    said = of(made)["opposite"]
    assert said == "opposite: 1.25 in total, 0.797 above idle; both are told apart"
    assert of(made, metric=ABOVE_IDLE)["opposite"] == said and not of(made, metric=TIME)["opposite"]
    wide = campaign(2)
    one = of(compared(wide, 2))
    assert not one["opposite"] or one["opposite"].endswith("neither is told apart")


def test_a_conclusion_that_hangs_on_flagged_windows_says_so():
    table = campaign(3, 4, between=0.003, within=0.003)
    third = table.groupby(["runtime", "round"]).cumcount() == 0
    hot = change(table, "TensorFlow", 2.0, third, flag="throttled")
    row = of(compared(hot))
    assert row["verdict"].endswith("more energy")
    assert (row["flagged"], row["windows"]) == (3, 24)
    assert row["flags_words"].startswith("not so without the 3 of 24 flagged windows: ")
    assert row["clean_ratio"] == pytest.approx(1, abs=0.02) and row["ratio"] > 1.2
    # The same flag, and nothing hangs on it.
    row = of(compared(change(table, "TensorFlow", 1.0, third, flag="throttled")))
    assert row["flagged"] == 3 and not row["flags_words"]
    # A flag that nearly all carry leaves none out; an unstable idle says nothing of the total.
    assert of(compared(hot, common=["throttled"]))["flagged"] == 0
    idle = compared(change(table, "TensorFlow", 1.0, third, flag="idle unstable"))
    assert (of(idle)["flagged"], of(idle, metric=ABOVE_IDLE)["flagged"]) == (0, 3)


def test_what_rests_on_flagged_windows_only_says_so():
    table = campaign(3, 3, between=0.003, within=0.003)
    every = change(table, "TensorFlow", 1.5, flag="throttled")
    every = change(every, "PyTorch", 1.0, flag="throttled")
    assert of(compared(every))["flags_words"] == "rests on flagged windows only"


def test_order_effects_stand_beside_the_comparisons_of_their_sessions():
    table = campaign(2)
    session = "one__TensorFlow__r1"
    order = pd.DataFrame(
        {
            "session": [session, session, "one__MXNet__r1"],
            "metric": ["energy per unit", "time per unit", "energy per unit"],
            "slope": [-0.23, 0.01, 0.5],
            "p_holm": [0.001, 0.4, 0.9],
        }
    )
    made = with_drift(compared(table, 2), order, table, 0.05)
    for metric in (ENERGY, ABOVE_IDLE):
        assert of(made, metric=metric)["order_words"].endswith(f"{session} -23.0%")
    assert not of(made, metric=TIME)["order_words"]
    assert not of(made, first="MXNet")["order_words"]
    # What all sessions have in common touches every row.
    common = order.assign(session="all sessions", p_holm=[0.001, 0.4, 0.9])
    everywhere = with_drift(compared(table, 2), common, table, 0.05)
    assert of(everywhere, first="MXNet")["order_words"].endswith("all sessions -23.0%")


def test_percentages_are_said_from_the_full_value():
    row = {"metric": ENERGY, "reason": "", "confidence": 0.95, "p_holm": 0.01, "unit": "J"}
    row |= {"equivalence_p_holm": 1.0, "margin": 0.05, "why": "", "rounds": 3}
    said = {
        0.7954: "20 % less",
        1.02746: "2.7 % more",
        0.9214: "7.9 % less",
        2.345: "2.35 times the",
    }
    for ratio, amount in said.items():
        assert wording.verdict(row | {"ratio": ratio}) == f"uses {amount} energy"


@pytest.mark.parametrize(("rounds", "windows"), [(3, 3), (6, 6)])
def test_of_runtimes_that_take_the_same_few_are_told_apart(rounds, windows):
    """Five in a hundred families, of campaigns whose sessions and windows differ by 5 %."""
    false, tests, families, held = 0, [], 0, []
    for seed in range(12):
        made = compared(campaign(rounds, windows, seed), rounds)
        family = made[made.reason == ""].groupby(["question", "metric"]).p_holm.min()
        false, families = false + int((family < 0.05).sum()), families + len(family)
        tests += list(made.p.dropna())
        held += list((made.ratio_low <= 1) & (made.ratio_high >= 1))
    assert families == 72 and false <= 8
    assert np.mean(held) > 0.9 and np.mean(np.array(tests) < 0.05) < 0.1


def test_of_runtimes_that_differ_nearly_all_are_told_apart():
    made = compared(campaign(6, 3, ratio=0.7), 6)
    assert (made[(made.question == "RQ2")].p_holm < 0.05).all()


def test_on_disk_runtimes_that_take_the_same_are_not_told_apart(bench, tabulate_runtimes):
    """The same through the program, which took windows for independent: 29 of 240 comparisons."""
    randoms = np.random.default_rng(5)
    sessions = []
    for number in (1, 2, 3):
        for system, origin in (("pytorch", None), ("tensorflow", None), ("mxnet", None)):
            one = bench(system=system, origin=origin, round=number, batch_sizes=(1,))
            one.repetitions = 3
            one.begin(seconds=60)
            one.window("idle", 2)
            each_s = 0.01 * np.exp(randoms.normal(0, 0.05))
            for repetition in range(3):
                took_s = each_s * np.exp(randoms.normal(0, 0.05))
                one.inference(1, repetition, each_s=took_s, seconds=4)
            sessions.append(one)
    made = tabulate_runtimes(*sessions).comparisons
    energy = made[made.metric == ENERGY]
    assert set(energy.rounds) == {3} and set(energy.family) == {f"RQ1, {ENERGY}: 3 tests"}
    assert (energy.p_holm > 0.05).all() and (energy.verdict == wording.NOT_TOLD).all()
    assert ((energy.ratio_low < 1) & (energy.ratio_high > 1)).all()


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(0).uniform(0, 0.2, 24)
    assert ranks.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert np.isnan(ranks.holm(np.array([np.nan, 0.01]))).tolist() == [True, False]


def test_few_cells_in_one_order_are_no_certainty():
    order = np.arange(5.0)
    rho, low, high, p = ranks.correlation(order, order, confidence=0.95)
    # Two of all 120 orders are as extreme.
    assert (rho, high) == pytest.approx((1, 1)) and low < 0.5 and p == pytest.approx(2 / 120)


def test_cells_of_which_some_vary_more_do_not_correlate_by_it():
    """Pooled pairs took what some cells vary by more, in both, for a correlation: one case in
    eight."""
    randoms = np.random.default_rng(0)
    cells = np.repeat(np.arange(12), 2)
    false = 0
    for _ in range(60):
        size = np.exp(randoms.normal(0, 1.5, 12))[cells]
        pair = (size * randoms.normal(size=24) for _ in range(2))
        false += ranks.correlation_within(*pair, cells, confidence=0.95)[3] < 0.05
    assert false <= 7
    same = randoms.normal(size=24)
    rho, low, high, p = ranks.correlation_within(
        same, same + 0.1 * randoms.normal(size=24), cells, confidence=0.95
    )
    assert rho > 0.9 and 0 < low < rho < high < 1 and p < 0.01


def test_the_intraclass_correlation_is_that_of_the_windows_or_of_their_sums():
    randoms = np.random.default_rng(0)
    of_round = np.repeat(np.arange(400), 5)
    values = randoms.normal(size=400)[of_round] + 2 * randoms.normal(size=2000)
    found = over_rounds.intraclass(values, of_round)
    assert found == pytest.approx(1 / 5, abs=0.06)
    groups = pd.Series(values).groupby(of_round)
    sums = (each.to_numpy() for each in (groups.size(), groups.mean(), groups.var()))
    assert over_rounds.intraclass_of(*sums) == pytest.approx(found)
