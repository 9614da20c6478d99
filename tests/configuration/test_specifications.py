"""What a plan tells its sessions is what their programs take, and nothing else."""

import copy
import dataclasses
import hashlib
import json
import typing
from pathlib import Path

import pytest
import yaml

from configuration import ConfigurationError, Session, plan, validate
from configuration.experiment import session_spec
from configuration.meters import meters_spec
from configuration.registry import with_twins
from configuration.runtimes import plan_runtimes, runtime_spec
from generation.specification import PhasesSpecification, SuppressionSettings
from loads.plan import UNITS_S
from loads.specification import MetersSpecification
from metering.recording import spec_digest
from runtimes.base import backend_names, load_backend
from runtimes.specification import RuntimesSpecification
from session.specification import SpecificationError, parse, to_json

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = [
    ROOT / "config/config.yaml",
    ROOT / "config/scale.yaml",
    *sorted((ROOT / "config/studies").glob("*.yaml")),
]
BACKENDS = {name: load_backend(name) for name in backend_names()}
ENVIRONMENTS = {path.stem for path in (ROOT / "envs").glob("*.yaml")}
CLASSES = {
    "phases": PhasesSpecification,
    "runtimes": RuntimesSpecification,
    "meters": MetersSpecification,
}


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


SCHEMA = read("config/schemas/config.schema.yaml")
MODELS = with_twins(
    validate(read("config/models.yaml"), read("config/schemas/models.schema.yaml"), "models")
)
# Every form that a specification has, and every mapping and null in it.
FORMS = {
    "default": {},
    "by width, sampled, cut prompts": {
        "metering": {"wall": {"host": "h", "port": 5}, "cpu_rated_power_w": 95},
        "protocol": {"cooldown": {"within_c": 2}, "stable_within": None},
        "runtimes": {"repetitions": {}, "providers": ["cpu"]},
        "phases": {
            "workloads": ["humaneval-0shot", "longbench-cu", "longcode", "sweep"],
            "decoding": ["greedy", "sampled"],
            "batch_sizes": [1],
            "tasks": {"humaneval-0shot": {"chosen_by": "outcome", "ids": ["HumanEval/1"]}},
            "repetitions": {"within": 0.1},
            "probe": {"repetitions": {}},
            "sweep": {"prompt_tokens": [64, 128], "longest": 256},
            "top_p": 1.0,
        },
    },
    "batches, a replay": {
        "phases": {
            "workloads": ["humaneval-0shot"],
            "decoding": ["greedy"],
            "batch_sizes": [1, 4],
            "dtypes": ["auto", "float16"],
            "tasks": 7,
            "repetitions": 1,
            "replay": {"campaign": "earlier", "model": "smollm2-135m-instruct"},
        },
    },
}


