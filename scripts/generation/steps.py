"""The forward passes of a model, each prepared as the model's own `generate` prepares it.

What a decoding step is given differs by family: a cache under one name or another, positions, a
state that the last pass gave, or all tokens again. So each pass goes through the model's own
methods, in the order of `generate` and `_sample` of transformers' `GenerationMixin`.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.generation.configuration_utils import GenerationMode
from transformers.generation.utils import GenerationMixin

from weights.decoders import why_not_decoder

# Layers of a cache that make new tensors in each step and leave those before as they are.
_GROWING = (DynamicLayer.update, DynamicSlidingWindowLayer.update)

# A mapping, a name in it, a value.
Place = tuple[dict[str, Any], str, Any]


@dataclasses.dataclass
class Context:
    """Where decoding stands.

    Attributes:
        ids: All tokens so far, shape (batch, length); of a plain context those of the last pass.
        keywords: What `generate` carries from pass to pass: cache, positions, flags; of a plain
            context what the last pass was given.
        plain: The next pass takes the new tokens, their positions and the same cache, as for most
            families, and needs no preparation.
        held: What the model's modules keep themselves, in a copy: see `Steps.snapshot`.
    """

    ids: torch.Tensor
    keywords: dict[str, Any]
    plain: bool = False
    held: Sequence[Place] = ()


class Steps:
    """A model's passes.

    Args:
        model: In evaluation mode, on its device.

    Raises:
        ValueError: transformers' `generate` does not make text of it as of a decoder.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        if (why := why_not_decoder(type(model), model.config)) is not None:
            raise ValueError(why)
        self._model = model
        takes = inspect.signature(model.forward).parameters
        self._masked = "attention_mask" in takes
        self._placed = "position_ids" in takes
        # Only the last position's logits are needed: over a large vocabulary the others cost more
        # than a layer.
        self._last_only = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
        # Prepared and carried on as by default: see `Context.plain`.
        self._usual = (
            self._masked
            and self._placed
            and all(
                getattr(type(model), name) is getattr(GenerationMixin, name)
                for name in ("prepare_inputs_for_generation", "_update_model_kwargs_for_generation")
            )
        )
        self._asked = GenerationConfig(use_cache=True)
        self._rotary = [place for module in model.modules() for place in _rope_state(module)]
        # Where modules could keep a state of the context; after the first pass, where they do.
        self._kept: list[Place] = [
            (vars(module), name, value)
            for module in model.modules()
            for name, value in vars(module).items()
            if value is None or isinstance(value, torch.Tensor)
        ]
        self._met = False

    def prefill(self, ids: torch.Tensor) -> tuple[Context, torch.Tensor]:
        """The pass over whole prompts.

        Args:
            ids: Shape (batch, length). Every token counts: none is padding.

        Returns:
            The context after it, and the logits of the last position, shape (batch, vocabulary).
        """
        self._begin()
        batch, length = ids.shape
        keywords = self._keywords(ids)
        self._asked._mask_length = length if self._masked else -1
        self._model._prepare_cache_for_generation(
            self._asked, keywords, GenerationMode.GREEDY_SEARCH, batch, length
        )
        keywords["use_cache"] = True
        outputs = self._model._prefill(ids, self._asked, keywords)
        if not self._met:
            self._met = True
            self._kept = [place for place in self._kept if place[0][place[1]] is not place[2]]
        context = Context(ids, keywords)
        if self._usual and _steady(keywords, outputs):
            del keywords["attention_mask"]
            keywords["position_ids"] = keywords["position_ids"][:, -1:]
            context.plain = True
            return context, outputs.logits[:, -1]
        return context, self._advance(context, outputs)

    def step(self, context: Context, tokens: torch.Tensor) -> torch.Tensor:
        """The pass after new tokens, shape (batch, 1), were chosen; logits as above."""
        if context.plain:
            context.ids = tokens
            keywords = context.keywords
            keywords["position_ids"] = keywords["position_ids"] + 1
            return self._model(input_ids=tokens, **keywords, return_dict=True).logits[:, -1]
        context.ids = torch.cat([context.ids, tokens], dim=-1)
        inputs = self._model.prepare_inputs_for_generation(
            context.ids, next_sequence_length=1, **context.keywords
        )
        return self._advance(context, self._model(**inputs, return_dict=True))

    def full_pass(self, ids: torch.Tensor) -> torch.Tensor:
        """The logits after some tokens, shape as above, by one pass that keeps nothing."""
        self._begin()
        keywords = self._keywords(ids)
        inputs = self._model.prepare_inputs_for_generation(
            ids, is_first_iteration=True, use_cache=False, **keywords
        )
        return self._model(**inputs, return_dict=True).logits[:, -1]

    def decoding(self) -> contextlib.AbstractContextManager[None]:
        """Around steps: on a GPU, `generate` computes experts in another way in decoding."""
        return self._model._optimize_model_for_decode()

    def snapshot(self, context: Context) -> Context:
        """A context to go on from, again and again: `restore` begins it anew each time."""
        places = [*self._rotary, *self._kept]
        held = [(where, name, _copy(where[name])) for where, name, _ in places]
        return Context(context.ids, _copy(context.keywords), context.plain, held)

    def restore(self, kept: Context) -> Context:
        """A copied context as it was, ready for its next step, which leaves the copy alone."""
        _restore_values([(where, name, _copy(value)) for where, name, value in kept.held])
        return Context(kept.ids, _copy(kept.keywords), kept.plain)

    def _begin(self) -> None:
        """Nothing of another context is left in the model's modules."""
        if self._met:
            _restore_values([*self._rotary, *self._kept])

    def _keywords(self, ids: torch.Tensor) -> dict[str, Any]:
        """What `generate` makes for a prompt, but for the cache."""
        keywords: dict[str, Any] = {}
        if self._masked:
            keywords["attention_mask"] = torch.ones_like(ids)
        if self._placed:
            prepare = self._model._prepare_position_ids_for_generation
            keywords["position_ids"] = prepare(ids, keywords)
        if self._masked:
            # As generate does with a mask that hides nothing.
            keywords["attention_mask"] = None
        return keywords | self._last_only

    def _advance(self, context: Context, outputs: Any) -> torch.Tensor:
        context.keywords = self._model._update_model_kwargs_for_generation(
            outputs, context.keywords
        )
        return outputs.logits[:, -1]


