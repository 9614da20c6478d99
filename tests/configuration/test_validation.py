"""What the schemas refuse, and in which words; the defaults that they fill in."""

import copy
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, validate
from configuration.experiment import SWEEP, TASKS, file_of
from generation.workloads import WORKLOADS

CONFIG = Path(__file__).parents[2] / "config"
SCHEMA = yaml.safe_load((CONFIG / "schemas" / "config.schema.yaml").read_text())
MODELS = yaml.safe_load((CONFIG / "schemas" / "models.schema.yaml").read_text())
HUB = {
    "source": "hub",
    "licence": "MIT",
    "repo": "owner/name",
    "revision": "0" * 40,
    "sha256": {"model.safetensors": "0" * 64},
}
PACKAGE = {
    "source": "package",
    "licence": "MIT",
    "package": "name==1.0",
    "file": "a.gguf",
    "sha256": "0" * 64,
}
INIT = {
    "source": "init",
    "licence": "none",
    "tokenizer": "other",
    "architecture": {"model_type": "llama"},
}


def refusal(document, schema=SCHEMA, where="configuration"):
    with pytest.raises(ConfigurationError) as caught:
        validate(document, schema, where)
    line = str(caught.value)
    assert line.startswith(where) and "\n" not in line
    return line


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"devise": "cpu"}, ["unknown key 'devise'", "did you mean 'device'?", "campaign, device"]),
        (
            {"phases": {"modles": ["a"]}},
            ["unknown key 'phases.modles'", "did you mean 'models'?", "max_new_tokens, models"],
        ),
        (
            {"phases": {"suppression": {"units": "line"}}},
            ["unknown key 'phases.suppression.units'", "did you mean 'unit'?", "memory_mb"],
        ),
        ({7: 1}, ["unknown key '7'", "allowed here: analysis"]),
        # A key on the wrong level, and one written as a path.
        (
            {"rounds": 2},
            ["unknown key 'rounds'", "'rounds' belongs inside 'runtimes' or inside 'phases'"],
        ),
        (
            {"phases.rounds": 2},
            ["'phases.rounds'", "'rounds' belongs inside 'runtimes' or inside 'phases'"],
        ),
        ({"unit": "line"}, ["'unit' belongs inside 'phases.suppression'"]),
        ({"phases": {"seed": 1}}, ["'phases.seed'", "'seed' belongs on the top level"]),
        # An unknown key comes before what else is wrong.
        ({"seed": -1, "phases": {"model": []}}, ["unknown key 'phases.model'"]),
        ({"seed": -1}, ["seed: -1", "at least 0"]),
        ({"phases": {"rounds": 0}}, ["phases.rounds: 0", "at least 1"]),
        ({"phases": {"repetitions": 5000}}, ["phases.repetitions: 5000", "at most 1000"]),
        ({"phases": {"top_p": 0}}, ["phases.top_p: 0", "above 0"]),
        ({"analysis": {"confidence": 1}}, ["analysis.confidence: 1", "below 1"]),
        ({"metering": {"period_s": 0.0001}}, ["metering.period_s: 0.0001", "at least 0.005"]),
        # Types, with the spelling that was meant where it can be told.
        ({"seed": True}, ["seed: True is not a whole number"]),
        ({"phases": {"rounds": 2.5}}, ["2.5 is not a whole number"]),
        ({"phases": {"rounds": "2.5"}}, ["2.5 is not a whole number"]),
        ({"phases": {"rounds": "three"}}, ["'three' is not a whole number"]),
        ({"phases": {"rounds": "-3"}}, ["phases.rounds: -3 must be at least 1"]),
        ({"phases": {"temperature": "nan"}}, ["nan is not a number"]),
        ({"phases": {"temperature": float("nan")}}, ["nan is not a number"]),
        ({"metering": {"cpu_rated_power_w": float("inf")}}, ["inf is not a number or null"]),
        ({"campaign": 2024}, ["campaign: 2024 is not a text", "quotes"]),
        ({"phases": {"models": "smollm"}}, ["'smollm' is not a list", "write [smollm]"]),
        ({"phases": []}, ["phases: [] is not a mapping"]),
        # Names.
        (
            {"phases": {"dtypes": ["fp16"]}},
            ["phases.dtypes.0: 'fp16'", "'float16'?", "allowed: auto"],
        ),
        ({"phases": {"conditions": ["Suppresed"]}}, ["conditions.0", "mean 'suppressed'?"]),
        ({"phases": {"workloads": ["humaneval"]}}, ["workloads.0", "did you mean 'humaneval-"]),
        ({"software": "docker"}, ["software: 'docker'", "allowed: venv, host"]),
        ({"device": "gpu"}, ["device: 'gpu'", "auto, cpu, cuda, or cuda:N"]),
        ({"device": "cuda:x"}, ["device: 'cuda:x'", "cuda:N"]),
        ({"campaign": "a/b"}, ["campaign: 'a/b'", "letters, digits"]),
        ({"campaign": "../a"}, ["campaign: '../a'", "letters, digits"]),
        ({"campaign": "a\n"}, [r"campaign: 'a\n'", "letters, digits"]),
        ({"host_python": ""}, ["host_python: must not be empty"]),
        # Lists.
        ({"phases": {"models": []}}, ["phases.models: must not be empty"]),
        ({"phases": {"models": ["a", "b", "a"]}}, ["phases.models: 'a' stands there twice"]),
        ({"phases": {"tasks": []}}, ["phases.tasks: must not be empty"]),
        ({"phases": {"tasks": ["a", "a"]}}, ["phases.tasks: 'a' stands there twice"]),
        ({"phases": {"tasks": [22]}}, ["phases.tasks.0: 22 is not a text"]),
        (
            {"phases": {"tasks": "HumanEval/22"}},
            ["'HumanEval/22'", "'all', or a whole number of at least 1, or a list, or a mapping"],
        ),
        ({"phases": {"tasks": {"longcode": "some"}}}, ["phases.tasks.longcode: 'some'"]),
        ({"phases": {"temperature": 0}}, ["phases.temperature: 0", "above 0"]),
        ({"phases": {"replay": {"campaign": "a"}}}, ["replay: the key 'model' is missing"]),
        ({"phases": {"replay": {"campain": "a"}}}, ["'phases.replay.campain'", "'campaign'?"]),
        ({"phases": {"batch_sizes": [0]}}, ["batch_sizes.0: 0 must be at least 1"]),
        ({"phases": {"longbench": {"sha256": {"lcc.jsonl": "ab"}}}}, ["sha256.lcc.jsonl: 'ab'"]),
        ({"phases": {"threads": 0}}, ["phases.threads: 0", "at least 1"]),
        ({"phases": {"threads": "many"}}, ["'many'", "'auto', or a whole number of at least 1"]),
        # YAML's nothing: a key whose value was forgotten or commented out.
        ({"phases": None}, ["phases: nothing stands there"]),
        ({"phases": {"suppression": None}}, ["phases.suppression: nothing stands there"]),
        ({"device": None}, ["device: nothing stands there"]),
    ],
)
def test_a_configuration_is_refused_in_one_line(document, words):
    line = refusal(document)
    assert [word for word in words if word not in line] == [], line


