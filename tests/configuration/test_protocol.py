"""The protocol of a session, and repetitions that are not a fixed number."""

import json
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, Session, plan, validate
from configuration.experiment import check_unchanged, session_spec
from configuration.runtimes import RuntimeSession, plan_runtimes, runtime_spec
from runtimes.base import load_backend

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "config/schemas/config.schema.yaml").read_text())
MODELS = {
    "one": {"source": "hub", "repo": "o/one", "prompt": "completion", "task": "text-generation"},
    "net": {
        "source": "init",
        "task": "image-classification",
        "architecture": {"model_type": "resnet"},
    },
}
BACKENDS = {"pytorch": load_backend("pytorch")}


def configured(**settings):
    settings.setdefault("runtimes", {})
    settings["runtimes"] |= {"models": ["net"], "systems": ["pytorch"], "onnx_from": []}
    settings.setdefault("phases", {})
    settings["phases"] |= {"models": ["one"]}
    return validate(settings, SCHEMA, "configuration")


def specs(config):
    """What a session of each study is told."""
    phases = session_spec(Session("one", "humaneval-0shot", 1), config, MODELS)
    session = RuntimeSession("net", "pytorch", None, "cpu", 1)
    return [phases, runtime_spec(session, config, MODELS, BACKENDS)]


def test_defaults():
    assert configured()["protocol"] == {
        "stable_within": 0.02,
        "warmup_max_s": 60,
        "settle_s": 2,
        "cooldown": None,
    }
    cooldown = configured(protocol={"cooldown": {}})["protocol"]["cooldown"]
    assert cooldown == {"within_c": 3, "max_s": 120}


@pytest.mark.parametrize("study", ["runtimes", "phases"])
def test_a_width_has_defaults_and_a_number_stays_a_number(study):
    width = {"within": 0.02, "at_least": 3, "at_most": 30}
    for written, read in [
        ({}, width),
        ({"within": "0.05"}, width | {"within": 0.05}),
        ({"at_most": 7.0}, width | {"at_most": 7}),
        (4, 4),
        ("4", 4),
    ]:
        assert configured(**{study: {"repetitions": written}})[study]["repetitions"] == read
    probe = configured(phases={"probe": {"repetitions": {"at_least": 2}}})["phases"]["probe"]
    assert probe["repetitions"] == width | {"at_least": 2}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"runtimes": {"repetitions": {"within": 0}}}, "runtimes.repetitions.within: 0.0 must be"),
        ({"phases": {"repetitions": {"at_least": 1}}}, "phases.repetitions.at_least: 1 must be at"),
        ({"phases": {"repetitions": {"width": 1}}}, "unknown key 'phases.repetitions.width'"),
        ({"phases": {"repetitions": 0}}, "phases.repetitions: 0 must be at least 1"),
        ({"protocol": {"cooldown": 3}}, "protocol.cooldown: 3 is not a mapping or null"),
        ({"protocol": {"settle": 3}}, "unknown key 'protocol.settle'; did you mean 'settle_s'"),
        ({"settle_s": 3}, "unknown key 'settle_s'; 'settle_s' belongs inside 'protocol'"),
    ],
)
def test_what_cannot_be_is_one_line(settings, words):
    with pytest.raises(ConfigurationError) as caught:
        configured(**settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_least_is_not_more_than_the_most():
    width = {"at_least": 5, "at_most": 4}
    for where, phases in (
        ("phases.repetitions", {"repetitions": width}),
        ("phases.probe.repetitions", {"probe": {"repetitions": width}}),
    ):
        with pytest.raises(ConfigurationError, match=f"^{where}: at_least is 5 and at_most 4 "):
            plan(configured(phases=phases), MODELS)
    config = configured(runtimes={"repetitions": width, "providers": ["cpu"]})
    with pytest.raises(ConfigurationError, match=r"^runtimes.repetitions: at_least is 5"):
        plan_runtimes(config, MODELS, BACKENDS, {"pytorch"}, 0)


def test_a_replay_has_no_number_of_its_own():
    replay = {"campaign": "earlier", "model": "one"}
    with pytest.raises(ConfigurationError, match="each once") as caught:
        plan(configured(phases={"repetitions": {}, "replay": replay}), MODELS)
    assert str(caught.value).startswith("phases.repetitions: ")


def test_what_decides_on_windows_is_told_only_where_it_decides():
    other = {"confidence": 0.9, "resolve_periods": 3}
    assert specs(configured(analysis=other)) == specs(configured())
    width = {"phases": {"repetitions": {}}, "runtimes": {"repetitions": {}}}
    for now, then in zip(
        specs(configured(**width)), specs(configured(**width, analysis=other)), strict=True
    ):
        assert json.loads(then)["repetitions"].items() >= other.items()
        with pytest.raises(ConfigurationError, match="measured with repetitions: "):
            check_unchanged(then, json.loads(now))
    probe = configured(phases={"probe": {"repetitions": {}}})
    assert json.loads(specs(probe)[0])["probe"]["repetitions"]["confidence"] == 0.95


def test_a_session_from_before_the_protocol_stands_and_another_protocol_is_refused():
    for now in specs(configured()):
        older = json.loads(now)
        del older["protocol"]
        check_unchanged(now, older)
        with pytest.raises(ConfigurationError, match="measured with seed: 1, and now it is 2"):
            check_unchanged(json.dumps(json.loads(now) | {"seed": 2}), older | {"seed": 1})
    for now, then in zip(
        specs(configured()), specs(configured(protocol={"settle_s": 9})), strict=True
    ):
        with pytest.raises(ConfigurationError, match="measured with protocol: "):
            check_unchanged(now, json.loads(then))
