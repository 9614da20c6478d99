"""Weights in a folder of the user's, in the layout of the hub. Nothing is copied or changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import task_of
from weights.digest import check_layout, compare, weight_files


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Checks the folder and takes down the digests of its weights.

    Raises:
        WeightsError: A file is missing or differs from the digest in the registry.
    """
    source = Path(os.path.expandvars(entry["path"])).expanduser().absolute()
    check_layout(source, task_of(entry))
    digests = compare(weight_files(source), entry.get("sha256", {}), str(source), discard=False)
    return {"weights": str(source), "sha256": digests}