def test_a_long_value_is_cut():
    assert len(refusal({"phases": {"dtypes": ["x" * 5000]}})) < 200


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_a_document_that_is_no_mapping(document):
    assert "mapping" in refusal(document)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (None, ["one: nothing stands there"]),
        ({}, ["one: the key 'source' is missing", "source, licence"]),
        ({"source": "hub"}, ["one: the key 'licence' is missing"]),
        ({"source": "hubb", "licence": "MIT"}, ["one.source: 'hubb'", "mean 'hub'?", "folder"]),
        ({**HUB, "tokeniser": "x"}, ["unknown key 'one.tokeniser'", "mean 'tokenizer'?"]),
        ({**HUB, "revision": "a b"}, ["one.revision: 'a b'", "a commit, a branch or a tag"]),
        ({**HUB, "parameters": 0}, ["one.parameters: 0", "at least 1"]),
        ({**HUB, "repo": "name"}, ["one.repo: 'name'", "owner/name"]),
        ({**HUB, "sha256": "0" * 64}, ["one.sha256", "FILE.safetensors: DIGEST"]),
        ({**HUB, "sha256": {}}, ["one.sha256: must not be empty"]),
        ({**HUB, "sha256": {"m": "A" * 64}}, ["one.sha256.m", "64 hexadecimal", "lower case"]),
        ({**HUB, "prompt": "chatty"}, ["one.prompt: 'chatty'", "mean 'chat'?"]),
        ({**PACKAGE, "package": "name>=1.0"}, ["one.package: 'name>=1.0'", "NAME==VERSION"]),
        ({**PACKAGE, "file": "a.bin"}, ["one.file: 'a.bin'", ".gguf"]),
        ({**PACKAGE, "sha256": {"a": "0" * 64}}, ["one.sha256", "that of `file`"]),
        ({**INIT, "architecture": {}}, ["one.architecture: the key 'model_type' is missing"]),
        ({**INIT, "seed": -1}, ["one.seed: -1", "at least 0"]),
        ({"source": "folder", "licence": "MIT"}, ["one: the key 'path' is missing"]),
    ],
)
def test_an_entry_of_the_registry_is_refused_in_one_line(entry, words):
    line = refusal({"one": entry}, MODELS, "models.yaml")
    assert [word for word in words if word not in line] == [], line


