"""What a session measures and in which order, and outputs that it takes from another."""

import dataclasses
import itertools
import json
from collections import Counter

import pytest

from generation import agenda
from generation.agenda import AgendaError, Output, Probe
from generation.specification import PhasesSpecification, SweepSettings
from session.specification import ByWidth, parse

DOCUMENT = {
    "session": "one__humaneval-0shot__r1",
    "campaign": "test",
    "model": "one",
    "source": "init",
    "prompt": "completion",
    "entry": {"source": "init", "licence": "none"},
    "workload": "humaneval-0shot",
    "round": 1,
    "batch_size": 1,
    "dtype": "auto",
    "decoding": "greedy",
    "device": "cpu",
    "seed": 7,
    "metering": {"period_s": 0.05, "idle_s": 0, "cpu_rated_power_w": None, "wall": None},
    "threads": 1,
    "warmup_s": 0,
    "protocol": {"stable_within": None, "warmup_max_s": 0, "settle_s": 0, "cooldown": None},
    "probe": {"prompts": 3, "output_tokens": 16, "window_s": 2, "repetitions": 2},
    "tasks": "all",
    "tasks_chosen_by": None,
    "conditions": ["baseline", "suppressed"],
    "repetitions": 2,
    "max_new_tokens": 300,
    "suppression": {"unit": "line", "timeout_s": 3, "memory_mb": 1024},
    "replay": {"campaign": "earlier", "model": "other"},
}
SPEC = parse(PhasesSpecification, DOCUMENT, "test")
TASKS = [f"T/{number}" for number in range(30)]


def ordered(spec=SPEC):
    outputs = agenda.planned_outputs(spec, TASKS)
    probes = agenda.probes(TASKS[:3], [16, 64], 2)
    return outputs, probes, agenda.order_items(spec, outputs, probes)


def test_every_item_comes_once_in_an_order_of_the_seed_and_the_session():
    outputs, probes, order = ordered()
    assert Counter(order) == Counter([*outputs, *probes])
    assert len({item.name for item in order}) == len(order)
    assert ordered()[2] == order
    assert ordered(dataclasses.replace(SPEC, seed=8))[2] != order
    assert ordered(dataclasses.replace(SPEC, session="one__humaneval-0shot__r2"))[2] != order


def test_the_order_of_a_fixed_number_is_what_it_has_always_been():
    tasks = TASKS[:3]
    probes = agenda.probes(tasks[:1], [16], 2)
    order = agenda.order_items(SPEC, agenda.planned_outputs(SPEC, tasks), probes)
    assert [item.name for item in order] == [
        "T/2:suppressed:0",
        "T/2:baseline:0",
        "T/0:16:generation:0",
        "T/0:1:prefill:0",
        "T/0:suppressed:0",
        "T/0:baseline:0",
        "T/1:baseline:1",
        "T/1:suppressed:1",
        "T/2:suppressed:1",
        "T/2:baseline:1",
        "T/1:suppressed:0",
        "T/1:baseline:0",
        "T/0:16:decode:1",
        "T/0:16:decode:0",
        "T/0:1:prefill:1",
        "T/0:16:generation:1",
        "T/0:baseline:1",
        "T/0:suppressed:1",
    ]


@pytest.mark.parametrize("which", ["repetitions", "probe"])
def test_where_a_number_is_not_fixed_each_round_ends_before_the_next(which):
    width = ByWidth(within=0.02, at_least=2, at_most=4, confidence=0.95, resolve_periods=2)
    probe = dataclasses.replace(SPEC.probe, repetitions=width)
    change = {"repetitions": width} if which == "repetitions" else {"probe": probe}
    spec = dataclasses.replace(SPEC, **change)
    outputs = agenda.planned_outputs(spec, TASKS)
    probes = agenda.probes(TASKS[:3], [16], spec.probe.repetitions)
    order = agenda.order_items(spec, outputs, probes)
    assert Counter(order) == Counter([*outputs, *probes])
    numbers = [item.repetition for item in order]
    assert numbers == sorted(numbers) and max(numbers) == 3
    cells = [[i.name.rpartition(":")[0] for i in order if i.repetition == n] for n in (0, 1)]
    assert sorted(cells[0]) == sorted(cells[1]) and cells[0] != cells[1]
    blocks = [key for key, _ in itertools.groupby(order, key=lambda item: item.block)]
    assert len(blocks) == len(set(blocks))


def test_conditions_of_a_task_and_repetition_stand_together_and_neither_always_leads():
    _, _, order = ordered()
    leads = Counter()
    for first, second in itertools.pairwise(order):
        same = isinstance(first, Output) and isinstance(second, Output)
        if same and (first.task, first.repetition) == (second.task, second.repetition):
            leads[first.condition] += 1
    assert sum(leads.values()) == len(TASKS) * SPEC.repetitions
    assert min(leads.values()) > 15


