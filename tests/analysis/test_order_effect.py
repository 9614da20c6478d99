"""Whether there is an order effect: found where one was put in, not where there is none."""

import json

import numpy as np
import pytest
from scipy import stats

from analysis.energy.raw import read_session
from analysis.figures import on_page
from analysis.pages.runtimes import render
from analysis.quality import order_effect
from analysis.quality.order_effect import describe_drifts, order_lines, order_rows, order_table
from analysis.statistics.trends import course, trend

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
    assert row.p_holm < 1e-6
    assert row.slope_low < 0.05 < row.slope_high and row.slope_high - row.slope_low < 0.015
    assert (row.windows, row.cells, row.before) == (30, 2, "batch size")


def test_what_came_before_is_found(bench):
    row = table_of(fill(bench(), after_large)).loc["energy per unit"]
    assert row.before_p_holm < 0.01 and row.before_groups == 2
    assert row.p_holm > 0.05


def test_without_an_effect_it_is_found_as_seldom_as_the_level_says(bench):
    found = [
        row
        for seed in SEEDS
        for row in rows_of(fill(bench(round=seed + 1), none, seed=seed))
        if row["metric"] == "energy per unit"
    ]
    assert sum(row["p"] < 0.05 for row in found) <= 4
    assert sum(row["before_p"] < 0.05 for row in found) <= 4
    covered = [row["slope_low"] <= 0 <= row["slope_high"] for row in found]
    assert sum(covered) >= 16
    table = order_table(found)
    assert (table.p_holm >= table.p).all()
    assert table.family.iloc[0] == f"energy per unit, drift: {len(SEEDS) + 1} tests"
    assert order_lines(table)[0].startswith("energy per unit: no order effect is told")


def test_neighbours_that_are_alike_are_no_drift():
    """Serial correlation made a third of all sessions drift, by a test that took windows for
    independent ones."""
    randoms = np.random.default_rng(0)
    found, plain = 0, 0
    for _ in range(200):
        noise = [0.0]
        for step in randoms.normal(size=47):
            noise.append(0.7 * noise[-1] + step)
        cells = np.arange(48) % 4
        made = course(np.exp(0.02 * np.array(noise)), cells, np.arange(48))
        found += trend(made, confidence=0.95)[0].p < 0.05
        plain += stats.linregress(made.x, made.y).pvalue < 0.05
    assert found <= 20 and plain > 50


def test_a_session_that_is_too_short_alone_tells_with_others(bench):
    rows = [
        row
        for number in range(1, 7)
        for row in rows_of(fill(bench(round=number), rising, windows=6, seed=number))
    ]
    table = order_table(rows)
    alone = table[table.session != order_effect.ALL]
    assert alone.p.isna().all() and set(alone.why) == {"too few repeated windows"}
    together = table[(table.session == order_effect.ALL) & (table.metric == "energy per unit")]
    assert together.p_holm.iloc[0] < 0.01
    assert together.slope_low.iloc[0] < 0.05 < together.slope_high.iloc[0]


def test_cells_of_one_window_say_nothing(bench):
    row = table_of(fill(bench(), rising, windows=2)).loc["energy per unit"]
    assert row.windows == 0 and np.isnan([row.p, row.slope, row.before_p]).all()
    assert order_lines(order_table(rows_of(fill(bench(round=2), rising, windows=2))))[0].endswith(
        "to tell"
    )


def test_windows_without_an_energy_are_left_out_and_time_stays(bench, known):
    meter = (known.RAPL, known.Truth(lambda t: np.full_like(t, 50.0), 400.0), {"until": 20.0})
    table = table_of(fill(bench(meter), rising))
    assert table.loc["energy per unit"].windows < table.loc["time per unit"].windows == 30


def test_it_says_so_in_words(bench):
    rows = rows_of(fill(bench(), rising)) + rows_of(fill(bench(round=2), after_large))
    table = order_table(rows)
    energy, time = order_lines(table)
    first, second = table.session.unique()
    assert energy.startswith("energy per unit: an order effect in ")
    assert f"{first}, rising with the position: +" in energy
    assert f"{second}, by the batch size before (p " in energy
    assert time.startswith("time per unit: an order effect in")
    assert describe_drifts(table)[first].startswith("drift over the session: energy per unit +5")
    assert second not in describe_drifts(table)
    assert order_lines(order_table([])) == []


def test_phases_are_told_apart_by_the_condition_before(lab):
    one = lab(repetitions=8).begin(seconds=300.0)
    one.window("idle", 3.0)
    randoms = np.random.default_rng(1)
    for number in range(8):
        for condition in ("baseline", "suppressed")[:: 1 if number % 3 else -1]:
            slower = 1 + 0.01 * number + 0.002 * randoms.normal()
            one.generation("T", condition, number, tokens=21, token_s=0.05 * slower)
        one.probe("T", "prefill", number)
    row = table_of(one).loc["time per unit"]
    assert row.before == "condition or probe" and row.before_groups == 3
    assert (row.windows, row.cells) == (24, 3) and row.slope > 0.02


def test_the_report_tells(bench, tabulate_runtimes, draw_figures):
    campaign = tabulate_runtimes(fill(bench(), rising))
    draw_figures(campaign, on_page("runtimes"))
    (file,) = campaign.folder.glob("raw/*/session.json")
    page = render(campaign.folder, [json.loads(file.read_text())])
    assert "Does the order matter?" in page and "rising with the position" in page
