"""The networks in Keras 3: the functional API, images as NHWC."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers, ops

from runtimes.network import Network
from runtimes.networks import plan

# Explicit, because a keras.json in the home folder may say otherwise.
NHWC = "channels_last"


class Positions(keras.Layer):
    """Adds to each token the vector of its place."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x):
        return x + self.table


def build(network: Network) -> keras.Model:
    """The network with its weights; inputs by the network's names, and one output."""
    plan.check(network)
    keras.config.set_floatx("float32")
    inputs = {}
    for name, spec in network.inputs.items():
        shape = spec["shape"]
        # Images come as NCHW from the network's description.
        shape = [*shape[1:], shape[0]] if len(shape) == 3 else shape
        inputs[name] = keras.Input(shape, dtype=spec["dtype"], name=name)
    weights = plan.Weights(network)
    output = {"resnet": _resnet, "mobilenet_v2": _mobilenet, "bert": _bert}[network.family](
        network, weights, **inputs
    )
    weights.finish()
    return keras.Model(list(inputs.values()), output, name=network.family)


def _resnet(network: Network, weights: plan.Weights, pixel_values):
    """ResNet of basic or bottleneck blocks."""

    def normalized(x, name: str, stride: int = 1):
        return _conv_batch_norm(x, weights, name, stride, plan.RESNET_EPSILON, symmetric=True)

    x = layers.ReLU()(normalized(pixel_values, "resnet.embedder.embedder", 2))
    # Zeros are as good as PyTorch's minus infinities here: no value is below zero.
    x = layers.ZeroPadding2D(1, data_format=NHWC)(x)
    x = layers.MaxPooling2D(3, 2, data_format=NHWC)(x)
    for name, stride, strides in plan.resnet_blocks(network.config):
        residual = x
        if f"{name}.shortcut.convolution.weight" in weights:
            residual = normalized(x, f"{name}.shortcut", stride)
        for number, its_stride in enumerate(strides):
            x = x if number == 0 else layers.ReLU()(x)
            x = normalized(x, f"{name}.layer.{number}", its_stride)
        x = layers.ReLU()(layers.Add()([x, residual]))
    x = layers.GlobalAveragePooling2D(data_format=NHWC)(x)
    return _dense(x, weights, "classifier.1")


def _mobilenet(network: Network, weights: plan.Weights, pixel_values):
    """MobileNetV2 of any width."""

    def normalized(x, name: str, stride: int = 1, active: bool = True):
        epsilon = network.config["layer_norm_eps"]
        x = _conv_batch_norm(x, weights, name, stride, epsilon, symmetric=False)
        return layers.ReLU(6.0)(x) if active else x

    stem = "mobilenet_v2.conv_stem"
    x = normalized(pixel_values, f"{stem}.first_conv", 2)
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
            x = layers.Add()([residual, x])
    x = normalized(x, "mobilenet_v2.conv_1x1")
    x = layers.GlobalAveragePooling2D(data_format=NHWC)(x)
    return _dense(x, weights, "classifier")


def _bert(network: Network, weights: plan.Weights, input_ids, attention_mask, token_type_ids):
    """BERT's encoder, without the pooler."""
    epsilon = network.config["layer_norm_eps"]
    heads = network.config["num_attention_heads"]
    length = input_ids.shape[1]

    def embedded(tokens, name: str):
        return _embedding(tokens, weights.take(f"embeddings.{name}.weight"))

    def normalized(x, name: str):
        layer = layers.LayerNormalization(epsilon=epsilon)
        return _apply(layer, x, *_pair(weights, name))

    words = embedded(input_ids, "word_embeddings")
    x = layers.Add()([words, embedded(token_type_ids, "token_type_embeddings")])
    positions = weights.take("embeddings.position_embeddings.weight")[:length]
    x = normalized(_apply(Positions(), x, positions), "embeddings.LayerNorm")
    mask = ops.cast(attention_mask, "bool")[:, None, :]
    for number in range(network.config["num_hidden_layers"]):
        name = f"encoder.layer.{number}"
        attended = _attention(x, mask, heads, weights, f"{name}.attention")
        x = normalized(layers.Add()([attended, x]), f"{name}.attention.output.LayerNorm")
        between = _gelu(_dense(x, weights, f"{name}.intermediate.dense"))
        between = _dense(between, weights, f"{name}.output.dense")
        x = normalized(layers.Add()([between, x]), f"{name}.output.LayerNorm")
    return x


def _attention(x, mask, heads: int, weights: plan.Weights, name: str):
    """Attention of every token to those that the mask lets count."""
    size = x.shape[-1] // heads
    arrays = []
    for part in ("query", "key", "value"):
        kernel, bias = _pair(weights, f"{name}.self.{part}")
        arrays += [kernel.T.reshape(-1, heads, size), bias.reshape(heads, size)]
    kernel, bias = _pair(weights, f"{name}.output.dense")
    arrays += [kernel.T.reshape(heads, size, -1), bias]
    layer = layers.MultiHeadAttention(heads, size)
    output = layer(x, x, attention_mask=mask)
    layer.set_weights(arrays)
    return output


def _gelu(x):
    """GELU by the error function: Keras' own becomes Erfc, which tf2onnx cannot convert."""
    return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2.0)))


def _conv_batch_norm(
    x, weights: plan.Weights, name: str, stride: int, epsilon: float, symmetric: bool
):
    """A convolution without bias, and batch normalisation.

    Args:
        symmetric: Pad both ends alike, as PyTorch does; else by TensorFlow's rule SAME.
    """
    kernel = weights.take(f"{name}.convolution.weight")
    size = kernel.shape[2]
    padding = "same"
    if symmetric and stride > 1:
        # With a stride, SAME puts fewer zeros before than after.
        padding = "valid"
        if size > 1:
            x = layers.ZeroPadding2D(size // 2, data_format=NHWC)(x)
    options = {"padding": padding, "use_bias": False, "data_format": NHWC}
    if plan.depthwise(name):
        convolution = layers.DepthwiseConv2D(size, stride, **options)
        x = _apply(convolution, x, kernel.transpose(2, 3, 0, 1))
    else:
        convolution = layers.Conv2D(len(kernel), size, stride, **options)
        x = _apply(convolution, x, kernel.transpose(2, 3, 1, 0))
    parts = ("weight", "bias", "running_mean", "running_var")
    arrays = [weights.take(f"{name}.normalization.{part}") for part in parts]
    return _apply(layers.BatchNormalization(epsilon=epsilon), x, *arrays)


def _dense(x, weights: plan.Weights, name: str):
    """A product with a matrix, and a bias."""
    kernel, bias = _pair(weights, name)
    return _apply(layers.Dense(len(bias)), x, kernel.T, bias)


def _embedding(tokens, table: np.ndarray):
    """The rows of a table."""
    return _apply(layers.Embedding(*table.shape), tokens, table)


def _pair(weights: plan.Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A layer's weight and bias."""
    return weights.take(f"{name}.weight"), weights.take(f"{name}.bias")


def _apply(layer: keras.Layer, x, *arrays: np.ndarray):
    """What a layer makes of x, with its weights set."""
    output = layer(x)
    layer.set_weights(arrays)
    return output
