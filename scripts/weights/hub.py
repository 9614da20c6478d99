"""Weights from the Hugging Face hub: pinned revision, safetensors only, checked digests.

All traffic goes through huggingface_hub, so HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE
mean what they mean elsewhere, and the files stay in its cache.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError, task_of
from weights.digest import check_layout, compare, weight_files

# No Python files and no pickles: neither remote code nor unpickling is ever needed.
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model"]


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Brings the pinned revision into the hub's cache and checks every weights file.

    Raises:
        WeightsError: The hub cannot be reached or refuses, the transfer broke off, or a file is
            missing or differs from its digest.
    """
    from huggingface_hub import snapshot_download

    where = f"{entry['repo']}@{entry['revision'][:12]}"
    print(f"fetching {where}", file=sys.stderr, flush=True)
    try:
        snapshot = Path(
            snapshot_download(entry["repo"], revision=entry["revision"], allow_patterns=PATTERNS)
        )
    except Exception as error:
        # Each transport below huggingface_hub brings its own exceptions: any of them means that
        # the model is not here.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(
            f"{where}: the download failed ({type(error).__name__}): {why}"
        ) from None
    # Out of reach of the hub, its library gives what a broken-off transfer left in the cache.
    digests = compare(weight_files(snapshot), entry["sha256"], where, discard=True)
    check_layout(snapshot, task_of(entry))
    return {"weights": str(snapshot), "sha256": digests}
