#!/usr/bin/env python3
"""One session of the study of runtimes: one network, one runtime, one provider, every batch size.

The measured loop only runs inferences between two readings of the clock; a process of its own reads
the meters. What is written: session.json, windows.jsonl, trace.csv, events.jsonl. A session that
may not be measured writes why instead.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import os
import sys
from pathlib import Path

from runtimes import RuntimeUnavailableError
from runtimes.base import environment, load_backend, must_restart
from runtimes.session import Files, Runtimes, settings_of
from runtimes.specification import RuntimesSpecification
from session import program


def main() -> None:
    parser = program.options(__doc__)
    parser.add_argument("--network", required=True, type=Path, help="the network.json")
    parser.add_argument("--conversion", required=True, type=Path, help="the conversion.json")
    parser.add_argument("--verified", type=Path, help="for an export: what verify.py wrote")
    parser.add_argument("--onnx", type=Path, help="for an export: the file")
    args = parser.parse_args()
    spec, document = program.specification(RuntimesSpecification, args.spec)
    module, settings = load_backend(spec.system), settings_of(spec)
    variables = environment(module, settings, spec.allocator)
    if must_restart(variables):
        # Threads and allocators are told before the process starts, or not at all.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
    files = Files(args.network, args.conversion, args.verified, args.onnx)
    program.measure(
        args,
        spec,
        document,
        lambda: Runtimes(spec, files, module, settings, variables),
        RuntimeUnavailableError,
        prefix=f"{spec.session}: ",
    )


if __name__ == "__main__":
    main()
