#!/usr/bin/env python3
"""Writes the tasks of a workload, one JSON object a line, so that a session needs no package."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import sys
from pathlib import Path

from generation.workloads import WORKLOADS, WorkloadError, write_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", choices=sorted({w.file for w in WORKLOADS.values()}))
    parser.add_argument("--options", type=json.loads, default={}, help="how to make it, as JSON")
    parser.add_argument("--out", required=True, type=Path, help="the JSONL file to write")
    args = parser.parse_args()
    workload = next(w for w in WORKLOADS.values() if w.file == args.file)
    try:
        write_tasks(args.out, workload.load(args.options))
    except WorkloadError as error:
        sys.exit(f"error: workload '{args.file}': {error}")


if __name__ == "__main__":
    main()
