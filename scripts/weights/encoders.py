"""Networks that PyTorch builds, from any source, stored as `runtimes.network` reads them."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from runtimes.network import (
    FACTORY,
    FAMILIES,
    FAMILY,
    TASKS,
    TRANSFORMERS,
    Network,
    check_reference,
    inputs_of,
)
from runtimes.networks.plan import check
from runtimes.networks.pytorch import CLASSES, OPTIONS, named_tensors, wrap
from weights import WeightsError, factories, heads

# Samples of sound where the entry says nothing: one second at the usual 16 kHz.
SAMPLES = 16000


def write_network(ready: Path, sequence_length: int | None, out: Path, seed: int) -> Network:
    """Writes network.json, weights.npz and reference.npz of a prepared model.

    Args:
        ready: The `model.json` that the model's rule wrote.
        sequence_length: Of text in tokens, of sound in samples; None for the usual.
        out: The network.json to write.
        seed: Of the inputs of the parity check.

    Raises:
        WeightsError: It cannot be loaded whole, does not fit its task, or cannot compute.
    """
    record = json.loads(ready.read_text(encoding="utf-8"))
    name = record["name"]
    try:
        if record["source"] == "torch":
            module, facts = factories.load_network(record, ready.parent)
        else:
            folder = Path(ready.parent, record["weights"])
            module, facts = _load_transformers(record, folder, sequence_length)
        weights = {
            name: tensor.numpy()
            for name, tensor in module.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        facts |= {
            "name": name,
            "parameters": sum(p.numel() for p in module.parameters()),
            # Of a factory other code makes another network, whatever its weights.
            "sha256": _digest(weights, facts["built"] if facts["kind"] == FACTORY else None),
        }
        network = Network(folder=out.parent, **facts)
        arrays = compute_reference(module.eval(), network, seed)
    # Whatever the libraries or a user's module raise is what is wrong with this model.
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{name}: {why.removeprefix(f'{name}: ')}") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out.parent / "weights.npz", **weights)
    np.savez(out.parent / "reference.npz", **arrays)
    out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return network


def compute_reference(
    module: torch.nn.Module, network: Network, seed: int
) -> dict[str, np.ndarray]:
    """Inputs and PyTorch's outputs for each batch of the parity check.

    Raises:
        ValueError: An output has values that are no numbers, so that nothing can be compared.
    """
    arrays = {}
    one = wrap(module, network)
    for batch in network.parity_batches:
        inputs = network.random_inputs(batch, seed, padded=True)
        arrays |= {f"{batch}:{name}": array for name, array in inputs.items()}
        with torch.inference_mode():
            output = one(*(torch.from_numpy(array) for array in inputs.values()))
        output = output[0] if isinstance(output, tuple) else output
        arrays[f"{batch}:output"] = output.float().numpy()
        check_reference(arrays[f"{batch}:output"], batch)
    return arrays


def _load_transformers(
    record: dict[str, Any], folder: Path, length: int | None
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The module of a folder in the layout of the hub, and the network's facts."""
    config = transformers.AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    family, task = config.model_type, record["task"]
    facts: dict[str, Any] = {"family": family, "config": _plain(config), "notes": []}
    only = _only_pytorch(record["name"], family, task, facts["config"])
    if only is None:
        cls, options = CLASSES[family], OPTIONS.get(family, {})
    else:
        cls, options = heads.model_class(config, task)
    facts |= {"kind": FAMILY if only is None else TRANSFORMERS, "only": only}
    if FAMILIES.get(family) == task:
        facts["inputs"] = inputs_of(family, config.to_dict(), length or 128)
        facts["output"] = TASKS[task][1]
    if record["source"] == "init":
        module = build_seeded(cls, options, config, record["seed"])
    else:
        module = heads.load_model(cls, options, folder, facts["notes"])
    if only is None:
        return module, facts | {"built": {}}
    if "inputs" not in facts:
        facts["inputs"] = _input_specs(cls, module, config, length)
    facts["built"] = {"class": cls.__name__, "options": options, "by_name": True}
    return module, describe(module, facts, TASKS[task][1])