@pytest.mark.parametrize(
    ("entry", "key"),
    [(HUB, key) for key in ("repo", "revision")]
    + [(PACKAGE, key) for key in ("package", "file", "sha256")]
    + [(INIT, key) for key in ("tokenizer", "architecture")],
)
def test_each_source_has_keys_that_it_needs(entry, key):
    validate({"one": entry}, MODELS, "models.yaml")
    lacking = {k: v for k, v in entry.items() if k != key}
    assert f"one: the key '{key}' is missing" in refusal({"one": lacking}, MODELS, "models.yaml")


def test_a_model_of_the_hub_needs_no_digests_and_may_follow_a_branch():
    entry = {k: v for k, v in HUB.items() if k != "sha256"} | {"revision": "refs/pr/1"}
    assert validate({"one": entry}, MODELS, "models.yaml")["one"]["revision"] == "refs/pr/1"


@pytest.mark.parametrize("name", ["with_underscore", "a/b", "..", "", 7])
def test_a_name_that_could_not_stand_in_a_path(name):
    refusal({name: HUB}, MODELS, "models.yaml")


def test_an_empty_registry():
    assert "empty" in refusal({}, MODELS, "models.yaml")


def test_defaults_are_filled_in_at_every_depth():
    filled = validate({"phases": {"suppression": {"unit": "token"}}}, SCHEMA, "configuration")
    assert filled["campaign"] == "quickstart"
    assert filled["phases"]["rounds"] == 1
    assert filled["phases"]["suppression"] == {"unit": "token", "timeout_s": 3, "memory_mb": 1024}
    assert filled["metering"]["cpu_rated_power_w"] is None


def test_what_is_written_wins_over_the_defaults():
    written = {"device": "cpu", "phases": {"tasks": ["a"], "rounds": 3, "threads": 2}}
    filled = validate(written, SCHEMA, "configuration")
    assert filled["device"] == "cpu"
    assert {k: filled["phases"][k] for k in written["phases"]} == written["phases"]


def test_defaults_of_the_registry():
    filled = validate({"one": INIT}, MODELS, "models.yaml")
    assert filled["one"] == {**INIT, "prompt": "completion", "seed": 0}


def test_neither_the_document_nor_the_schema_is_changed():
    document, schema = {"phases": {"suppression": {}}}, copy.deepcopy(SCHEMA)
    filled = validate(document, schema, "configuration")
    filled["phases"]["models"].append("another")
    assert document == {"phases": {"suppression": {}}}
    assert schema == SCHEMA


