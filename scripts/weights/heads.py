"""Which class of transformers a model is of for its task, and what of its weights has no place."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from runtimes.network import TASKS

# Tensors of old checkpoints that a network makes anew by itself: no part of a head.
RECOMPUTED = ("position_ids", "num_batches_tracked", "relative_position_index", "attn_mask")


def model_class(
    config: transformers.PretrainedConfig, task: str
) -> tuple[type[transformers.PreTrainedModel], dict[str, Any]]:
    """The class of a model for a task, and the options of its making.

    Raises:
        ValueError: The model is not for that task.
    """
    family = config.model_type
    if config.is_encoder_decoder:
        raise ValueError(
            f"task: a {family} is an encoder with a decoder; this study measures one forward pass"
        )
    causal = family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if getattr(config, "is_decoder", False) or (
        causal and family not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    ):
        raise ValueError(
            f"task: a {family} generates text (task: text-generation, the study of phases); it is"
            f" not for {task}"
        )
    cls = _mapped_class(config, task)
    if cls is None or cls.main_input_name not in TASKS[task][2]:
        fits = [
            t for t in TASKS if (c := _mapped_class(config, t)) and c.main_input_name in TASKS[t][2]
        ]
        raise ValueError(
            f"task: a {family} is not for {task}"
            + (f" (it is for {' or '.join(fits)})" if fits else "")
        )
    # A pooler is a head too, and many checkpoints have none.
    taken = inspect.signature(cls.__init__).parameters
    bare = "add_pooling_layer" in taken and TASKS[task][0] == "AutoModel"
    return cls, {"add_pooling_layer": False} if bare else {}


def _mapped_class(config: transformers.PretrainedConfig, task: str) -> Any:
    mapping = getattr(transformers, TASKS[task][0])._model_mapping
    if type(config) not in mapping:
        return None
    found = mapping[type(config)]
    return found[0] if isinstance(found, tuple | list) else found


def load_model(
    cls: type, options: dict[str, Any], folder: Path, notes: list[str]
) -> transformers.PreTrainedModel:
    """The model with the weights of a folder; what of them it has no place for goes to `notes`.

    Raises:
        ValueError: Weights are missing, or of another shape.
    """
    module, info = cls.from_pretrained(
        folder,
        output_loading_info=True,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        **options,
    )
    if info["missing_keys"]:
        # transformers fills them with random numbers and goes on.
        first = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} tensors are missing, as {first}")
    if (note := describe_dropped(info["unexpected_keys"], cls)) is not None:
        notes.append(note)
    return module


def describe_dropped(unexpected: Iterable[str], cls: type) -> str | None:
    """The heads of a checkpoint that a class leaves out, in words; None where it leaves none."""
    prefix = f"{getattr(cls, 'base_model_prefix', '')}."
    names = sorted(name.removeprefix(prefix) for name in unexpected)
    counts = Counter(n.split(".")[0] for n in names if not n.endswith(RECOMPUTED))
    if not counts:
        return None
    parts = ", ".join(f"{name} ({count} tensors)" for name, count in counts.items())
    return f"of the weights this is not measured, as {cls.__name__} has no place for it: {parts}"


def max_positions(module: torch.nn.Module, config: transformers.PretrainedConfig) -> int | None:
    """The longest sequence that a model of text takes; None where nothing says."""
    limit = getattr(config, "max_position_embeddings", None)
    for name, layer in module.named_modules():
        if name.endswith("position_embeddings") and isinstance(layer, torch.nn.Embedding):
            # RoBERTa counts its positions from behind that of padding.
            before = 0 if layer.padding_idx is None else layer.padding_idx + 1
            return layer.num_embeddings - before
    return limit