def merged(below, above):
    """As Snakemake puts one configuration over another."""
    both = {
        key: merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return {**below, **above, **both}


def configured(*documents):
    whole = read("config/config.yaml")
    for document in documents:
        whole = merged(whole, document)
    return validate(whole, SCHEMA, "configuration")


def texts(config, models=MODELS):
    """(study, JSON) of every session that a configuration plans."""
    yield "meters", meters_spec(config)
    for session in plan(config, models):
        yield "phases", session_spec(session, config, models)
    for session in plan_runtimes(config, models, BACKENDS, ENVIRONMENTS, None):
        yield "runtimes", runtime_spec(session, config, models, BACKENDS)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_what_a_shipped_configuration_plans_is_parsed_and_written_again_byte_for_byte(path):
    for study, text in texts(configured(yaml.safe_load(path.read_text()))):
        assert text == json.dumps(json.loads(text), sort_keys=True)
        assert to_json(parse(CLASSES[study], json.loads(text), "spec")) == text


# Made by the code from before specifications were dataclasses.
DIGESTS = {
    "meters": "5dc7da0e5061f532",
    "phases": "2c9e76c9e42d6cb8",
    "runtimes": "3f1dd1132490b259",
}


def test_a_campaign_that_was_begun_goes_on():
    """Unfinished sessions are found by the digests of what they were told. Where this fails on
    purpose (a new key, another default), they all begin anew: say so in the changelog."""
    digests = {study: hashlib.sha256() for study in DIGESTS}
    for form in FORMS.values():
        for study, text in texts(validate(form, SCHEMA, "configuration")):
            digests[study].update(spec_digest(json.loads(text)).encode())
    assert {study: digest.hexdigest()[:16] for study, digest in digests.items()} == DIGESTS


def documents():
    """One document of each form."""
    found = {}
    for form in FORMS.values():
        for study, text in texts(configured(form)):
            document = json.loads(text)
            found.setdefault((study, *paths(document), text.count("null")), (study, document))
    return list(found.values())


def paths(document, above=()):
    """The places of its keys; what is within a registry's entry is the registry's."""
    for key, value in document.items():
        yield (*above, key)
        if isinstance(value, dict) and key != "entry":
            yield from paths(value, (*above, key))


def holder(document, path):
    for key in path[:-1]:
        document = document[key]
    return document


def lines(study, document):
    """What parsing says of a document; nothing where it takes it."""
    try:
        parse(CLASSES[study], document, "spec")
    except SpecificationError as error:
        return str(error)
    return None


CASES = [(study, document, path) for study, document in documents() for path in paths(document)]


def test_every_form_is_among_the_cases():
    seen = {(study, ".".join(path)) for study, _, path in CASES}
    for place in (
        *(
            "metering.wall.port",
            "protocol.cooldown.max_s",
            "repetitions.confidence",
            "replay.model",
        ),
        *("probe.repetitions.at_most", "sweep.longest", "prompt_tokens", "temperature", "top_p"),
    ):
        assert ("phases", place) in seen
    assert ("runtimes", "repetitions.resolve_periods") in seen and ("meters", "most") in seen


def test_a_key_that_is_missing_is_named_by_its_path():
    for study, document, path in CASES:
        changed = copy.deepcopy(document)
        del holder(changed, path)[path[-1]]
        line = lines(study, changed)
        assert line and ".".join(path) in line and "is missing" in line and "\n" not in line, path


def test_a_key_that_is_misspelt_is_named_by_its_path_with_the_right_one():
    for study, document, path in CASES:
        changed = copy.deepcopy(document)
        inner = holder(changed, path)
        wrong = path[-1][:-1] + "x"
        inner[wrong] = inner.pop(path[-1])
        line = lines(study, changed)
        assert line.startswith(f"spec: unknown key '{'.'.join((*path[:-1], wrong))}'"), line
        assert path[-1] in line and "\n" not in line


@pytest.mark.parametrize("wrong", [True, [[True]], {"of": "another type"}, 1.5, "words", None])
def test_a_value_of_another_type_is_named_by_its_path(wrong):
    refused = 0
    for study, document, path in CASES:
        changed = copy.deepcopy(document)
        holder(changed, path)[path[-1]] = wrong
        line = lines(study, changed)
        refused += line is not None
        if line is None:
            # What is taken is kept as it is.
            assert wrong is not True
            text = json.dumps(changed, sort_keys=True)
            assert to_json(parse(CLASSES[study], changed, "spec")) == text
        else:
            assert line.startswith("spec: ") and ".".join(path) in line and "\n" not in line, line
    assert refused > len(CASES) / 2


@pytest.mark.parametrize(
    ("study", "change", "line"),
    [
        ("phases", {"workload": "humaneval-1shot"}, "workload: no workload 'humaneval-1shot'"),
        ("phases", {"decoding": "sampled"}, "temperature: is missing where decoding is 'sampled'"),
        ("phases", {"top_p": 0.9}, "top_p: is not allowed where decoding is 'greedy'"),
        ("phases", {"prompt_tokens": 9}, "prompt_tokens: is not allowed where workload is 'human"),
        ("phases", {"workload": "longcode"}, "prompt_tokens: is missing where workload is 'longc"),
        ("phases", {"workload": "sweep"}, "unknown key 'conditions'"),
        ("meters", {"window_s": [0.1, "0.2"]}, "window_s.1: '0.2' is not allowed (allowed: a num"),
    ],
)
def test_values_that_do_not_go_together_are_one_line(study, change, line):
    document = next(document for name, document in documents() if name == study)
    assert lines(study, document | change).startswith(f"spec: {line}")


def test_a_key_of_the_configuration_that_no_program_knows_fails_when_the_plan_is_made():
    for section in ("protocol", "metering"):
        config = configured()
        config[section]["within"] = 3
        for planned in (
            lambda config=config: plan(config, MODELS),
            lambda config=config: plan_runtimes(config, MODELS, BACKENDS, ENVIRONMENTS, 0),
            lambda config=config: meters_spec(config),
        ):
            with pytest.raises(ConfigurationError) as caught:
                planned()
            line = str(caught.value)
            assert line.startswith("specification of ") and f"'{section}.within'" in line
            assert "\n" not in line
    config = configured()
    config["runtimes"]["windw_s"] = 3
    with pytest.raises(ConfigurationError, match=r"__r1: unknown key 'windw_s'; did you mean 'wi"):
        plan_runtimes(config, MODELS, BACKENDS, ENVIRONMENTS, 0)
    config = configured()
    del config["phases"]["probe"]["prompts"]
    with pytest.raises(ConfigurationError, match=r"__r1: the key 'probe.prompts' is missing"):
        plan(config, MODELS)


def test_words_are_those_of_the_schema():
    """A word that one side alone knows would be refused where a session runs, or never be used."""
    sections = SCHEMA["properties"]
    phases, runtimes, meters = (sections[s]["properties"] for s in ("phases", "runtimes", "meters"))
    for words, cls, field in (
        (phases["suppression"]["properties"]["unit"]["enum"], SuppressionSettings, "unit"),
        (phases["decoding"]["items"]["enum"], PhasesSpecification, "decoding"),
        (phases["dtypes"]["items"]["enum"], PhasesSpecification, "dtype"),
        (runtimes["precision"]["enum"], RuntimesSpecification, "precision"),
        (runtimes["allocator"]["enum"], RuntimesSpecification, "allocator"),
        (meters["tools"]["enum"], MetersSpecification, "tools"),
        (meters["loads"]["items"]["enum"], MetersSpecification, "loads"),
    ):
        kind = typing.get_type_hints(cls)[field]
        kind = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
        assert set(typing.get_args(kind)) == set(words), field
    assert set(UNITS_S) == set(meters["loads"]["items"]["enum"])
    for workload in phases["workloads"]["items"]["enum"]:
        config = configured({"phases": {"workloads": [workload], "tasks": "all"}})
        session = Session("smollm2-135m-instruct", workload, 1)
        document = json.loads(session_spec(session, config, MODELS))
        assert parse(PhasesSpecification, document, "spec").workload == workload


def test_a_specification_cannot_be_changed():
    for study, document in documents():
        spec = parse(CLASSES[study], document, "spec")
        for part in (spec, spec.protocol, spec.metering):
            for field in dataclasses.fields(part):
                with pytest.raises(dataclasses.FrozenInstanceError):
                    setattr(part, field.name, None)