def describe(module: torch.nn.Module, facts: dict[str, Any], output: str | None) -> dict[str, Any]:
    """The facts of a network with its outputs, as one inference shows them.

    Args:
        output: The one to compare; None for the first.

    Raises:
        ValueError: It cannot compute on such inputs, or has no such output.
    """
    blank = {"name": "", "output": "", "parameters": 0, "sha256": ""}
    trial = Network(folder=Path(), **{**blank, **facts})
    drawn = trial.random_inputs(2, seed=0)
    inputs = {name: torch.from_numpy(array) for name, array in drawn.items()}
    by_name = facts["built"]["by_name"]
    try:
        with torch.inference_mode():
            result = module(**inputs) if by_name else module(*inputs.values())
    except Exception as error:
        shown = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in inputs.items())
        raise ValueError(f"it cannot compute on {shown}: {type(error).__name__}: {error}") from None
    found = dict(named_tensors(result))
    if not found:
        raise ValueError(f"it returned a {type(result).__name__} without a tensor")
    floating = [name for name, tensor in found.items() if tensor.is_floating_point()]
    chosen = output if output is not None else (floating or list(found))[0]
    if chosen not in found:
        raise ValueError(f"output: there is no '{chosen}' (there are: {', '.join(found)})")
    outputs = [chosen, *(name for name in found if name != chosen)]
    notes = [*facts["notes"]]
    if output is None and len(outputs) > 1:
        notes.append(f"of its outputs {', '.join(found)} it is {chosen} that is compared")
    built = {**facts["built"], "outputs": outputs}
    return {**facts, "built": built, "output": chosen, "notes": notes}


def build_seeded(
    cls: type, options: dict[str, Any], config: transformers.PretrainedConfig, seed: int
) -> torch.nn.Module:
    """A network with weights from a seed, and statistics of the batch normalisation too: those of
    a new network (mean 0, variance 1) would hide a wrong layout or epsilon."""
    torch.manual_seed(seed)
    module = cls(config, **options)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias, 0, 0.1)
    return module


def _only_pytorch(name: str, family: str, task: str, config: dict[str, Any]) -> str | None:
    """Why PyTorch alone can build a model of transformers; None where every framework can."""
    if FAMILIES.get(family) != task:
        return f"for {task} a {family} is built by PyTorch alone (transformers)"
    blank = {"inputs": {}, "output": "", "parameters": 0, "sha256": ""}
    try:
        check(Network(folder=Path(), name=name, family=family, config=config, **blank))
    except ValueError as error:
        return (
            f"{str(error).removeprefix(f'{name}: ')}; PyTorch alone builds another (transformers)"
        )
    return None


def _input_specs(
    cls: type, module: torch.nn.Module, config: transformers.PretrainedConfig, length: int | None
) -> dict[str, Any]:
    """What a model of transformers reads, by its main input.

    Raises:
        ValueError: It cannot read so long a sequence.
    """
    main = cls.main_input_name
    if main == "pixel_values":
        size = getattr(config, "image_size", None) or 224
        height, width = size if isinstance(size, list | tuple) else (size, size)
        channels = getattr(config, "num_channels", None) or 3
        return {main: {"shape": [channels, height, width], "dtype": "float32"}}
    if main == "input_values":
        return {main: {"shape": [length or SAMPLES], "dtype": "float32"}}
    length = length or 128
    limit = heads.max_positions(module, config)
    if limit is not None and length > limit:
        raise ValueError(f"sequence_length: {length} is more than its {limit} positions")
    spec = {"shape": [length], "dtype": "int64"}
    inputs = {main: {**spec, "below": config.vocab_size}}
    taken = inspect.signature(cls.forward).parameters
    if "attention_mask" in taken:
        inputs["attention_mask"] = spec
    types = getattr(config, "type_vocab_size", 0) or 0
    if "token_type_ids" in taken and types > 1:
        inputs["token_type_ids"] = {**spec, "below": types}
    return inputs


def _plain(config: transformers.PretrainedConfig) -> dict[str, Any]:
    """The fields, without where on this machine they were read from."""
    return {k: v for k, v in config.to_dict().items() if k != "_name_or_path"}


def _digest(weights: dict[str, np.ndarray], built: dict[str, Any] | None) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    if built is not None:
        recipe = {key: value for key, value in built.items() if key not in ("path", "packages")}
        digest.update(json.dumps(recipe, sort_keys=True).encode())
    return digest.hexdigest()
