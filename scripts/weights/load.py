"""A prepared model in memory, ready to be measured."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from weights import WeightsError
from weights.loadable import require_complete


def load(
    ready: Path, device: torch.device, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode on its device, and its tokenizer.

    Args:
        ready: The `model.json` that the model's rule wrote.

    Raises:
        WeightsError: transformers cannot load it whole, or not without code of the model's own.
    """
    record = json.loads(ready.read_text(encoding="utf-8"))
    folder = Path(ready.parent, record["weights"])
    try:
        # Unless told, transformers asks at the terminal whether to run a model's own code.
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        if record["source"] == "init":
            model = _seeded(folder, record["seed"], device, dtype)
        else:
            model = require_complete(
                AutoModelForCausalLM.from_pretrained(
                    folder,
                    output_loading_info=True,
                    dtype=dtype,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                )
            ).to(device)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        why = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{record['name']}: cannot be loaded from {folder}: {why}; if files are missing there,"
            f" delete {ready.parent} to prepare the model again"
        ) from None
    return model.eval(), tokenizer


def _seeded(folder: Path, seed: int, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    torch.manual_seed(seed)
    # Drawn where they will be used: a CPU takes minutes for seven billion.
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, dtype=dtype)
