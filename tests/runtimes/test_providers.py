"""Execution providers by name: what each is called, where it computes, what is told when absent."""

import re

import pytest

from analysis.runtimes.providers import AUTO, ENDING, SPELT, on_gpu, on_npu, on_nvidia
from runtimes.base import Settings, backend_names, load_backend

# What onnxruntime.get_all_providers() of 1.24.1 and 1.32.0 give.
LISTED = (
    *("CPU", "CUDA", "Tensorrt", "NvTensorRTRTX", "MIGraphX", "OpenVINO", "Dnnl", "Xnnpack", "ACL"),
    *("ArmNN", "Dml", "CoreML", "WebGpu", "Js", "WebNN", "QNN", "VitisAI", "Nnapi", "VSINPU"),
    *("Rknpu", "CANN"),
)


@pytest.mark.parametrize("name", LISTED)
def test_a_provider_of_onnx_runtime_has_its_own_name_in_lower_case(name):
    assert SPELT[name.lower()].lower() == (name + ENDING).lower()


def test_what_computes_on_other_machines_has_no_name():
    assert not [name for name in SPELT if "azure" in name]


@pytest.mark.parametrize("name", SPELT)
def test_every_name_stands_in_a_sessions_name_and_is_of_one_kind(name):
    assert re.fullmatch(r"[a-z]+", name)
    assert on_gpu(name) + on_npu(name) <= 1
    assert on_gpu(name) >= on_nvidia(name)
    assert Settings(provider=name, gpu=1).device == ("cuda:1" if on_gpu(name) else "cpu")


def test_the_processor_is_no_gpu_and_openvino_is_the_processors():
    assert not on_gpu("cpu") and not on_gpu("openvino") and not on_npu("openvino")
    assert on_nvidia("cuda") and on_nvidia("tensorrt") and not on_nvidia("migraphx")
    assert on_gpu("migraphx") and on_npu("qnn")


def test_every_runtime_has_providers_of_these_and_the_engine_has_all():
    for name in backend_names():
        assert set(load_backend(name).PROVIDERS) <= set(SPELT)
    assert set(load_backend("onnxruntime").PROVIDERS) == set(SPELT) >= set(AUTO)


def test_the_engines_options_name_the_asked_provider_first_and_end_on_the_processor(monkeypatch):
    engine = load_backend("onnxruntime")
    monkeypatch.setattr(engine, "find_plugin", lambda name: None)
    for name in SPELT:
        order = [found for found, _ in engine._provider_options(Settings(provider=name))]
        assert order[0] == SPELT[name] and order[-1] == SPELT["cpu"]
        assert len(order) == len(set(order)) == {"cpu": 1, "tensorrt": 3}.get(name, 2)


def test_openvino_is_told_the_same_behind_onnx_runtime(monkeypatch):
    engine, openvino = load_backend("onnxruntime"), load_backend("openvino")
    monkeypatch.setattr(engine, "find_plugin", lambda name: None)
    settings = Settings(provider="openvino", threads=3)
    (_, options), _ = engine._provider_options(settings)
    assert options["device_type"] == "CPU"
    for key, value in openvino.properties(settings).items():
        assert f'"{key}": "{value}"' in options["load_config"]
    assert '"INFERENCE_PRECISION_HINT": "f32"' in options["load_config"]
    assert '"INFERENCE_NUM_THREADS": "3"' in options["load_config"]
