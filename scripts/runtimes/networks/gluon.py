"""The networks in MXNet: a Gluon block of plain operators, all of which mx2onnx translates. NCHW.

The operators are those that Gluon's layers call; the parameters keep the names of the weights.
"""

from __future__ import annotations

import math

import mxnet as mx
import numpy as np
from mxnet import sym

from runtimes.network import Network
from runtimes.networks import plan


class Parameters:
    """The parameters of a block: variables of its graph, with the arrays that they get."""

    def __init__(self, weights: plan.Weights) -> None:
        self.weights = weights
        self.arrays: dict[str, np.ndarray] = {}

    def __call__(self, name: str, rows: int | None = None) -> tuple[sym.Symbol, np.ndarray]:
        """A weight as a variable, and its array, of which only the first rows are kept."""
        self.arrays[name] = self.weights.take(name)[:rows]
        return sym.var(name), self.arrays[name]


def build(network: Network, context: mx.Context) -> mx.gluon.SymbolBlock:
    """The network with its weights; inputs in the order of the network's, and one output."""
    plan.check(network)
    parameters = Parameters(plan.Weights(network))
    inputs = {name: sym.var(name, dtype=spec["dtype"]) for name, spec in network.inputs.items()}
    output = {"resnet": _resnet, "mobilenet_v2": _mobilenet, "bert": _bert}[network.family](
        network, parameters, **inputs
    )
    parameters.weights.finish()
    block = mx.gluon.SymbolBlock(output, list(inputs.values()))
    for name, parameter in block.collect_params().items():
        parameter.shape = parameters.arrays[name].shape
        parameter.initialize(mx.init.Zero(), ctx=context)
        parameter.set_data(mx.nd.array(parameters.arrays[name], dtype="float32"))
    return block


