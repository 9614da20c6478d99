"""What can be told of an architecture before any framework is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Where transformers' families keep how many positions there are; one with no table has no limit.
POSITIONS = ("max_position_embeddings", "n_positions")
# The language models of the pinned transformers, by model_type: its MODEL_FOR_CAUSAL_LM mapping. A
# test compares.
LANGUAGE_MODELS = tuple(
    Path(__file__).with_name("language_models.txt").read_text(encoding="utf-8").split()
)


def context_of(entry: Mapping[str, Any]) -> int | None:
    """How many tokens of prompt and output a model of the registry takes; None where its entry does
    not say."""
    architecture = entry.get("architecture", {})
    text = architecture.get("text_config")
    for fields in (architecture, text if isinstance(text, Mapping) else {}):
        for name in POSITIONS:
            limit = fields.get(name)
            if isinstance(limit, int) and not isinstance(limit, bool):
                return limit
    return None