SWEPT = {"longest": None, "prompt_tokens": [64], "output_tokens": [16]}


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        ("warmup_s", [0, 0.0, "0", "0.0"]),
        ("temperature", [2, 2.0, "2"]),
        ("temperature", [0.001, "1e-3", "0.001"]),
        ("rounds", [2, 2.0, "2"]),
        ("threads", [2, 2.0, "2"]),
        ("tasks", [{"humaneval-0shot": 5}, {"humaneval-0shot": "5"}]),
        ("batch_sizes", [[1, 8], ["1", "8"], [1.0, 8]]),
        ("sweep", [SWEPT, {"longest": "null", "prompt_tokens": ["64"], "output_tokens": ["16"]}]),
    ],
)
def test_a_number_is_the_same_in_all_its_spellings(key, spellings):
    read = [
        validate({"phases": {key: value}}, SCHEMA, "configuration")["phases"][key]
        for value in spellings
    ]
    assert read[0] == spellings[0]
    assert len({repr(value) for value in read}) == 1


def test_a_large_seed_keeps_its_last_digit():
    seed = 2**60 + 1
    for written in (seed, str(seed)):
        assert validate({"seed": written}, SCHEMA, "configuration")["seed"] == seed


def test_null_where_it_means_something():
    for written in (None, "null"):
        metering = {"cpu_rated_power_w": written}
        assert validate({"metering": metering}, SCHEMA, "configuration")["metering"][
            "cpu_rated_power_w"
        ] is None  # fmt: skip
        replay = validate({"phases": {"replay": written}}, SCHEMA, "configuration")["phases"]
        assert replay["replay"] is None


def test_the_shipped_files_are_valid():
    config = validate(yaml.safe_load((CONFIG / "config.yaml").read_text()), SCHEMA, "configuration")
    registry = yaml.safe_load(Path(CONFIG.parent, config["models_file"]).read_text())
    models = validate(registry, MODELS, "models.yaml")
    assert set(config["phases"]["models"]) <= set(models)


def test_the_defaults_themselves_are_valid():
    filled = validate({}, SCHEMA, "configuration")
    assert validate(filled, SCHEMA, "configuration") == filled


def keys(schema, path=""):
    for name, sub in schema.get("properties", {}).items():
        yield f"{path}{name}", sub, name in schema.get("required", ())
        yield from keys(sub, f"{path}{name}.")


@pytest.mark.parametrize(("key", "sub", "required"), list(keys(SCHEMA)))
def test_every_key_is_described_and_has_a_default_or_is_required(key, sub, required):
    assert sub["description"].strip()
    assert ("default" in sub) != required


def test_every_workload_is_known_and_has_its_tasks():
    workloads = SCHEMA["properties"]["phases"]["properties"]["workloads"]["items"]["enum"]
    assert set(workloads) == {*WORKLOADS, SWEEP}
    assert {file_of(workload) for workload in workloads} == set(TASKS)


@pytest.mark.parametrize("file", sorted((CONFIG / "studies").glob("*.yaml")), ids=lambda f: f.stem)
def test_the_studies_are_valid(file):
    assert validate(yaml.safe_load(file.read_text()), SCHEMA, file.name)


@pytest.mark.parametrize(
    ("wall", "words"),
    [
        ({"host": "plug"}, ["metering.wall", "port"]),
        ({"host": "plug", "port": 0}, ["metering.wall.port: 0"]),
        ({"host": "plug", "port": "http"}, ["metering.wall.port"]),
        ({"host": "", "port": 80}, ["metering.wall.host"]),
        ({"host": "plug", "port": 80, "period": 1}, ["unknown key 'metering.wall.period'"]),
        ("plug:80", ["metering.wall"]),
    ],
)
def test_a_wall_meter_that_cannot_be_is_refused(wall, words):
    line = refusal({"metering": {"wall": wall}})
    assert all(word in line for word in words)


def test_a_wall_meter_has_its_defaults_and_is_none_by_itself():
    wall = validate({"metering": {"wall": {"host": "plug", "port": 80}}}, SCHEMA, "c")["metering"]
    assert wall["wall"] == {
        "host": "plug",
        "port": 80,
        "period_s": 1,
        "timeout_s": 2,
        "max_power_w": 20_000,
    }
    assert validate({}, SCHEMA, "c")["metering"]["wall"] is None
