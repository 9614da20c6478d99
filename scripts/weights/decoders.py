"""What a configuration says of a language model: whether it decodes text, and how much of it."""

from __future__ import annotations

import inspect

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.generation.utils import GenerationMixin

# Where families keep the most tokens that they take; transformers maps some to the first.
LIMITS = (
    *("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_seq_length"),
    *("max_sequence_length", "model_max_length", "max_target_positions", "seq_length"),
)


def why_not_decoder(kind: type[PreTrainedModel], config: PreTrainedConfig) -> str | None:
    """Why transformers' `generate` does not make text by a model of this class as by a decoder,
    token by token; None where it does."""
    name = kind.__name__
    if config.is_encoder_decoder:
        return f"{config.model_type} is an encoder and a decoder: no prompt that goes on as output"
    if not issubclass(kind, GenerationMixin):
        return f"{name} is no model that transformers generates text with"
    if kind.generate is not GenerationMixin.generate:
        return f"{name} generates in a way of its own"
    # Families of encoders say in their language model's code what makes a decoder of it. Others
    # have the same switch by inheritance and never read it.
    if getattr(config, "is_decoder", None) is False and "is_decoder=True" in inspect.getsource(
        kind
    ):
        return f"{name} is an encoder here: is_decoder is not true in its configuration"
    return None


def stated_limit(config: PreTrainedConfig) -> int | None:
    """The most tokens of prompt and output that a configuration states; None where it states none,
    as of recurrent models, and where a bias by distance stands for positions (ALiBi)."""
    config = config.get_text_config(decoder=True)
    if config.model_type == "bloom" or getattr(config, "alibi", False):
        return None
    stated = (getattr(config, name, None) for name in LIMITS)
    return next((limit for limit in stated if isinstance(limit, int) and limit > 0), None)


def context_limit(model: PreTrainedModel) -> int | None:
    """The most tokens of prompt and output that a model takes; None where nothing limits them."""
    limit = stated_limit(model.config)
    tables = [
        module
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
    ]
    # As RoBERTa: positions are counted from behind the one that stands for padding.
    behind = [t.num_embeddings - t.padding_idx - 1 for t in tables if t.padding_idx is not None]
    return limit and min([limit, *behind])
