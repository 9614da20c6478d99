"""A repository of the Hugging Face hub at one commit: what models and data sets share.

All traffic goes through huggingface_hub, so HF_HOME, HF_TOKEN, HF_ENDPOINT and HF_HUB_OFFLINE
mean what they mean elsewhere, and the files stay in its cache.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMIT = re.compile(r"[0-9a-f]{40}")


class HubError(RuntimeError):
    """A download that failed; the message is one line."""


def download(
    repo: str,
    revision: str,
    kind: str,
    where: str,
    *,
    stated: bool,
    fetch: Callable[[str], str],
) -> tuple[Path, str, list[Any]]:
    """Brings files of a commit into the hub's cache: where they are, the commit, and the hub's own
    facts of its files, empty unless it was asked.

    Args:
        kind: `model` or `dataset`.
        where: What a message calls the repository.
        stated: Whether the hub's facts are needed. What is pinned needs no other answer from the
            hub: then its cache serves without a network.
        fetch: Takes the commit and gives the path.

    Raises:
        HubError: The hub cannot be reached or refuses, or the transfer broke off.
    """
    from huggingface_hub import HfApi

    print(f"fetching {where}", file=sys.stderr, flush=True)
    pinned = COMMIT.fullmatch(revision) is not None
    try:
        commit, files = revision, []
        if stated or not pinned:
            info = HfApi().repo_info(repo, repo_type=kind, revision=revision, files_metadata=True)
            commit, files = info.sha, info.siblings or []
        if not pinned:
            advice = f"{where}: a branch or tag can move; to pin it, write revision: {commit}"
            print(advice, file=sys.stderr, flush=True)
        return Path(fetch(commit)), commit, files
    except Exception as error:
        # Each transport below huggingface_hub brings its own exceptions: any of them means that
        # the files are not here.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise HubError(f"{where}: the download failed ({type(error).__name__}): {why}") from None