def _resnet(network: Network, parameters: Parameters, pixel_values):
    """ResNet of basic or bottleneck blocks."""

    def normalized(x, name: str, stride: int = 1):
        return _conv_batch_norm(x, parameters, name, stride, plan.RESNET_EPSILON)

    x = sym.relu(normalized(pixel_values, "resnet.embedder.embedder", 2))
    x = sym.Pooling(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    for name, stride, strides in plan.resnet_blocks(network.config):
        residual = x
        if f"{name}.shortcut.convolution.weight" in parameters.weights:
            residual = normalized(x, f"{name}.shortcut", stride)
        for number, its_stride in enumerate(strides):
            x = x if number == 0 else sym.relu(x)
            x = normalized(x, f"{name}.layer.{number}", its_stride)
        x = sym.relu(x + residual)
    return _dense(_global_average_pool(x), parameters, "classifier.1")


def _mobilenet(network: Network, parameters: Parameters, pixel_values):
    """MobileNetV2 of any width."""
    size = np.array(network.inputs["pixel_values"]["shape"][1:])
    epsilon = network.config["layer_norm_eps"]

    def normalized(x, name: str, stride: int = 1, active: bool = True):
        nonlocal size
        x = _conv_batch_norm(x, parameters, name, stride, epsilon, tuple(size))
        size = -(-size // stride)
        return sym.clip(x, 0, 6) if active else x

    stem = "mobilenet_v2.conv_stem"
    x = normalized(pixel_values, f"{stem}.first_conv", 2)
    if f"{stem}.expand_1x1.convolution.weight" in parameters.weights:
        x = normalized(x, f"{stem}.expand_1x1")
    x = normalized(x, f"{stem}.conv_3x3")
    x = normalized(x, f"{stem}.reduce_1x1", active=False)
    for name, stride in plan.mobilenet_blocks():
        residual = x
        x = normalized(x, f"{name}.expand_1x1")
        x = normalized(x, f"{name}.conv_3x3", stride)
        x = normalized(x, f"{name}.reduce_1x1", active=False)
        expand, _, reduce = (
            parameters.arrays[f"{name}.{part}.convolution.weight"]
            for part in ("expand_1x1", "conv_3x3", "reduce_1x1")
        )
        if stride == 1 and expand.shape[1] == reduce.shape[0]:
            x = residual + x
    x = normalized(x, "mobilenet_v2.conv_1x1")
    return _dense(_global_average_pool(x), parameters, "classifier")


def _bert(network: Network, parameters: Parameters, input_ids, attention_mask, token_type_ids):
    """BERT's encoder, without the pooler; the number of tokens is fixed, as mx2onnx needs it."""
    epsilon = network.config["layer_norm_eps"]
    heads = network.config["num_attention_heads"]
    (length,) = network.inputs["input_ids"]["shape"]

    def embedded(tokens, name: str):
        table, array = parameters(f"embeddings.{name}.weight")
        rows, width = array.shape
        return sym.Embedding(tokens, table, input_dim=rows, output_dim=width)

    def normalized(x, name: str):
        gamma, _ = parameters(f"{name}.weight")
        beta, _ = parameters(f"{name}.bias")
        return sym.LayerNorm(x, gamma, beta, axis=-1, eps=epsilon)

    x = embedded(input_ids, "word_embeddings")
    x = x + embedded(token_type_ids, "token_type_embeddings")
    positions, array = parameters("embeddings.position_embeddings.weight", length)
    shape = array.shape
    x = normalized(sym.broadcast_add(x, sym.expand_dims(positions, 0)), "embeddings.LayerNorm")
    # Nothing for a token that counts, and so little for padding that its weight becomes zero.
    bias = (sym.cast(attention_mask, "float32") - 1.0) * 1e9
    bias = sym.reshape(bias, (-1, 1, 1, length))
    for number in range(network.config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        attended = _attention(x, bias, heads, shape, parameters, f"{name}.attention")
        x = normalized(attended + x, f"{name}.attention.output.LayerNorm")
        between = _dense(x, parameters, f"{name}.intermediate.dense", flatten=False)
        between = sym.LeakyReLU(between, act_type="gelu")
        between = _dense(between, parameters, f"{name}.output.dense", flatten=False)
        x = normalized(between + x, f"{name}.output.LayerNorm")
    return x


def _attention(x, bias, heads: int, shape: tuple[int, int], parameters: Parameters, name: str):
    """Attention of every token to every token; the heads are stacked on the batch."""
    length, width = shape
    size = width // heads

    def split(part: str):
        y = _dense(x, parameters, f"{name}.self.{part}", flatten=False)
        y = sym.reshape(y, (-1, length, heads, size))
        return sym.reshape(sym.transpose(y, (0, 2, 1, 3)), (-1, length, size))

    query, key, value = split("query"), split("key"), split("value")
    scores = sym.batch_dot(query, key, transpose_b=True) * (1 / math.sqrt(size))
    scores = sym.broadcast_add(sym.reshape(scores, (-1, heads, length, length)), bias)
    weighed = sym.reshape(sym.softmax(scores, axis=-1), (-1, length, length))
    y = sym.reshape(sym.batch_dot(weighed, value), (-1, heads, length, size))
    y = sym.reshape(sym.transpose(y, (0, 2, 1, 3)), (-1, length, width))
    return _dense(y, parameters, f"{name}.output.dense", flatten=False)


def _conv_batch_norm(
    x,
    parameters: Parameters,
    name: str,
    stride: int,
    epsilon: float,
    same: tuple[int, int] | None = None,
):
    """A convolution without bias, and batch normalisation.

    Args:
        same: The height and width of x, to pad by TensorFlow's rule SAME; else both ends of an
            axis are padded alike, as PyTorch does.
    """
    weight, array = parameters(f"{name}.convolution.weight")
    filters, _, kernel, _ = array.shape
    padding = (kernel // 2, kernel // 2)
    if same is not None:
        ends = [plan.same_padding(size, kernel, stride) for size in same]
        padding = tuple(before for before, _ in ends)
        if any(before != after for before, after in ends):
            # MXNet's convolution pads both ends alike.
            padding = (0, 0)
            around = (0, 0, 0, 0, *ends[0], *ends[1])
            x = sym.pad(x, mode="constant", pad_width=around, constant_value=0)
    x = sym.Convolution(
        x,
        weight,
        no_bias=True,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        pad=padding,
        num_filter=filters,
        num_group=filters if plan.depthwise(name) else 1,
        layout="NCHW",
    )
    parts = ("weight", "bias", "running_mean", "running_var")
    statistics = [parameters(f"{name}.normalization.{part}")[0] for part in parts]
    return sym.BatchNorm(x, *statistics, eps=epsilon, fix_gamma=False)


def _global_average_pool(x):
    """The mean of each channel."""
    return sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg")


def _dense(x, parameters: Parameters, name: str, flatten: bool = True):
    """A product with a matrix, and a bias."""
    weight, array = parameters(f"{name}.weight")
    bias, _ = parameters(f"{name}.bias")
    return sym.FullyConnected(x, weight, bias, num_hidden=len(array), flatten=flatten)
