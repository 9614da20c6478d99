"""Where a runtime computes: ONNX Runtime's execution providers under one name each, and what each
needs. Pure.

A name is ONNX Runtime's own in lower case, without its ending: `openvino` is
OpenVINOExecutionProvider. The list is `onnxruntime.get_all_providers()` of 1.24 to 1.32 and of
older builds; AzureExecutionProvider is not in it, for it computes on other machines.
"""

from __future__ import annotations

ENDING = "ExecutionProvider"
# On the processor. OpenVINO has other devices too: the provider of that name is its processor's.
ON_CPU = ("CPU", "OpenVINO", "Dnnl", "Xnnpack", "ACL", "ArmNN")
ON_NVIDIA = ("CUDA", "Tensorrt", "NvTensorRTRTX")
ON_OTHER_GPU = ("ROCM", "MIGraphX", "Dml", "CoreML", "WebGpu", "JS", "WebNN")
# What no meter here reads.
ON_NPU = ("QNN", "VitisAI", "Nnapi", "VSINPU", "Rknpu", "CANN")

SPELT = {name.lower(): name + ENDING for name in (*ON_CPU, *ON_NVIDIA, *ON_OTHER_GPU, *ON_NPU)}
# What `auto` stands for. The others are asked for by name: each is an environment more.
AUTO = ("cpu", "cuda", "tensorrt")


def on_gpu(provider: str) -> bool:
    """Whether it computes on a GPU."""
    return _is_of(provider, (*ON_NVIDIA, *ON_OTHER_GPU))


def on_nvidia(provider: str) -> bool:
    """Whether it needs an NVIDIA GPU and CUDA's libraries."""
    return _is_of(provider, ON_NVIDIA)


def on_npu(provider: str) -> bool:
    """Whether it computes on a device that no meter reads."""
    return _is_of(provider, ON_NPU)


def place(provider: str) -> str:
    """Where it computes, by the plain provider there: oneDNN's on the processor's, TensorRT's on
    CUDA's. Another is a place of its own."""
    if on_nvidia(provider):
        return "cuda"
    if _is_of(provider, ON_CPU):
        return "cpu"
    return "rocm" if provider == "migraphx" else provider


def _is_of(provider: str, names: tuple[str, ...]) -> bool:
    return provider in {name.lower() for name in names}
