"""Seeded weights of a true architecture: the energy of real scale without the weights.

Only the configuration and a tokenizer are written; the weights are drawn on the device when a
session loads them, so that seven billion of them need no disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def prepare(entry: Mapping[str, Any], folder: Path, tokenizer: Path) -> dict[str, Any]:
    """Writes config.json and the tokenizer.

    Args:
        tokenizer: The folder whose tokenizer makes the prompts.

    Raises:
        WeightsError: The architecture is unknown to transformers, or its vocabulary is smaller
            than the tokenizer's.
    """
    from transformers import AutoConfig, AutoTokenizer

    architecture = dict(entry["architecture"])
    model_type = architecture.pop("model_type")
    try:
        config = AutoConfig.for_model(model_type, **architecture)
    except (ValueError, TypeError, KeyError) as error:
        why = " ".join(str(error).split())[:200]
        raise WeightsError(f"architecture '{model_type}': {why}") from None
    words = len(AutoTokenizer.from_pretrained(tokenizer))
    if config.vocab_size < words:
        raise WeightsError(
            f"architecture '{model_type}': a vocabulary of {config.vocab_size} is smaller than the"
            f" tokenizer's {words}"
        )
    config.save_pretrained(folder / "weights")
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder / "weights" / name)
    return {"weights": "weights", "sha256": {}, "seed": entry["seed"]}
