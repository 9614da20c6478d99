#!/usr/bin/env python3
"""Writes the tasks of a workload, one JSON object a line, so that a session needs no package."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from generation.workloads import WORKLOADS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=sorted(WORKLOADS))
    parser.add_argument("--out", required=True, type=Path, help="the JSONL file to write")
    args = parser.parse_args()
    tasks = WORKLOADS[args.workload].load()
    args.out.write_text("".join(json.dumps(dataclasses.asdict(task)) + "\n" for task in tasks))


if __name__ == "__main__":
    main()