def test_probes_lie_among_the_outputs():
    _, probes, order = ordered()
    places = [place for place, item in enumerate(order) if isinstance(item, Probe)]
    assert len(places) == len(probes) == 3 * 2 * 5
    assert min(places) < len(order) / 4 and max(places) > 3 * len(order) / 4


def test_a_random_sample_is_the_same_for_all_workloads_of_a_file():
    spec = dataclasses.replace(SPEC, tasks=5)
    other = dataclasses.replace(spec, session="x", workload="humaneval-cot")
    drawn = agenda.select_tasks(spec, "humaneval", TASKS)
    assert len(drawn) == 5 and drawn == sorted(drawn, key=TASKS.index)
    assert agenda.select_tasks(other, "humaneval", TASKS) == drawn
    assert agenda.select_tasks(dataclasses.replace(spec, seed=8), "humaneval", TASKS) != drawn
    assert agenda.select_tasks(dataclasses.replace(spec, tasks=99), "humaneval", TASKS) == TASKS


def test_a_task_that_is_not_there_is_named():
    with pytest.raises(AgendaError, match=r"no task 'T/77' among the 30"):
        agenda.select_tasks(dataclasses.replace(SPEC, tasks=("T/77",)), "humaneval", TASKS)


@pytest.mark.parametrize("count", [1, 2, 3, 30, 99])
def test_probed_prompts_are_spread_over_the_lengths(count):
    lengths = {task: 100 - number for number, task in enumerate(TASKS)}
    probed = agenda.probed_tasks(lengths, count)
    assert len(set(probed)) == min(count, 30)
    found = [lengths[task] for task in probed]
    assert found == sorted(found)
    # Each stands for as many prompts as any other: their mean is that of all.
    assert sum(found) / len(found) == pytest.approx(sum(lengths.values()) / 30, abs=1.01)


@pytest.mark.parametrize(
    ("sweep", "limit", "lengths"),
    [
        ({"prompt_tokens": "auto", "longest": None}, 512, [64, 128, 256]),
        ({"prompt_tokens": "auto", "longest": None}, 528, [64, 128, 256, 512]),
        ({"prompt_tokens": "auto", "longest": 200}, 8192, [64, 128]),
        ({"prompt_tokens": (300, 100), "longest": None}, 8192, [100, 300]),
    ],
)
def test_a_sweep_reaches_as_far_as_model_and_output_allow(sweep, limit, lengths):
    assert agenda.sweep_lengths(SweepSettings(**sweep, output_tokens=(4, 16)), limit) == lengths


@pytest.mark.parametrize(
    ("prompt_tokens", "words"),
    [((500,), "500 and the output are more than the 512"), ("auto", "no prompt of 64 tokens")],
)
def test_a_sweep_beyond_the_model_is_refused(prompt_tokens, words):
    sweep = SweepSettings(prompt_tokens=prompt_tokens, longest=None, output_tokens=(16, 460))
    with pytest.raises(AgendaError, match=words):
        agenda.sweep_lengths(sweep, 512)


def test_a_replay_takes_the_recorded_outputs_and_refuses_what_was_not_recorded():
    recorded = [
        Output(task, condition, repetition)
        for task in TASKS
        for condition in ("baseline", "suppressed")
        for repetition in range(3)
    ]
    spec = dataclasses.replace(SPEC, conditions=("baseline",))
    found = agenda.replayed_outputs(spec, TASKS[:2], recorded)
    assert found == [Output(task, "baseline", n) for task in TASKS[:2] for n in range(3)]
    lacking = [output for output in recorded if output != Output("T/1", "baseline", 0)]
    assert agenda.replayed_outputs(spec, ["T/1"], lacking)
    lacking = [o for o in recorded if (o.task, o.condition) != ("T/1", "baseline")]
    with pytest.raises(AgendaError, match=r"'earlier' holds no output of 'other' for T/1, base"):
        agenda.replayed_outputs(spec, TASKS[:2], lacking)


def test_names_are_json_and_differ_between_kinds():
    names = [item.name for item in ordered()[2]]
    assert json.loads(json.dumps(names)) == names
    assert not {o.name for o in ordered()[0]} & {p.name for p in ordered()[1]}


def test_stretches_meet_every_length_of_context_and_none_twice():
    reached = [(100, 50), (120, 10), (140, 60), (150, 1), (400, 16), (64, 16), (400, 300)]
    found = agenda.cover_contexts(reached)
    assert found == [(64, 16), (100, 100), (400, 300)]
    wanted = {n for prompt, output in reached for n in range(prompt, prompt + output)}
    met = [n for prompt, output in found for n in range(prompt, prompt + output)]
    assert sorted(met) == sorted(wanted)
    assert agenda.cover_contexts([]) == []
