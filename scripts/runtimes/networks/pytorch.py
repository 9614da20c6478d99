"""The networks in PyTorch: transformers' own classes or the user's modules, positional inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import transformers

from runtimes.network import FACTORY, TRANSFORMERS, Network
from runtimes.networks import factory

CLASSES = {
    "resnet": transformers.ResNetForImageClassification,
    "mobilenet_v2": transformers.MobileNetV2ForImageClassification,
    "bert": transformers.BertModel,
}
# The pooler is no part of what the exports compute.
OPTIONS = {"bert": {"add_pooling_layer": False}}


class OneOutput(torch.nn.Module):
    """Tensors in, one tensor out: the form that exporters and the session's loop take."""

    def __init__(self, network: torch.nn.Module, names: list[str], output: str) -> None:
        super().__init__()
        self.network = network
        self._names = names
        self._output = output

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.network(**dict(zip(self._names, inputs, strict=True)))[self._output]


class AllOutputs(torch.nn.Module):
    """Tensors in, all its tensors out, the one that is compared first.

    An exporter leaves out what nothing asks for, and the framework computes it all the same: with
    one output alone the two would be compared on different work.
    """

    def __init__(
        self, network: torch.nn.Module, names: Sequence[str] | None, outputs: Sequence[str]
    ) -> None:
        """
        Args:
            names: Of the inputs, given by name; None where they are given by place.
            outputs: See `tensors`.
        """
        super().__init__()
        self.network = network
        self._names = names
        self._outputs = outputs

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        if self._names is None:
            result = self.network(*inputs)
        else:
            result = self.network(**dict(zip(self._names, inputs, strict=True)))
        found = dict(named_tensors(result))
        return tuple(found[name] for name in self._outputs)


def named_tensors(result: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in what a module returns, by their path (`logits`, `0`, `aux.1`); `output` where
    it is one tensor."""
    if isinstance(result, torch.Tensor):
        yield path or "output", result
        return
    if isinstance(result, Mapping):
        items = [(str(key), value) for key, value in result.items()]
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        items = list(zip(result._fields, result, strict=True))
    elif isinstance(result, tuple | list):
        items = [(str(number), value) for number, value in enumerate(result)]
    else:
        return
    for key, value in items:
        yield from named_tensors(value, f"{path}.{key}" if path else key)


def build_blank(family: str, config: transformers.PretrainedConfig) -> torch.nn.Module:
    """A network of the family, its weights not yet set."""
    return CLASSES[family](config, **OPTIONS.get(family, {}))


def build(network: Network) -> OneOutput | AllOutputs:
    """The network with its weights, in evaluation mode.

    Raises:
        ValueError: It cannot be built, or is another than the weights are of.
    """
    if network.kind == FACTORY:
        module = factory.make_module(network.built).module
    else:
        fields = {k: v for k, v in network.config.items() if k != "model_type"}
        config = transformers.AutoConfig.for_model(network.family, **fields)
        if network.kind == TRANSFORMERS:
            named = getattr(transformers, network.built["class"])
            module = named(config, **network.built["options"])
        else:
            module = build_blank(network.family, config)
    weights = {name: torch.from_numpy(array) for name, array in network.weights().items()}
    module.load_state_dict(weights, strict=True)
    return wrap(module, network).eval()


def wrap(module: torch.nn.Module, network: Network) -> OneOutput | AllOutputs:
    """A module in the form that exporters and the session's loop take."""
    names = list(network.inputs)
    if network.kind not in (TRANSFORMERS, FACTORY):
        return OneOutput(module, names, network.output)
    return AllOutputs(module, names if network.built["by_name"] else None, network.built["outputs"])
