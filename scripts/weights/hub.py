"""Weights from the Hugging Face hub: one commit, safetensors only, checked digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError, task_of
from weights.digest import check_layout, compare, weight_files
from weights.repository import COMMIT, HubError, download

# No Python files and no pickles: neither remote code nor unpickling is ever needed.
PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.txt", "*.model"]


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Brings a commit into the hub's cache and checks every weights file: against the registry's
    digests, or where it has none against those that the hub states for the commit.

    Raises:
        WeightsError: The hub cannot be reached or refuses, the transfer broke off, or a file is
            missing, has no digest or differs from it.
    """
    from huggingface_hub import snapshot_download

    repo, revision, expected = entry["repo"], entry["revision"], entry.get("sha256", {})
    where = f"{repo}@{revision[:12] if COMMIT.fullmatch(revision) else revision}"
    try:
        snapshot, commit, stated = download(
            repo,
            revision,
            "model",
            where,
            stated=not expected,
            fetch=lambda at: snapshot_download(repo, revision=at, allow_patterns=PATTERNS),
        )
    except HubError as error:
        raise WeightsError(str(error)) from None
    expected = expected or _published_digests(stated)
    # Out of reach of the hub, its library gives what a broken-off transfer left in the cache.
    files = weight_files(snapshot)
    if not expected:
        raise WeightsError(f"{where}: the hub states no digest of the weights; give sha256")
    digests = compare(files, expected, where, discard=True)
    check_layout(snapshot, task_of(entry))
    return {"weights": str(snapshot), "sha256": digests, "revision": commit}


def _published_digests(files: Iterable[Any]) -> dict[str, str]:
    """The digests that the hub states for the weights files in a repository's own folder."""
    return {
        file.rfilename: file.lfs.sha256
        for file in files
        if file.lfs and file.rfilename.endswith(".safetensors") and "/" not in file.rfilename
    }
