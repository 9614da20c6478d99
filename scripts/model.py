#!/usr/bin/env python3
"""Prepares one model of the registry: its folder appears whole, or not at all."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path

# The tensors' progress bars would fill the log; set before transformers is imported.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from weights import (
    TEXT_GENERATION,
    WeightsError,
    architecture,
    factories,
    folder,
    hub,
    package,
    seeded,
    task_of,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="the model's name in the registry")
    parser.add_argument("--entry", required=True, help="its entry there, as JSON")
    parser.add_argument("--out", required=True, type=Path, help="the model.json to write")
    parser.add_argument(
        "--tokenizer", type=Path, help="for seeded language models: whose tokenizer, its model.json"
    )
    args = parser.parse_args()
    # Terminated like interrupted: what is half made is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        prepare(args.name, json.loads(args.entry), args.out, args.tokenizer)
    except WeightsError as error:
        sys.exit(f"error: model '{args.name}': {error}")


def prepare(name: str, entry: dict, out: Path, tokenizer: Path | None) -> None:
    """Writes `out` and the folder around it.

    Raises:
        WeightsError: See the module of the entry's source.
    """
    target = out.parent
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        match entry["source"]:
            case "package":
                record = package.prepare(entry, partial)
            case "hub":
                record = hub.prepare(entry, partial)
            case "folder":
                record = folder.prepare(entry, partial)
            case "torch":
                record = factories.prepare(entry, partial)
            case "onnx":
                from weights import graphs  # onnx, which only some environments have

                record = graphs.prepare(entry, partial)
            case "init":
                record = seeded.prepare(entry, partial, tokenizer and _weights_of(tokenizer))
        if task_of(entry) == TEXT_GENERATION:
            # Here, since it takes seconds to import and a wrong path or digest should not.
            from weights.loadable import check_loadable

            check_loadable(Path(partial, record["weights"]), entry)
        if entry["source"] != "init" and "architecture" in entry:
            _warn(name, entry, Path(partial, record["weights"]))
        record = {"name": name, **entry, **record}
        (partial / out.name).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _warn(name: str, entry: dict, weights: Path) -> None:
    """One line where the model is not what the registry says: its twin would be another."""
    if why := architecture.mismatch(entry["architecture"], weights):
        print(f"warning: model '{name}': architecture: {why}", file=sys.stderr, flush=True)


def _weights_of(ready: Path) -> Path:
    return Path(ready.parent, json.loads(ready.read_text(encoding="utf-8"))["weights"])


if __name__ == "__main__":
    main()
