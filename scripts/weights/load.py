"""A prepared model in memory, ready to be measured."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from weights import WeightsError


def load(
    ready: Path, device: torch.device, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode on its device, and its tokenizer.

    Args:
        ready: The `model.json` that the model's rule wrote.

    Raises:
        WeightsError: transformers cannot load it without running code of the model's own.
    """
    record = json.loads(ready.read_text())
    folder = Path(ready.parent, record["weights"])
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if record["source"] == "init":
            model = _seeded(folder, record["seed"], device, dtype)
        else:
            model = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:300]
        raise WeightsError(f"{record['name']}: cannot be loaded from {folder}: {why}") from None
    return model.to(device).eval(), tokenizer


def _seeded(folder: Path, seed: int, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    torch.manual_seed(seed)
    # Drawn where they will be used: a CPU takes minutes for seven billion.
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)
