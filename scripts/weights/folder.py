"""Weights in a folder of the user's, in the layout of the hub. Nothing is copied or changed; a GGUF
file, there or named by itself, is converted beside the model's record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import TEXT_GENERATION, WeightsError, expand_path, task_of
from weights.digest import check_layout, compare, weight_files
from weights.package import convert


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Checks the folder and takes down the digests of its weights.

    Raises:
        WeightsError: A file is missing, differs from the digest in the registry, or cannot be
            converted; or there are several GGUF files and nothing says which.
    """
    source = expand_path(entry["path"])
    expected = entry.get("sha256", {})
    if (gguf := _find_gguf(source, task_of(entry))) is not None:
        digests = compare([gguf], expected, str(source), discard=False)
        convert(gguf, folder / "weights")
        return {"weights": "weights", "sha256": digests}
    check_layout(source, task_of(entry))
    digests = compare(weight_files(source), expected, str(source), discard=False)
    return {"weights": str(source), "sha256": digests}


def _find_gguf(source: Path, task: str) -> Path | None:
    """The GGUF file that is meant; None where safetensors are.

    Raises:
        WeightsError: There are several, or it is no language model's.
    """
    if source.is_file():
        if source.suffix.lower() != ".gguf":
            raise WeightsError(f"{source}: a file that is no GGUF; give the folder of a model")
        found = [source]
    else:
        found = sorted(p for p in source.glob("*") if p.suffix.lower() == ".gguf")
        if not found or any(source.glob("*.safetensors")):
            return None
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise WeightsError(f"{source}: several GGUF files; give the path of one: {names}")
    if task != TEXT_GENERATION:
        raise WeightsError(f"{found[0]}: GGUF is read for text generation only")
    return found[0]
