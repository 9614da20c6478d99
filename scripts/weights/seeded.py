"""Seeded weights of a true architecture: the energy of real scale without the weights.

Only the configuration and a tokenizer are written; the weights are drawn on the device when a
session loads them, so that seven billion of them need no disk.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)


def prepare(entry: Mapping[str, Any], folder: Path, tokenizer: Path | None) -> dict[str, Any]:
    """Writes config.json and the tokenizer.

    Args:
        tokenizer: The folder whose tokenizer makes the prompts; None for an encoder, which is
            measured on random inputs.

    Raises:
        WeightsError: transformers knows no such architecture or no such field of it.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    architecture = dict(entry["architecture"])
    model_type = architecture.pop("model_type")
    if tokenizer and model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise WeightsError(
            f"architecture: transformers has no language model of model_type '{model_type}'"
            + _nearest(model_type, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
        )
    try:
        # transformers keeps a field that it does not know, beside the default of the one meant;
        # a name of former versions it translates.
        blank = AutoConfig.for_model(model_type)
        fields = blank.to_dict().keys() | blank.attribute_map.keys()
        for name in sorted(architecture.keys() - fields):
            if name in AutoConfig.for_model(model_type, **{name: architecture[name]}).to_dict():
                raise WeightsError(
                    f"architecture: '{model_type}' has no field '{name}'{_nearest(name, fields)}"
                )
        config = AutoConfig.for_model(model_type, **architecture)
    except (ValueError, TypeError, KeyError, StrictDataclassError) as error:
        why = " ".join(str(error).split())[:200]
        raise WeightsError(f"architecture '{model_type}': {why}") from None
    record = {"weights": "weights", "sha256": {}, "seed": entry["seed"]}
    if tokenizer:
        words = _copy_tokenizer(tokenizer, folder / "weights")
        # Where the tokenizer knows more words, its ids are folded: see `weights.fold`.
        vocabulary = {"tokenizer": words, "model": config.vocab_size}
        record["vocabulary"] = vocabulary | {"folded": words > config.vocab_size}
    config.save_pretrained(folder / "weights")
    return record


def _copy_tokenizer(tokenizer: Path, folder: Path) -> int:
    """Copies a tokenizer's files; the number of its words."""
    from transformers import AutoTokenizer

    words = len(AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False))
    folder.mkdir(exist_ok=True)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, folder / name)
    return words


def _nearest(word: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{match[0]}'?" if match else ""
