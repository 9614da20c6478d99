#!/usr/bin/env python3
"""Writes a prepared encoder as every framework can build it, with PyTorch's reference outputs."""

from __future__ import annotations

import interrupts  # noqa: F401

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TQDM_DISABLE", "1")

from weights import WeightsError
from weights.encoders import write_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path, help="the model's model.json")
    parser.add_argument("--sequence-length", type=int, default=128, help="of text, in tokens")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs of the parity check")
    parser.add_argument("--out", required=True, type=Path, help="the network.json to write")
    args = parser.parse_args()
    try:
        network = write_network(args.model, args.sequence_length, args.out, args.seed)
    except WeightsError as error:
        sys.exit(f"error: {error}")
    print(f"{network.name}: {network.family}, {network.parameters:,} parameters", file=sys.stderr)


if __name__ == "__main__":
    main()
