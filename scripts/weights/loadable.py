"""Whether a session will be able to load a language model and pose prompts to it.

Asked when the model is prepared: all that loading does but for the weights' values, whose tensors
are made without memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from weights import WeightsError
from weights.decoders import why_not_decoder

QUESTION = "What is 1 + 1?"


def check_loadable(folder: Path, entry: Mapping[str, Any]) -> None:
    """Refuses a folder that transformers cannot load as a language model, or whose tokenizer
    cannot make its prompts.

    Args:
        entry: The model's entry in the registry.

    Raises:
        WeightsError: What is wrong, in one line.
    """
    config = _attempt(folder, "config.json", lambda: _config(folder))
    kind = _language_model_class(folder, config)
    if entry["source"] == "init":
        model = _attempt(folder, "config.json", lambda: _build_empty(config))
    else:
        for file in sorted(folder.glob("*.safetensors")):
            _attempt(folder, file.name, lambda file=file: safe_open(file, "pt").keys())
        _check_index(folder)
        model = _attempt(folder, "its weights", lambda: require_complete(_load_model(folder)))
    if (why := why_not_decoder(kind, config)) is not None:
        raise WeightsError(f"{folder}: {why}")
    tokenizer = _attempt(folder, "its tokenizer", lambda: _tokenizer(folder))
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise WeightsError(
            f"{folder}: the tokenizer {type(tokenizer).__name__} has no Rust backend"
            " (no tokenizer.json that transformers can read)"
        )
    _attempt(folder, "its tokenizer", lambda: tokenizer(QUESTION).input_ids)
    if entry["source"] != "init":
        _check_vocabulary(folder, tokenizer, model)
    if entry.get("prompt") == "chat":
        if not tokenizer.chat_template:
            raise WeightsError(f"{folder}: prompt 'chat', but there is no chat template")
        messages = [{"role": "user", "content": QUESTION}]
        _attempt(
            folder,
            "its chat template",
            lambda: tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=False
            ),
        )


def require_complete(loaded: tuple[PreTrainedModel, Mapping[str, Any]]) -> PreTrainedModel:
    """The model that `from_pretrained` gave, if every tensor came from the files.

    Raises:
        ValueError: transformers filled some with random numbers and went on.
    """
    model, info = loaded
    if info["missing_keys"]:
        first = sorted(info["missing_keys"])[0]
        raise ValueError(f"{len(info['missing_keys'])} tensors are missing, as {first}")
    if info.get("mismatched_keys"):
        first = sorted(map(str, info["mismatched_keys"]))[0]
        raise ValueError(f"{len(info['mismatched_keys'])} tensors have another shape, as {first}")
    return model


def _attempt(folder: Path, what: str, work: Any) -> Any:
    try:
        return work()
    except WeightsError:
        raise
    except SafetensorError as error:
        raise WeightsError(
            f"{folder}: {what} cannot be read, it is cut off or damaged: {error}"
        ) from None
    except Exception as error:
        # Whatever the files lead transformers, its quantizers, jinja or tokenizers to.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{folder}: {what} cannot be loaded: {why}") from None


def _config(folder: Path) -> PreTrainedConfig:
    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _language_model_class(folder: Path, config: PreTrainedConfig) -> type[PreTrainedModel]:
    """The class of the language model.

    Raises:
        WeightsError: It is an encoder and a decoder, or transformers has none of this type.
    """
    kind = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if config.is_encoder_decoder:
        raise WeightsError(f"{folder}: {why_not_decoder(kind or PreTrainedModel, config)}")
    if kind is None:
        raise WeightsError(
            f"{folder}: transformers has no language model of model_type '{config.model_type}'"
        )
    return kind


def _build_empty(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def _load_model(folder: Path) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    return AutoModelForCausalLM.from_pretrained(
        folder,
        output_loading_info=True,
        device_map="meta",
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
    )


def _check_index(folder: Path) -> None:
    """The files that the index of sharded weights names are there."""
    for index in folder.glob("*.safetensors.index.json"):
        named = _attempt(
            folder,
            index.name,
            lambda index=index: json.loads(index.read_text(encoding="utf-8"))["weight_map"],
        )
        for name in sorted(set(named.values())):
            if not (folder / name).is_file():
                raise WeightsError(f"{folder}: {index.name} names '{name}', which is not there")


def _check_vocabulary(
    folder: Path, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> None:
    """Every word that a text can become is one that the weights know. A special token beyond them
    does no harm where no prompt has it, as that of images in a model without them."""
    known = model.get_input_embeddings().num_embeddings
    special = set(tokenizer.all_special_ids)
    special |= {n for n, word in tokenizer.added_tokens_decoder.items() if word.special}
    beyond = sorted(
        (number, word)
        for word, number in tokenizer.get_vocab().items()
        if number >= known and number not in special
    )
    opening = [token for token in tokenizer(QUESTION).input_ids if token >= known]
    if beyond or opening:
        example = f", as '{beyond[0][1]}'" if beyond else f", as {opening[0]}, which opens prompts"
        raise WeightsError(
            f"{folder}: its tokenizer has {len(tokenizer)} words and its weights know {known}:"
            f" {max(len(beyond), len(opening))} are beyond them{example}"
        )
