"""Weights from the Hugging Face hub: one commit, safetensors only, checked digests.

All traffic goes through huggingface_hub, so HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE
mean what they mean elsewhere, and the files stay in its cache.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError, task_of
from weights.digest import check_layout, compare, weight_files

COMMIT = re.compile(r"[0-9a-f]{40}")
# No Python files and no pickles: neither remote code nor unpickling is ever needed.
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model"]


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Brings a commit into the hub's cache and checks every weights file: against the registry's
    digests, or where it has none against those that the hub states for the commit.

    Raises:
        WeightsError: The hub cannot be reached or refuses, the transfer broke off, or a file is
            missing, has no digest or differs from it.
    """
    from huggingface_hub import HfApi, snapshot_download

    repo, asked, expected = entry["repo"], entry["revision"], entry.get("sha256", {})
    pinned = COMMIT.fullmatch(asked) is not None
    where = f"{repo}@{asked[:12] if pinned else asked}"
    print(f"fetching {where}", file=sys.stderr, flush=True)
    try:
        commit = asked
        if not pinned or not expected:
            info = HfApi().model_info(repo, revision=asked, files_metadata=True)
            commit = info.sha
            expected = expected or _stated(info.siblings or ())
        if not pinned:
            told = f"{where}: a branch or tag can move; to pin it, write revision: {commit}"
            print(told, file=sys.stderr, flush=True)
        snapshot = Path(snapshot_download(repo, revision=commit, allow_patterns=PATTERNS))
    except Exception as error:
        # Each transport below huggingface_hub brings its own exceptions: any of them means that
        # the model is not here.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(
            f"{where}: the download failed ({type(error).__name__}): {why}"
        ) from None
    # Out of reach of the hub, its library gives what a broken-off transfer left in the cache.
    files = weight_files(snapshot)
    if not expected:
        raise WeightsError(f"{where}: the hub states no digest of the weights; give sha256")
    digests = compare(files, expected, where, discard=True)
    check_layout(snapshot, task_of(entry))
    return {"weights": str(snapshot), "sha256": digests, "revision": commit}


def _stated(files: Iterable[Any]) -> dict[str, str]:
    """The digests that the hub states for the weights files in a repository's own folder."""
    return {
        file.rfilename: file.lfs.sha256
        for file in files
        if file.lfs and file.rfilename.endswith(".safetensors") and "/" not in file.rfilename
    }
