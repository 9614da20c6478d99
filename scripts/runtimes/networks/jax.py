"""The networks in JAX: functions of weights and inputs, images as NHWC.

`build` gives the function and the weights in the layouts that it reads them in; nothing is folded
beforehand, so that what the compiler makes of a network is the compiler's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from runtimes.network import Network
from runtimes.networks import plan

Arrays = dict[str, Any]
NHWC = ("NHWC", "HWIO", "NHWC")
PARTS = ("weight", "bias", "running_mean", "running_var")


def build(network: Network) -> tuple[Callable[..., Any], dict[str, np.ndarray]]:
    """A pure function `compute(weights, *inputs)`, inputs in the network's order, and its weights.

    Raises:
        ValueError: The network cannot be built from its configuration and weights.
    """
    plan.check(network)
    family = {"resnet": _resnet, "mobilenet_v2": _mobilenet, "bert": _bert}[network.family]
    weights = {name: _to_jax_layout(name, array) for name, array in network.weights().items()}
    taken: set[str] = set()

    def compute(weights: Arrays, *inputs: Any) -> Any:
        return family(network.config, Weights(weights, taken), *inputs)

    inputs = [jax.ShapeDtypeStruct(*_shape_and_type(spec)) for spec in network.inputs.values()]
    try:
        # Nothing is computed: it shows which weights the network asks for.
        jax.eval_shape(compute, weights, *inputs)
    except KeyError as error:
        raise ValueError(
            f"{network.name}: its configuration asks for a weight {error.args[0]} that is not there"
        ) from None
    if left := sorted(weights.keys() - taken):
        raise ValueError(
            f"{network.name}: {len(left)} weights have no place in the network, such as {left[0]}"
        )
    return compute, weights


class Weights(dict):
    """Weights by name, which note those that were asked for."""

    def __init__(self, weights: Arrays, taken: set[str]) -> None:
        super().__init__(weights)
        self._taken = taken

    def __getitem__(self, name: str) -> Any:
        self._taken.add(name)
        return super().__getitem__(name)


def _shape_and_type(spec: dict[str, Any]) -> tuple[tuple[int, ...], Any]:
    """Shape at batch 1 and type of an input as the functions read it."""
    shape = spec["shape"]
    shape = [*shape[1:], shape[0]] if len(shape) == 3 else shape
    return (1, *shape), jax.dtypes.canonicalize_dtype(spec["dtype"])


def _to_jax_layout(name: str, array: np.ndarray) -> np.ndarray:
    """A tensor of PyTorch in the layout in which it is used here."""
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)
    elif array.ndim == 2 and "embeddings." not in name:
        array = array.T
    return np.ascontiguousarray(array)


def _resnet(config: dict[str, Any], weights: Arrays, x: Any) -> Any:
    """ResNet of basic or bottleneck blocks."""

    def normalized(x, name: str, stride: int = 1):
        return _conv_batch_norm(x, weights, name, stride, plan.RESNET_EPSILON, symmetric=True)

    x = jax.nn.relu(normalized(x, "resnet.embedder.embedder", 2))
    pads = ((0, 0), (1, 1), (1, 1), (0, 0))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), pads)
    for name, stride, strides in plan.resnet_blocks(config):
        residual = x
        if f"{name}.shortcut.convolution.weight" in weights:
            residual = normalized(x, f"{name}.shortcut", stride)
        for number, its_stride in enumerate(strides):
            x = x if number == 0 else jax.nn.relu(x)
            x = normalized(x, f"{name}.layer.{number}", its_stride)
        x = jax.nn.relu(x + residual)
    return _dense(x.mean((1, 2)), weights, "classifier.1")


def _mobilenet(config: dict[str, Any], weights: Arrays, x: Any) -> Any:
    """MobileNetV2 of any width."""

    def normalized(x, name: str, stride: int = 1, active: bool = True):
        x = _conv_batch_norm(x, weights, name, stride, config["layer_norm_eps"], symmetric=False)
        return jax.nn.relu6(x) if active else x

    stem = "mobilenet_v2.conv_stem"
    x = normalized(x, f"{stem}.first_conv", 2)
    if f"{stem}.expand_1x1.convolution.weight" in weights:
        x = normalized(x, f"{stem}.expand_1x1")
    x = normalized(x, f"{stem}.conv_3x3")
    x = normalized(x, f"{stem}.reduce_1x1", active=False)
    for name, stride in plan.mobilenet_blocks():
        residual = x
        x = normalized(x, f"{name}.expand_1x1")
        x = normalized(x, f"{name}.conv_3x3", stride)
        x = normalized(x, f"{name}.reduce_1x1", active=False)
        if stride == 1 and x.shape[-1] == residual.shape[-1]:
            x = residual + x
    x = normalized(x, "mobilenet_v2.conv_1x1")
    return _dense(x.mean((1, 2)), weights, "classifier")


def _bert(config: dict[str, Any], weights: Arrays, input_ids, attention_mask, token_types) -> Any:
    """BERT's encoder, without the pooler."""
    heads = config["num_attention_heads"]

    def normalized(x, name: str):
        x = x - x.mean(-1, keepdims=True)
        x = x * lax.rsqrt((x * x).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split(x):
        return x.reshape(*x.shape[:2], heads, -1)

    x = weights["embeddings.word_embeddings.weight"][input_ids]
    x = x + weights["embeddings.token_type_embeddings.weight"][token_types]
    x = x + weights["embeddings.position_embeddings.weight"][: input_ids.shape[1]]
    x = normalized(x, "embeddings.LayerNorm")
    mask = attention_mask.astype(bool)[:, None, None, :]
    for number in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        query, key, value = (
            split(_dense(x, weights, f"{name}.attention.self.{part}"))
            for part in ("query", "key", "value")
        )
        attended = jax.nn.dot_product_attention(query, key, value, mask=mask)
        attended = _dense(attended.reshape(x.shape), weights, f"{name}.attention.output.dense")
        x = normalized(attended + x, f"{name}.attention.output.LayerNorm")
        between = _dense(x, weights, f"{name}.intermediate.dense")
        between = jax.nn.gelu(between, approximate=False)
        between = _dense(between, weights, f"{name}.output.dense")
        x = normalized(between + x, f"{name}.output.LayerNorm")
    return x


def _conv_batch_norm(x, weights: Arrays, name: str, stride: int, epsilon: float, symmetric: bool):
    """A convolution without bias, and batch normalisation.

    Args:
        symmetric: Pad both ends alike, as PyTorch does; else by TensorFlow's rule SAME.
    """
    kernel = weights[f"{name}.convolution.weight"]
    half = kernel.shape[0] // 2
    # A filter a channel stands as that many groups.
    groups = x.shape[-1] if plan.depthwise(name) else 1
    x = lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(half, half)] * 2 if symmetric else "SAME",
        dimension_numbers=NHWC,
        feature_group_count=groups,
    )
    weight, bias, mean, variance = (weights[f"{name}.normalization.{part}"] for part in PARTS)
    return (x - mean) * (lax.rsqrt(variance + epsilon) * weight) + bias


def _dense(x, weights: Arrays, name: str):
    """A product with a matrix, and a bias."""
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
