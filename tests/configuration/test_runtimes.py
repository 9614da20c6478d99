"""The sessions of the study of runtimes that a configuration asks for."""

import json
import types
from pathlib import Path

import pytest
import yaml

from analysis.runtimes.providers import SPELT, on_gpu
from configuration import ConfigurationError, validate
from configuration.runtimes import (
    RuntimeSession,
    builds,
    environment_of,
    plan_runtimes,
    providers_of,
    reference_environment,
    runtime_spec,
    unmet,
)
from runtimes.base import backend_names, load_backend

CONFIG = Path(__file__).parents[2] / "config"


def schema(name):
    return yaml.safe_load((CONFIG / "schemas" / name).read_text())


def module(title, source, providers, *, exports=False, builds=None):
    made = types.SimpleNamespace(TITLE=title, SOURCE=source, PROVIDERS=providers)
    if builds is not None:
        made.BUILDS = builds
    if exports:
        made.export = lambda *_: {}
    return made


BACKENDS = {
    "alpha": module("Alpha", "network", ("cpu", "cuda"), exports=True),
    "all": module(
        "All", "network", ("cpu",), exports=True, builds=("family", "transformers", "factory")
    ),
    "beta": module("Beta", "network", ("cpu", "cuda"), exports=True),
    "mute": module("Mute", "network", ("cpu",)),
    "engine": module("Engine", "onnx", tuple(SPELT)),
}
ENVIRONMENTS = {
    *("alpha", "beta", "beta-cuda", "engine", "engine-cuda", "engine-tensorrt", "engine-openvino"),
    *("all", "mute"),
}
INIT = {"source": "init", "licence": "none"}
REGISTRY = validate(
    {
        "small": {
            **INIT,
            "task": "feature-extraction",
            "architecture": {"model_type": "bert"},
        },
        "eyes": {
            **INIT,
            "task": "image-classification",
            "architecture": {"model_type": "resnet"},
        },
        "blind": {
            **INIT,
            "task": "feature-extraction",
            "architecture": {"model_type": "resnet"},
        },
        "mine": {
            "source": "torch",
            "licence": "none",
            "factory": "torchvision.models:resnet18",
            "inputs": {"x": {"shape": [3, 224, 224]}},
        },
        "file": {"source": "onnx", "licence": "none", "path": "~/model.onnx"},
        "far": {
            "source": "hub",
            "licence": "none",
            "task": "image-classification",
            "repo": "owner/vit",
            "revision": "main",
        },
        "vit": {**INIT, "task": "image-classification", "architecture": {"model_type": "vit"}},
        "speaks": {
            "source": "folder",
            "licence": "none",
            "path": "~/speaks",
        },
    },
    schema("models.schema.yaml"),
    "models.yaml",
)


def configured(device="auto", **study):
    study = {
        "models": ["small", "eyes"],
        "systems": ["alpha", "beta", "engine"],
        "onnx_from": ["alpha", "beta"],
        "rounds": 1,
        **study,
    }
    document = {"campaign": "test", "device": device, "runtimes": study}
    return validate(document, schema("config.schema.yaml"), "configuration")


def planned(gpus=0, device="auto", **study):
    return plan_runtimes(configured(device, **study), REGISTRY, BACKENDS, ENVIRONMENTS, gpus)


def columns(sessions):
    return {(s.system, s.origin, s.provider) for s in sessions}


def test_each_framework_and_each_export_in_the_engine_for_each_model():
    sessions = planned(models=["small"])
    assert sorted(s.name for s in sessions) == [
        "small__alpha__cpu__r1",
        "small__beta__cpu__r1",
        "small__engine.alpha__cpu__r1",
        "small__engine.beta__cpu__r1",
    ]


def names(**study):
    found = planned(onnx_from=["all", "alpha"], systems=["all", "alpha", "engine"], **study)
    return sorted(session.name for session in found)


@pytest.mark.parametrize("model", ["mine", "vit"])
def test_what_one_framework_builds_is_planned_there_and_absent_elsewhere_once(model):
    found = names(models=[model], rounds=2)
    measured = [f"{model}__all__cpu", f"{model}__engine.all__cpu"]
    absent = [f"{model}__alpha__cpu__r1", f"{model}__engine.alpha__cpu__r1"]
    assert found == sorted([f"{name}__r{n}" for name in measured for n in (1, 2)] + absent)
    for session in planned(models=[model], systems=["all", "alpha"]):
        assert builds(session, REGISTRY, BACKENDS) == (session.system == "all")


