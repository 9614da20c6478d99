"""Whether there is an order effect: found where one was put in, not where there is none."""

import json

import numpy as np
import pytest

import runtime_report
from analysis import order_effect
from analysis.order_effect import order_rows, order_table, words
from analysis.raw import read_session

SEEDS = range(20)


def fill(one, effect, windows=30, batches=(1, 8), seed=0):
    """Windows of two batch sizes in random order; `effect` makes one longer by its place and the
    batch before it."""
    randoms = np.random.default_rng(seed)
    one.begin(seconds=200.0)
    one.window("idle", 3.0)
    before = None
    order = [(int(b), n) for n in range(windows // 2) for b in randoms.permutation(batches)]
    for place, (batch, repetition) in enumerate(order):
        longer = 1 + randoms.normal(0, 0.002) + effect(place / (len(order) - 1), before)
        one.inference(batch, repetition, each_s=0.01 * batch * longer, seconds=2.0)
        before = batch
    return one


def none(place, before):
    return 0.0


def rising(place, before):
    return 0.05 * place


def after_large(place, before):
    return 0.03 if before == 8 else 0.0


def rows_of(one):
    return order_rows(read_session(one.write().folder), 2, 0.95)


def table_of(one):
    return order_table(rows_of(one)).set_index("metric")


@pytest.mark.parametrize("metric", order_effect.METRICS)
def test_a_drift_is_found_with_its_size(bench, metric):
    row = table_of(fill(bench(), rising)).loc[metric]
    assert row.rho > 0.9 and row.rho_p_holm < 1e-6
    assert row.slope_low < 0.05 < row.slope_high and row.slope_high - row.slope_low < 0.01
    assert (row.windows, row.cells, row.before) == (30, 2, "batch size")


def test_what_came_before_is_found(bench):
    row = table_of(fill(bench(), after_large)).loc["energy per unit"]
    assert row.before_p_holm < 0.01 and row.before_groups == 2
    assert row.rho_p_holm > 0.05


def test_without_an_effect_it_is_found_as_seldom_as_the_level_says(bench):
    found = [
        row
        for seed in SEEDS
        for row in rows_of(fill(bench(round=seed + 1), none, seed=seed))
        if row["metric"] == "energy per unit"
    ]
    assert sum(row["rho_p"] < 0.05 for row in found) <= 4
    assert sum(row["before_p"] < 0.05 for row in found) <= 4
    covered = [row["slope_low"] <= 0 <= row["slope_high"] for row in found]
    assert sum(covered) >= 16
    table = order_table(found)
    assert (table.rho_p_holm >= table.rho_p).all()
    assert words(table)[0].startswith("energy per unit: no order effect shows")


def test_cells_of_one_window_and_sessions_of_few_say_nothing(bench):
    row = table_of(fill(bench(), rising, windows=2)).loc["energy per unit"]
    assert row.windows == 0 and np.isnan([row.rho, row.slope, row.before_p]).all()
    few = table_of(fill(bench(round=2), rising, windows=4)).loc["energy per unit"]
    assert few.windows == 4 and np.isnan([few.rho, few.slope, few.before_p]).all()


def test_windows_without_an_energy_are_left_out_and_time_stays(bench, known):
    meter = (known.RAPL, known.Truth(lambda t: np.full_like(t, 50.0), 400.0), {"until": 20.0})
    table = table_of(fill(bench(meter), rising))
    assert table.loc["energy per unit"].windows < table.loc["time per unit"].windows == 30


def test_it_says_so_in_words(bench):
    rows = rows_of(fill(bench(), rising)) + rows_of(fill(bench(round=2), after_large))
    table = order_table(rows)
    energy, time = words(table)
    first, second = table.session.unique()
    assert energy.startswith("energy per unit: an order effect in ")
    assert f"{first}, rising with the position: +5" in energy or "+4.9%" in energy
    assert f"{second}, by the batch size before (p " in energy
    assert time.startswith("time per unit: an order effect in")
    assert words(order_table([])) == []


def test_phases_are_told_apart_by_the_condition_before(lab):
    one = lab(repetitions=8).begin(seconds=300.0)
    one.window("idle", 3.0)
    for number in range(8):
        for condition in ("baseline", "suppressed")[:: 1 if number % 3 else -1]:
            one.generation("T", condition, number, tokens=21, token_s=0.05 * (1 + 0.01 * number))
        one.probe("T", "prefill", number)
    row = table_of(one).loc["time per unit"]
    assert row.before == "condition or probe" and row.before_groups == 3
    assert (row.windows, row.cells) == (24, 3) and row.rho > 0.5


def test_the_report_tells(bench, tabulate_runtimes, draw_figures):
    campaign = tabulate_runtimes(fill(bench(), rising))
    draw_figures(campaign, runtime_report.FIGURES)
    (file,) = campaign.folder.glob("raw/*/session.json")
    page = runtime_report.render(campaign.folder, [json.loads(file.read_text())])
    assert "Does the order matter?" in page and "rising with the position" in page
