"""Whether a model that was found has the architecture that the registry tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def mismatch(architecture: Mapping[str, Any], folder: Path) -> str | None:
    """Where config.json says otherwise than the registry, in one line; None where nowhere.

    Both are read by transformers, so that one field under an old and a new name is one field.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    fields = dict(architecture)
    model_type = fields.pop("model_type")
    try:
        blank = AutoConfig.for_model(model_type).to_dict()
        registered = AutoConfig.for_model(model_type, **fields).to_dict()
        found = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).to_dict()
    except (OSError, ValueError, TypeError, KeyError, StrictDataclassError) as error:
        return f"cannot be compared: {' '.join(str(error).split())[:200]}"
    if found["model_type"] != model_type:
        return f"model_type is {found['model_type']!r}, in the registry {model_type!r}"
    # What the registry leaves out is not claimed.
    claimed = [key for key in registered if key in fields or registered[key] != blank.get(key)]
    differing = [
        f"{key} is {_format_value(found.get(key))}, in the registry"
        f" {_format_value(registered[key])}"
        for key in claimed
        if found.get(key) != registered[key]
    ]
    return "; ".join(differing) or None


def _format_value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
