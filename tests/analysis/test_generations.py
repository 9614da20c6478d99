"""Generations: energies per phase and token by their definitions, checks, and babbling."""

import numpy as np
import pandas as pd
import pytest

from analysis.phases.generations import closure, token_energy_table


def row_of(generations, name):
    return generations.set_index("generation").loc[name]


def test_energies_per_token_by_hand(lab, analyse):
    # 100 W: 2 s of prefill are 200 J; 40 more tokens of 0.1 s are 400 J.
    one = lab().begin()
    one.window("idle", 5)
    name = one.generation("T/0", tokens=41, prefill_s=2.0, token_s=0.1)
    row = row_of(analyse(one)[2], name)
    assert (row.output_tokens, row.prompt_tokens) == (41, 30)
    assert row.prefill_s == pytest.approx(2.0)
    assert row.prefill_j == pytest.approx(200, rel=0.02)
    assert row.decode_j == pytest.approx(400, rel=0.02)
    assert row.total_j == pytest.approx(600, rel=0.02)
    # The prefill includes the first token.
    assert row.token_j == pytest.approx(600 / 41, rel=0.02)
    assert row.decoded_token_j == pytest.approx(400 / 40, rel=0.02)
    assert row.decoded_token_j == (row.total_j - row.prefill_j) / 40
    assert (row.check_j, row.checks, row.looks) == (0, 0, 0)


def test_checks_are_charged_in_total_and_not_in_decoding(lab, analyse):
    looks = [
        (5, 0.5, "does not compile"),
        (10, 1.0, "failed: "),
        (15, 0.5, "unchanged"),
        (21, 1.0, "passed"),
    ]
    one = lab().begin()
    one.window("idle", 5)
    plain = one.generation("T/0", prefill_s=1.0, token_s=0.1)
    checked = one.generation("T/0", "suppressed", prefill_s=1.0, token_s=0.1, looks=looks)
    _, _, generations = analyse(one)
    plain, checked = row_of(generations, plain), row_of(generations, checked)
    # What only looked costs, too.
    assert checked.check_s == pytest.approx(3.0)
    assert checked.check_j == pytest.approx(300, rel=0.03)
    assert checked.decode_s == pytest.approx(plain.decode_s)
    assert checked.decode_j == pytest.approx(plain.decode_j, rel=0.05)
    assert checked.decoded_token_j == pytest.approx(10, rel=0.05)
    assert checked.total_j == pytest.approx(plain.total_j + 300, rel=0.03)
    assert (checked.checks, checked.looks) == (2, 4)


@pytest.mark.parametrize("truth", ["step", "sawtooth"], indirect=True)
def test_phases_close_against_the_whole(lab, known, analyse, meter, truth):
    one = lab((meter[0], truth, meter[1])).begin()
    one.window("idle", 5)
    looks = [(3, 0.01, "failed: "), (4, 0.02, "unchanged"), (9, 0.013, "passed")]
    for task in range(8):
        one.generation(f"T/{task}", prefill_s=0.03 * (task + 1))
        one.generation(f"T/{task}", "suppressed", tokens=9, looks=looks)
    _, _, generations = analyse(one)
    assert generations.total_j.notna().all()
    assert closure(generations).abs().max() < 1e-9


def test_one_token_decodes_nothing(lab, analyse):
    one = lab().begin()
    one.window("idle", 5)
    name = one.generation("T/0", tokens=1, stop="end", prefill_s=1.0, passed=False)
    row = row_of(analyse(one)[2], name)
    assert np.isnan(row.decoded_token_j)
    assert row.token_j == pytest.approx(row.total_j) == pytest.approx(100, rel=0.05)
    assert row.babble_tokens == 0


@pytest.mark.parametrize(
    ("stop", "answer", "babble"),
    [("length", 10, 11), ("end", 10, 10), ("end", 21, 0), ("end", 20, 0), ("length", None, 0)],
)
def test_what_comes_behind_the_answer_is_babbling_but_not_its_end(
    lab, analyse, stop, answer, babble
):
    one = lab().begin()
    one.window("idle", 5)
    name = one.generation("T/0", tokens=21, stop=stop, answer=answer, token_s=0.2)
    row = row_of(analyse(one)[2], name)
    assert row.babble_tokens == babble
    assert pd.isna(row.answer_tokens) if answer is None else row.answer_tokens == answer
    expected_j = 100 * 0.2 * (21 - answer) if babble else 0
    assert row.babble_j == pytest.approx(expected_j, abs=2)


def test_repetitions_and_conditions_are_rows_of_their_own(lab, analyse):
    one = lab(repetitions=3).begin()
    one.window("idle", 5)
    for repetition in range(3):
        one.generation("T/0", repetition=repetition)
        one.generation("T/0", "suppressed", repetition, looks=[(21, 0.1, "passed")])
    _, _, generations = analyse(one)
    assert len(generations) == 6
    assert sorted(generations.repetition) == [0, 0, 1, 1, 2, 2]
    assert (generations.groupby("condition").check_j.sum() > 0).to_dict() == {
        "baseline": False,
        "suppressed": True,
    }


@pytest.mark.parametrize(("tasks", "chosen"), [("all", False), (["T/0"], True)])
def test_chosen_tasks_are_called_so(lab, analyse, tasks, chosen):
    one = lab(tasks=tasks).begin()
    one.generation("T/0")
    assert analyse(one)[2].chosen.tolist() == [chosen]


def test_energy_along_the_output(lab, known, analyse):
    one = lab((known.GPU, known.Truth(lambda t: 100 + 10 * t), {})).begin()
    name = one.generation("T/0", tokens=49, token_s=0.2)
    one.generation("T/0", "suppressed", tokens=49)
    one.generation("T/1", tokens=16)
    session, _, generations = analyse(one)
    table = token_energy_table(session)
    assert set(table.generation) == {name}
    assert table.position.tolist() == [1, 17, 33]
    assert table.tokens.tolist() == [16, 16, 16]
    # All tokens but the first are decoded: 48 of 48.
    assert table.joules.sum() == pytest.approx(row_of(generations, name).decode_j, rel=0.01)
    assert table.joules.is_monotonic_increasing


def test_energy_along_short_outputs_is_an_empty_table(lab, analyse):
    one = lab().begin()
    one.generation("T/0", tokens=5)
    session, _, _ = analyse(one)
    table = token_energy_table(session)
    assert table.empty
    assert {"generation", "position", "tokens", "joules"} <= set(table.columns)
