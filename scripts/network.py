#!/usr/bin/env python3
"""Writes a prepared network as frameworks can build it, with the outputs that all are held to."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")

from runtimes.network import Network
from weights import WeightsError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="the model's model.json")
    parser.add_argument(
        "--sequence-length", type=int, help="of text in tokens, of sound in samples"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the inputs of the parity check")
    parser.add_argument("--out", required=True, type=Path, help="the network.json to write")
    args = parser.parse_args()
    try:
        network = write(args)
    except WeightsError as error:
        sys.exit(f"error: {error}")
    print(f"{network.name}: {network.family}, {network.parameters:,} parameters", file=sys.stderr)
    for note in network.notes:
        print(f"{network.name}: {note}", file=sys.stderr)


def write(args: argparse.Namespace) -> Network:
    """The network, in its files. Each source needs the libraries of its own environment.

    Raises:
        WeightsError: See the two modules.
    """
    if json.loads(args.model.read_text(encoding="utf-8"))["source"] == "onnx":
        from weights.graphs import write_network

        return write_network(args.model, args.out, args.seed)
    from weights.encoders import write_network

    return write_network(args.model, args.sequence_length, args.out, args.seed)


if __name__ == "__main__":
    main()