def _steady(keywords: dict[str, Any], outputs: Any) -> bool:
    """Whether a cache that grows was filled and given back, and positions are one a token."""
    cache = keywords.get("past_key_values")
    return (
        type(cache) is DynamicCache
        and not cache.is_compileable
        and getattr(outputs, "past_key_values", None) is cache
        and keywords["position_ids"].ndim == 2
    )


def _rope_state(module: torch.nn.Module) -> list[Place]:
    """Where a rotary embedding that stretches with the context keeps for how long it is; at the
    beginning of a context that is as it was made, whatever was longer before."""
    kinds = getattr(module, "rope_type", "")
    kinds = kinds if isinstance(kinds, dict) else {"": kinds}
    places: list[Place] = []
    for layer, kind in kinds.items():
        if "dynamic" in str(kind):
            prefix = f"{layer}_" if layer else ""
            first = getattr(module, f"{prefix}original_inv_freq")
            places.append((module._buffers, f"{prefix}inv_freq", first))
            length = f"{prefix}max_seq_len_cached"
            places.append((vars(module), length, module.original_max_seq_len))
    return places


def _restore_values(places: list[Place]) -> None:
    for where, name, value in places:
        where[name] = value


def _copy(value: Any) -> Any:
    """A copy of a cache or another state: of all that a step changes in place, and of no more."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, list | tuple):
        return type(value)([_copy(item) for item in value])
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, PreTrainedConfig) or not type(value).__module__.startswith("transformers"):
        return value
    copied = copy.copy(value)
    grows = getattr(type(value), "update", None) in _GROWING
    for name, item in vars(value).items():
        if not (grows and name in ("keys", "values")):
            vars(copied)[name] = _copy(item)
    return copied