def test_a_file_is_planned_in_each_engine_and_absent_in_each_framework():
    assert names(models=["file"]) == [
        "file__all__cpu__r1",
        "file__alpha__cpu__r1",
        "file__engine.file__cpu__r1",
    ]
    (session,) = planned(models=["file"], systems=["engine"], onnx_from=[])
    assert session.origin == "file" and RuntimeSession.parse(session.name) == session
    assert builds(session, REGISTRY, BACKENDS)
    spec = json.loads(runtime_spec(session, configured(), REGISTRY, BACKENDS))
    assert spec["title"] == "Engine from file"


def test_what_only_its_weights_tell_is_planned_everywhere():
    assert len(names(models=["far"])) == 4


def test_models_of_several_sources_stand_in_one_plan():
    found = {s.name for s in planned(models=["small", "mine", "file"], systems=["all", "engine"])}
    assert {"small__engine.beta__cpu__r1", "file__engine.file__cpu__r1"} <= found
    assert not [name for name in found if name.startswith(("small__engine.file", "mine__engine.f"))]


def test_the_environment_of_a_file_is_that_of_the_engine_that_holds_it_to_account():
    assert reference_environment(REGISTRY["file"]) == "onnxruntime"
    assert {reference_environment(REGISTRY[n]) for n in ("small", "mine", "far")} == {"pytorch"}


def test_rounds_follow_each_other_each_in_an_order_of_its_own():
    sessions = planned(rounds=3)
    assert [s.round for s in sessions] == [1] * 8 + [2] * 8 + [3] * 8
    orders = [[(s.model, s.system, s.origin) for s in sessions if s.round == n] for n in (1, 2, 3)]
    assert sorted(orders[0], key=str) == sorted(orders[1], key=str)
    assert len({str(order) for order in orders}) == 3
    assert sessions == planned(rounds=3)


def test_a_name_parses_back():
    for session in [*planned(gpus=1), RuntimeSession("a-1.5b", "two_words", "on_e", "cpu", 12)]:
        assert RuntimeSession.parse(session.name) == session


@pytest.mark.parametrize("name", ["small__alpha__cpu", "small__humaneval-0shot__r1", "a__b__c__r0"])
def test_another_name_names_no_session(name):
    with pytest.raises(ValueError, match="names no session"):
        RuntimeSession.parse(name)


@pytest.mark.parametrize(
    ("device", "gpus", "providers"),
    [
        ("auto", 0, ["cpu"]),
        ("cpu", 1, ["cpu"]),
        ("auto", 1, ["cpu", "cuda", "tensorrt"]),
        ("cuda:1", 2, ["cuda", "tensorrt"]),
        # Another machine measures, and finds out there.
        ("auto", None, ["cpu", "cuda", "tensorrt"]),
    ],
)
def test_auto_takes_what_the_device_allows(device, gpus, providers):
    assert providers_of(configured(device), gpus) == providers


def test_a_provider_is_planned_for_the_runtimes_that_have_it():
    found = columns(planned(gpus=1, providers=["tensorrt"]))
    assert found == {("engine", "alpha", "tensorrt"), ("engine", "beta", "tensorrt")}


def test_any_provider_of_the_engine_can_be_named_and_is_planned_for_it_alone():
    found = columns(planned(models=["small"], providers=["cpu", "openvino", "xnnpack"]))
    of_engine = {(o, p) for s, o, p in found if s == "engine"}
    assert {p for _, p in of_engine} == {"cpu", "openvino", "xnnpack"} and len(of_engine) == 6
    assert {p for s, _, p in found if s != "engine"} == {"cpu"}


@pytest.mark.parametrize("provider", SPELT)
def test_every_provider_stands_in_a_name_that_parses_back(provider):
    session = RuntimeSession("a-1.5b", "engine", "alpha", provider, 1)
    assert RuntimeSession.parse(session.name) == session


@pytest.mark.parametrize("provider", [p for p in SPELT if on_gpu(p)])
def test_any_gpus_provider_on_the_cpu_is_refused(provider):
    with pytest.raises(ConfigurationError, match=f"'{provider}' needs a GPU"):
        planned(device="cpu", providers=["cpu", provider])


