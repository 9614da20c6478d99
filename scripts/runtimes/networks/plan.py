"""What a network's configuration leaves to its builders, the same in every framework. Only numpy.

transformers builds these families from code; what that code knows and the configuration does not
say (strides, epsilons, padding) stands here once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from runtimes.network import Network

# torch.nn.BatchNorm2d's, which ResNet's configuration does not name.
RESNET_EPSILON = 1e-5
MOBILENET_STRIDES = (2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
# Of the settings that change what is computed, those that can be built.
BUILDABLE = {
    "resnet": {"hidden_act": ("relu",), "layer_type": ("bottleneck", "basic")},
    "mobilenet_v2": {"hidden_act": ("relu6",), "tf_padding": (True,), "output_stride": (32,)},
    "bert": {
        "hidden_act": ("gelu",),
        "position_embedding_type": ("absolute",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
    },
}


class Weights:
    """The tensors of a network, each taken once."""

    def __init__(self, network: Network) -> None:
        self._network = network.name
        self._left = network.weights()

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> np.ndarray:
        """A tensor by its name.

        Raises:
            ValueError: There is none (left) of that name.
        """
        if name not in self._left:
            raise ValueError(
                f"{self._network}: its configuration asks for a weight {name} that is not there"
            )
        return self._left.pop(name)

    def finish(self) -> None:
        """Raises ValueError where a tensor was not taken: another network was built."""
        if self._left:
            raise ValueError(
                f"{self._network}: {len(self._left)} weights have no place in the network, such as"
                f" {min(self._left)}"
            )


def check(network: Network) -> None:
    """Raises ValueError, in one line, where a network cannot be built from its configuration."""
    if network.family not in BUILDABLE:
        raise ValueError(f"{network.name}: {network.family} is none of {', '.join(BUILDABLE)}")
    for field, wanted in BUILDABLE[network.family].items():
        found = network.config.get(field, wanted[0])
        if found not in wanted:
            raise ValueError(
                f"{network.name}: {field} is {found!r}; what can be built is"
                f" {' or '.join(map(repr, wanted))}"
            )
    width, heads = (network.config.get(f) for f in ("hidden_size", "num_attention_heads"))
    if heads and width % heads:
        raise ValueError(f"{network.name}: {heads} heads do not divide a hidden_size of {width}")


def resnet_blocks(config: dict[str, Any]) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Of each residual block: its name, its stride, and those of its convolutions."""
    for stage, depth in enumerate(config["depths"]):
        for layer in range(depth):
            halves = layer == 0 and (stage > 0 or config["downsample_in_first_stage"])
            stride = 2 if halves else 1
            if config["layer_type"] == "basic":
                strides = (stride, 1)
            elif config["downsample_in_bottleneck"]:
                strides = (stride, 1, 1)
            else:
                strides = (1, stride, 1)
            yield f"resnet.encoder.stages.{stage}.layers.{layer}", stride, strides


def mobilenet_blocks() -> Iterator[tuple[str, int]]:
    """Of each inverted residual behind the stem: its name and its stride."""
    for number, stride in enumerate(MOBILENET_STRIDES):
        yield f"mobilenet_v2.layer.{number}", stride


def depthwise(name: str) -> bool:
    """Whether a convolution has a filter a channel; with one channel its shape does not tell."""
    return name.endswith(".conv_3x3")


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis, by TensorFlow's rule SAME; the odd one comes after."""
    total = max(kernel - (size % stride or stride), 0)
    return total // 2, total - total // 2
