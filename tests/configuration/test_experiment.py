"""The table of sessions that a configuration asks for, and what each session is told."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, Session, plan, validate
from configuration.experiment import (
    SWEEP,
    TASKS,
    check_unchanged,
    session_spec,
    workload_options,
)
from configuration.replay import check_recorded, replayed_session
from generation.workloads import WORKLOADS

SCHEMAS = Path(__file__).parents[2] / "config" / "schemas"
HUB = {
    "source": "hub",
    "licence": "MIT",
    "repo": "owner/name",
    "revision": "0" * 40,
    "sha256": {"model.safetensors": "0" * 64},
}


def schema(name):
    return yaml.safe_load((SCHEMAS / name).read_text())


def init(tokenizer):
    architecture = {"model_type": "llama"}
    return {
        "source": "init",
        "licence": "none",
        "tokenizer": tokenizer,
        "architecture": architecture,
    }


REGISTRY = validate(
    {"one": HUB, "two": {**HUB, "prompt": "chat"}, "drawn": init("one"), "lost": init("on"),
     "circle": init("drawn")},
    schema("models.schema.yaml"),
    "models.yaml",
)  # fmt: skip


def configured(**phases):
    phases = {"models": ["one"], **phases}
    return validate(
        {"campaign": "test", "phases": phases}, schema("config.schema.yaml"), "configuration"
    )


def refusal(**phases):
    with pytest.raises(ConfigurationError) as caught:
        plan(configured(**phases), REGISTRY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_session_for_each_model_and_round_in_the_order_of_the_lists():
    sessions = plan(configured(models=["two", "one"], rounds=2), REGISTRY)
    assert [s.name for s in sessions] == [
        "two__humaneval-0shot__r1",
        "one__humaneval-0shot__r1",
        "two__humaneval-0shot__r2",
        "one__humaneval-0shot__r2",
    ]


def test_factors_make_sessions_of_their_own():
    config = configured(
        workloads=["humaneval-0shot", "sweep"], batch_sizes=[1, 8], dtypes=["auto", "float16"]
    )
    assert [s.name for s in plan(config, REGISTRY)] == [
        "one__humaneval-0shot__r1",
        "one__humaneval-0shot_b8__r1",
        "one__sweep__r1",
        "one__sweep_b8__r1",
        "one__humaneval-0shot_float16__r1",
        "one__humaneval-0shot_b8_float16__r1",
        "one__sweep_float16__r1",
        "one__sweep_b8_float16__r1",
    ]
    sampled = configured(workloads=["humaneval-0shot", "sweep"], decoding=["greedy", "sampled"])
    assert [s.name for s in plan(sampled, REGISTRY)] == [
        "one__humaneval-0shot__r1",
        "one__humaneval-0shot_sampled__r1",
        "one__sweep__r1",
    ]


def test_a_name_parses_back():
    for session in [
        Session("a-1.5b", "humaneval-0shot", 12),
        Session("a", "b", 1),
        Session("a", "b", 1, batch=64),
        Session("a", "b", 3, dtype="bfloat16", decoding="sampled"),
        Session("a", "b", 1, batch=2, dtype="float32", decoding="sampled"),
    ]:
        assert Session.parse(session.name) == session


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a",
            "a__b",
            "a__b__1",
            "a__b__rx",
            "a__b__r0",
            "a__b__r01",
            "a__b__c__r1",
            "__b__r1",
        ),
        *("a__b_b0__r1", "a__b_int8__r1", "a__b_sampled_b8__r1", "a__b_greedy__r1"),
    ],
)
def test_another_name_names_no_session(name):
    with pytest.raises(ValueError, match="names no session"):
        Session.parse(name)


def test_an_unknown_model():
    line = refusal(models=["oen"])
    assert "phases.models (config/models.yaml): no model 'oen'" in line
    assert "did you mean 'one'?" in line and "there are: one, two, drawn" in line


def test_the_nearest_name_is_found_in_whatever_case():
    assert "did you mean 'two'?" in refusal(models=["TWO"])


def test_an_unknown_task():
    line = refusal(tasks=["HumanEval/1", "HumanEval/164"])
    assert "phases.tasks (humaneval-0shot): no task 'HumanEval/164'" in line
    assert "did you mean 'HumanEval/64'?" in line and len(line) < 400


def test_tasks_of_each_workload():
    both = {"workloads": ["humaneval-0shot", "longcode"]}
    tasks = {"humaneval-0shot": ["HumanEval/3"], "longcode": 4, "humaneval-cot": ["HumanEval/1"]}
    config = configured(**both, tasks=tasks, tasks_chosen_by="hand")
    told = [json.loads(session_spec(s, config, REGISTRY)) for s in plan(config, REGISTRY)]
    assert [t["tasks"] for t in told] == [["HumanEval/3"], 4]
    # What was drawn was not chosen.
    assert [t["tasks_chosen_by"] for t in told] == ["hand", "a random sample"]
    told_so = {
        "humaneval-0shot": {"chosen_by": "length", "ids": ["HumanEval/3"]},
        "longcode": "all",
    }
    config = configured(**both, tasks=told_so)
    told = [json.loads(session_spec(s, config, REGISTRY)) for s in plan(config, REGISTRY)]
    assert [(t["tasks"], t["tasks_chosen_by"]) for t in told] == [
        (["HumanEval/3"], "length"),
        ("all", None),
    ]
    assert "phases.tasks (longcode): no task 'HumanEval/3'" in refusal(
        **both, tasks=["HumanEval/3"]
    )
    assert "phases.tasks: no workload 'longbench'" in refusal(**both, tasks={"longbench": 3})
    assert "41 are asked for and there are 40" in refusal(**both, tasks={"longcode": 41})


def test_each_workload_has_its_own_limit_unless_one_is_given():
    def limit(workload, **phases):
        session = Session("one", workload, 1)
        return json.loads(session_spec(session, configured(**phases), REGISTRY))["max_new_tokens"]

    assert [limit(w) for w in ("humaneval-0shot", "humaneval-cot", "longbench-cu")] == [
        300,
        2000,
        10,
    ]
    assert limit("humaneval-cot", max_new_tokens=64) == 64


def test_larger_batches_are_greedy_baselines():
    config = configured(batch_sizes=[1, 4])
    told = [json.loads(session_spec(s, config, REGISTRY)) for s in plan(config, REGISTRY)]
    assert [(t["batch_size"], t["conditions"]) for t in told] == [
        (1, ["baseline", "suppressed"]),
        (4, ["baseline"]),
    ]
    assert "sampled copies" in refusal(batch_sizes=[4], decoding=["sampled"])
    assert "only the baseline" in refusal(batch_sizes=[4], conditions=["suppressed"])


def test_a_sampled_session_knows_its_settings_and_a_greedy_one_does_not():
    config = configured(decoding=["greedy", "sampled"], seeds=5)
    greedy, sampled = (
        json.loads(session_spec(s, config, REGISTRY)) for s in plan(config, REGISTRY)
    )
    assert (sampled["temperature"], sampled["top_p"], sampled["repetitions"]) == (0.1, 0.95, 5)
    assert "temperature" not in greedy and greedy["repetitions"] == 1


def test_a_sweep_generates_nothing_that_weights_could_matter_for():
    assert plan(configured(models=["drawn"], workloads=["sweep"]), REGISTRY)
    spec = json.loads(session_spec(Session("one", SWEEP, 1), configured(), REGISTRY))
    assert spec["sweep"]["output_tokens"] and not {"tasks", "conditions"} & spec.keys()


RECORDED = {"tasks": ["HumanEval/1", "HumanEval/2"], "conditions": ["baseline"]}


def test_only_what_was_recorded_is_replayed():
    def checked(recorded=RECORDED, **phases):
        config = configured(replay={"campaign": "earlier", "model": "two"}, **phases)
        check_recorded(SESSION, config["phases"], recorded)

    checked(conditions=["baseline"])
    checked(conditions=["baseline"], tasks=["HumanEval/2"])
    checked(conditions=["baseline"], tasks=["HumanEval/3"], recorded={**RECORDED, "tasks": "all"})
    with pytest.raises(ConfigurationError, match="of 'two' for HumanEval/3 "):
        checked(conditions=["baseline"], tasks=["HumanEval/2", "HumanEval/3"])
    with pytest.raises(ConfigurationError, match="under suppressed "):
        checked()


def test_prompts_that_a_model_does_not_take_are_refused():
    short = {"two": {**REGISTRY["two"], "architecture": {"max_position_embeddings": 2048}}}
    models = {**REGISTRY, **short}
    for workload, key, ok, bad in (
        ("longcode", "longcode", 2000, 2048),
        ("sweep", "sweep", [64, 1024], [64, 4096]),
    ):
        for tokens in (ok, bad):
            config = configured(
                models=["two"], workloads=[workload], **{key: {"prompt_tokens": tokens}}
            )
            if tokens == ok:
                plan(config, models)
                continue
            with pytest.raises(ConfigurationError, match="'two' takes 2048 tokens of prompt and"):
                plan(config, models)


def test_a_replay_of_another_campaign():
    replay = {"campaign": "earlier", "model": "two"}
    config = configured(models=["drawn"], replay=replay)
    (session,) = plan(config, REGISTRY)
    assert json.loads(session_spec(session, config, REGISTRY))["replay"] == replay
    assert replayed_session(session, replay).name == "two__humaneval-0shot__r1"
    factors = Session("drawn", "longcode", 3, batch=1, dtype="float16", decoding="sampled")
    assert replayed_session(factors, replay).name == "two__longcode_sampled__r1"
    assert "no model 'tow'" in refusal(replay={**replay, "model": "tow"})
    assert "is this campaign" in refusal(replay={**replay, "campaign": "test"})


def test_only_what_bears_on_a_workload_is_told():
    wide = configured(longcode={"prompt_tokens": 64}, sweep={"output_tokens": [3]}, seeds=9)
    assert session_spec(SESSION, wide, REGISTRY) == session_spec(SESSION, configured(), REGISTRY)
    long = Session("one", "longcode", 1)
    assert session_spec(long, wide, REGISTRY) != session_spec(long, configured(), REGISTRY)
    assert workload_options("humaneval", wide) == {}
    assert workload_options("longcode", wide)["seed"] == wide["seed"]


def test_random_weights_cannot_be_suppressed():
    line = refusal(models=["drawn"])
    assert "'suppressed' means nothing for 'drawn'" in line and "conditions: [baseline]" in line
    assert len(plan(configured(models=["drawn"], conditions=["baseline"]), REGISTRY)) == 1


def test_a_tokenizer_that_the_registry_lacks():
    line = refusal(models=["lost"], conditions=["baseline"])
    assert "models.lost.tokenizer: no model 'on'; did you mean 'one'?" in line


def test_a_tokenizer_of_a_model_that_has_none():
    line = refusal(models=["circle"], conditions=["baseline"])
    assert "models.circle.tokenizer: 'drawn'" in line and "no tokenizer" in line


def test_the_known_tasks_are_those_of_the_workload():
    options = {"seed": 0, "characters": 1000}
    for name in ("humaneval-0shot", "humaneval-2shot", "humaneval-cot", "longcode"):
        tasks = WORKLOADS[name].load(options)
        assert [task.task_id for task in tasks] == list(TASKS[WORKLOADS[name].file])


SESSION = Session("one", "humaneval-0shot", 1)


def test_an_equal_experiment_is_told_in_equal_words():
    plain = session_spec(SESSION, configured(), REGISTRY)
    explicit = configured(temperature=0.1, rounds=1, suppression={"timeout_s": 3})
    assert session_spec(SESSION, explicit, REGISTRY) == plain
    # More rounds or other models make other sessions; this one stays what it is.
    wider = configured(models=["two", "one"], rounds=5)
    assert session_spec(SESSION, wider, REGISTRY) == plain


@pytest.mark.parametrize(
    "change",
    [
        {"repetitions": 2},
        {"tasks": ["HumanEval/0"]},
        {"conditions": ["baseline"]},
        {"max_new_tokens": 64},
        {"probe": {"prompts": 0}},
        {"threads": 2},
        {"suppression": {"unit": "token"}},
    ],
)
def test_another_experiment_is_told_otherwise_and_refused(change):
    plain = session_spec(SESSION, configured(), REGISTRY)
    changed = session_spec(SESSION, configured(**change), REGISTRY)
    assert changed != plain
    check_unchanged(plain, json.loads(plain))
    with pytest.raises(ConfigurationError) as caught:
        check_unchanged(changed, json.loads(plain))
    line, key = str(caught.value), next(iter(change))
    assert "campaign 'test' holds one__humaneval-0shot__r1" in line
    assert f"measured with {key}: " in line and "--config campaign=NAME" in line
    assert "results/test/raw/one__humaneval-0shot__r1" in line
    assert "\n" not in line


def test_a_session_from_before_a_key_existed_is_another_experiment():
    plain = session_spec(SESSION, configured(), REGISTRY)
    older = json.loads(plain)
    del older["threads"]
    with pytest.raises(ConfigurationError, match="measured by a version that knew no threads; "):
        check_unchanged(plain, older)


def test_the_seed_and_the_device_belong_to_the_experiment():
    config = configured()
    metering = config["metering"] | {"period_s": 1.0}
    for key, value in {"seed": 1, "device": "cpu", "metering": metering}.items():
        other = copy.deepcopy(config) | {key: value}
        assert session_spec(SESSION, other, REGISTRY) != session_spec(SESSION, config, REGISTRY)
