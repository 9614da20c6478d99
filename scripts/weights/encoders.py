"""Encoders (of images and of text) from any source, stored as `runtimes.network` reads them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import SafetensorError

from runtimes.network import FAMILIES, PARITY_BATCHES, Network, inputs_of
from runtimes.networks.plan import check
from runtimes.networks.pytorch import CLASSES, OPTIONS, OneOutput, blank
from weights import WeightsError

OUTPUTS = {"image-classification": "logits", "feature-extraction": "last_hidden_state"}


def write_network(ready: Path, sequence_length: int, out: Path, seed: int) -> Network:
    """Writes network.json, weights.npz and reference.npz of a prepared model.

    Args:
        ready: The `model.json` that the model's rule wrote.
        sequence_length: Of text encoders, in tokens.
        out: The network.json to write.
        seed: Of the inputs of the parity check.

    Raises:
        WeightsError: It cannot be loaded whole, or is of a family that the frameworks do not have.
    """
    record = json.loads(ready.read_text())
    folder = Path(ready.parent, record["weights"])
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        family = _family(config)
        inputs = inputs_of(family, config.to_dict(), sequence_length)
        if record["source"] == "init":
            module = seeded(family, config, record["seed"])
        else:
            module = _loaded(family, folder)
        weights = {
            name: tensor.numpy()
            for name, tensor in module.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        facts = {
            "name": record["name"],
            "family": family,
            "config": _plain(config),
            "inputs": inputs,
            "output": OUTPUTS[FAMILIES[family]],
            "parameters": sum(p.numel() for p in module.parameters()),
            "sha256": _digest(weights),
        }
        network = Network(folder=out.parent, **facts)
        check(network)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())[:300]
        name = record["name"]
        raise WeightsError(f"{name}: {why.removeprefix(f'{name}: ')}") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out.parent / "weights.npz", **weights)
    np.savez(out.parent / "reference.npz", **reference(module.eval(), network, seed))
    out.write_text(json.dumps(facts, indent=1) + "\n")
    return network


def reference(module: torch.nn.Module, network: Network, seed: int) -> dict[str, np.ndarray]:
    """Inputs and PyTorch's outputs for each batch of the parity check."""
    arrays = {}
    one = OneOutput(module, list(network.inputs), network.output)
    for batch in PARITY_BATCHES:
        inputs = network.random_inputs(batch, seed, padded=True)
        arrays |= {f"{batch}:{name}": array for name, array in inputs.items()}
        with torch.inference_mode():
            output = one(*(torch.from_numpy(array) for array in inputs.values()))
        arrays[f"{batch}:output"] = output.numpy()
    return arrays


def seeded(family: str, config: transformers.PretrainedConfig, seed: int) -> torch.nn.Module:
    """A network with weights from a seed, and statistics of the batch normalisation too: those of
    a new network (mean 0, variance 1) would hide a wrong layout or epsilon."""
    torch.manual_seed(seed)
    module = blank(family, config)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    return module


def _family(config: transformers.PretrainedConfig) -> str:
    family = config.model_type
    if family not in FAMILIES:
        raise ValueError(
            f"model_type '{family}' is in no framework's module here (there are:"
            f" {', '.join(FAMILIES)})"
        )
    return family


def _loaded(family: str, folder: Path) -> torch.nn.Module:
    module, info = CLASSES[family].from_pretrained(
        folder,
        output_loading_info=True,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        **OPTIONS.get(family, {}),
    )
    if info["missing_keys"]:
        # transformers fills them with random numbers and goes on.
        first = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} tensors are missing, as {first}")
    return module


def _plain(config: transformers.PretrainedConfig) -> dict[str, Any]:
    """The fields, without where on this machine they were read from."""
    return {k: v for k, v in config.to_dict().items() if k != "_name_or_path"}


def _digest(weights: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
