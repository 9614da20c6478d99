"""The command-line options that the programs of tables share."""

from __future__ import annotations

import argparse
from pathlib import Path


def tables_parser(description: str) -> argparse.ArgumentParser:
    """A parser for sessions to read, the folder for their tables, and how to compute them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--sessions", nargs="+", required=True, type=Path, help="session.json files"
    )
    parser.add_argument("--out", required=True, type=Path, help="the folder for the tables")
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument(
        "--equivalence-margin",
        type=float,
        default=0.05,
        help="how much two may differ and be called equal, as a share",
    )
    parser.add_argument("--resolve-periods", type=float, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that read sessions")
    parser.add_argument(
        "--strict",
        type=lambda text: [] if text == "none" else text.split(","),
        default=[],
        help="flags that windows of a summary must not carry, by comma; or all, or none",
    )
    return parser
