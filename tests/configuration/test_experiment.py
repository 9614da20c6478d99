"""The table of sessions that a configuration asks for, and what each session is told."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, Session, plan, validated
from configuration.experiment import TASKS, check_unchanged, session_spec
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


REGISTRY = validated(
    {"one": HUB, "two": {**HUB, "prompt": "chat"}, "drawn": init("one"), "lost": init("on"),
     "circle": init("drawn")},
    schema("models.schema.yaml"),
    "models.yaml",
)  # fmt: skip


def configured(**phases):
    phases = {"models": ["one"], **phases}
    return validated(
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


def test_a_name_parses_back():
    for session in [Session("a-1.5b", "humaneval-0shot", 12), Session("a", "b", 1)]:
        assert Session.parse(session.name) == session


@pytest.mark.parametrize(
    "name",
    ["", "a", "a__b", "a__b__1", "a__b__rx", "a__b__r0", "a__b__r01", "a__b__c__r1", "__b__r1"],
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
    for workload, tasks in TASKS.items():
        assert [task.task_id for task in WORKLOADS[workload].load()] == list(tasks)


SESSION = Session("one", "humaneval-0shot", 1)


def test_an_equal_experiment_is_told_in_equal_words():
    plain = session_spec(SESSION, configured(), REGISTRY)
    explicit = configured(temperature=0.0, top_p=1, rounds=1, suppression={"timeout_s": 3})
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
        {"temperature": 0.5},
        {"dtype": "float32"},
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
    with pytest.raises(ConfigurationError, match="measured with threads: None"):
        check_unchanged(plain, older)


def test_the_seed_and_the_device_belong_to_the_experiment():
    config = configured()
    for key, value in {"seed": 1, "device": "cpu", "metering": {"period_s": 1.0}}.items():
        other = copy.deepcopy(config) | {key: value}
        assert session_spec(SESSION, other, REGISTRY) != session_spec(SESSION, config, REGISTRY)