def test_a_provider_of_the_processor_or_of_another_make_asks_for_no_nvidia_gpu():
    assert columns(planned(device="cpu", providers=["openvino"]))
    assert unmet(configured(providers=["openvino", "qnn", "migraphx"]), 0) is None
    assert "nvtensorrtrtx asked for" in unmet(configured(providers=["cpu", "nvtensorrtrtx"]), 0)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ({"models": ["smal"]}, ["no model 'smal'", "did you mean 'small'"]),
        ({"models": ["speaks"]}, ["'speaks' is for text-generation", "feature-extraction"]),
        ({"models": ["vit"]}, ["none of alpha, beta, engine can run 'vit'", "takes pytorch"]),
        ({"models": ["mine"]}, ["none of alpha, beta, engine can run 'mine'", "source: torch"]),
        (
            {"models": ["small", "file"], "systems": ["alpha", "all"]},
            ["none of alpha, all can run 'file'", "an engine that reads ONNX"],
        ),
        ({"models": ["blind"]}, ["models.blind.task", "a resnet is for image-classification"]),
        ({"systems": ["alhpa"]}, ["no runtime 'alhpa'", "did you mean 'alpha'"]),
        ({"onnx_from": ["engine"]}, ["onnx_from: 'engine' runs the exports of others"]),
        ({"onnx_from": ["alpha", "mute"]}, ["onnx_from: 'mute' has no export to ONNX"]),
        ({"providers": ["cpu", "opnvino"]}, ["no provider 'opnvino'", "did you mean 'openvino'"]),
        ({"providers": ["OpenVINO"]}, ["no provider 'OpenVINO'", "did you mean 'openvino'"]),
        ({"providers": ["azure"]}, ["runtimes.providers (or auto): no provider 'azure'"]),
        ({"systems": ["alpha"], "providers": ["tensorrt"]}, ["none of alpha", "tensorrt"]),
        ({"systems": ["engine"], "onnx_from": []}, ["onnx_from is empty"]),
    ],
)
def test_what_cannot_be_measured_is_refused(study, words):
    with pytest.raises(ConfigurationError) as caught:
        planned(gpus=1, **study)
    line = str(caught.value)
    assert "\n" not in line and [word for word in words if word not in line] == [], line


def test_a_gpus_provider_on_the_cpu_is_refused():
    with pytest.raises(ConfigurationError, match="'cuda' needs a GPU, and device is 'cpu'"):
        planned(device="cpu", providers=["cpu", "cuda"])


def test_a_runtime_without_an_environment_is_refused():
    with pytest.raises(ConfigurationError, match=r"'alpha' has no envs/alpha.yaml"):
        plan_runtimes(configured(), REGISTRY, BACKENDS, ENVIRONMENTS - {"alpha"}, 0)


def test_providers_that_are_asked_for_by_name_need_their_gpu():
    named = configured(providers=["cpu", "cuda"])
    assert "cuda asked for, but this machine shows no NVIDIA GPU" in unmet(named, 0)
    assert unmet(named, 1) is None
    assert unmet(configured(), 0) is None


@pytest.mark.parametrize(
    ("system", "provider", "environment"),
    [
        ("alpha", "cpu", "alpha"),
        ("alpha", "cuda", "alpha"),
        ("beta", "cuda", "beta-cuda"),
        ("engine", "tensorrt", "engine-tensorrt"),
        ("beta", "tensorrt", "beta-cuda"),
        ("engine", "openvino", "engine-openvino"),
        ("engine", "nvtensorrtrtx", "engine-cuda"),
        # CUDA's packages are nothing to them.
        ("engine", "migraphx", "engine"),
        ("engine", "xnnpack", "engine"),
    ],
)
def test_the_environment_is_that_of_the_provider_where_there_is_one(system, provider, environment):
    assert environment_of(system, provider, ENVIRONMENTS) == environment


def test_a_session_is_told_what_it_measures_and_not_what_else_is_measured():
    session = RuntimeSession("small", "engine", "alpha", "cpu", 1)
    spec = json.loads(runtime_spec(session, configured(), REGISTRY, BACKENDS))
    assert spec["title"] == "Engine from Alpha"
    assert (spec["system"], spec["origin"], spec["providers"]) == ("engine", "alpha", "auto")
    more = configured(models=["small"], systems=["engine"], rounds=9)
    assert json.loads(runtime_spec(session, more, REGISTRY, BACKENDS)) == spec
    other = configured(batch_sizes=[2])
    assert json.loads(runtime_spec(session, other, REGISTRY, BACKENDS)) != spec


def test_the_shipped_runtimes_are_found_and_tell_of_themselves():
    assert set(backend_names()) == {
        "jax",
        "mxnet",
        "onnxruntime",
        "openvino",
        "pytorch",
        "tensorflow",
    }
    environments = {path.stem for path in (CONFIG.parent / "envs").glob("*.yaml")}
    for name in backend_names():
        found = load_backend(name)
        assert found.TITLE and found.SOURCE in ("network", "onnx") and found.PROVIDERS
        assert name in environments
        # No exporter of JAX writes files that ONNX Runtime takes.
        assert hasattr(found, "export") == (found.SOURCE == "network" and name != "jax")
