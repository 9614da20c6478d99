"""The networks in PyTorch: transformers' own classes, with positional inputs and one output."""

from __future__ import annotations

import torch
import transformers

from runtimes.network import Network

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


def blank(family: str, config: transformers.PretrainedConfig) -> torch.nn.Module:
    """A network of the family, its weights not yet set."""
    return CLASSES[family](config, **OPTIONS.get(family, {}))


def build(network: Network) -> OneOutput:
    """The network with its weights, in evaluation mode."""
    fields = {k: v for k, v in network.config.items() if k != "model_type"}
    config = transformers.AutoConfig.for_model(network.family, **fields)
    module = blank(network.family, config)
    weights = {name: torch.from_numpy(array) for name, array in network.weights().items()}
    module.load_state_dict(weights, strict=True)
    return OneOutput(module, list(network.inputs), network.output).eval()
