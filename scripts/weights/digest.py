"""SHA-256 of weights files, and the comparison with what the registry expects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from weights import TEXT_GENERATION, WeightsError


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The safetensors of a model folder.

    Raises:
        WeightsError: There is none: other formats can carry code and are not read.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise WeightsError(f"{folder}: no *.safetensors there (other formats are not read)")
    return files


def check_layout(folder: Path, task: str) -> None:
    """Refuses a model folder without what transformers needs beside the weights: config.json, and
    where the model generates text, its tokenizer.

    Raises:
        WeightsError: A file is missing.
    """
    needed = ["config.json", *(["tokenizer.json"] if task == TEXT_GENERATION else [])]
    for name in needed:
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: there is no {name}")


def compare(
    files: list[Path], expected: Mapping[str, str], where: str, *, discard: bool
) -> dict[str, str]:
    """The digests of `files` by name, equal to the expected ones where any are expected.

    Args:
        expected: From the registry or the hub; empty where there are none.
        where: What a message calls the source.
        discard: Delete a file that differs, so that no later run takes it for good. Not for a
            folder, which is its owner's.

    Raises:
        WeightsError: A file is missing, unexpected, or differs. The message gives the digest
            found, so that a user who trusts the file can put it into the registry.
    """
    for name in sorted(expected.keys() - {path.name for path in files}):
        raise WeightsError(f"{where}: '{name}' has a digest but is not there")
    found = {}
    for path in files:
        digest = found[path.name] = sha256(path)
        if digest == expected.get(path.name, digest):
            continue
        if discard:
            # In the hub's cache the name is a link: what it points to must go as well.
            path.resolve().unlink()
            path.unlink(missing_ok=True)
        gone = "; the file was deleted" if discard else ""
        raise WeightsError(
            f"{where}: '{path.name}' has sha256 {digest}, expected {expected[path.name]}{gone}"
        )
    if expected and (new := sorted(found.keys() - expected.keys())):
        digests = ", ".join(f"{name}: {found[name]}" for name in new)
        raise WeightsError(f"{where}: a digest is lacking; sha256 is {digests}")
    return found
