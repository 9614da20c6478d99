#!/usr/bin/env python3
"""Runs an ONNX file by ONNX Runtime on the CPU and compares it with the framework it comes from.

A conversion counts when ONNX Runtime has run it: exporters write broken files and exit well.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from metering.meter import error_message
from runtimes import RuntimeUnavailableError
from runtimes.backends import onnxruntime as engine
from runtimes.base import Settings, compute, import_failure
from runtimes.network import Network, relative_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True, type=Path, help="the network.json")
    parser.add_argument("--conversion", required=True, type=Path, help="the conversion.json")
    parser.add_argument("--onnx", required=True, type=Path, help="the file to verify")
    parser.add_argument("--outputs", required=True, type=Path, help="its source's outputs (npz)")
    parser.add_argument("--out", required=True, type=Path, help="the JSON to write")
    args = parser.parse_args()
    if (why := import_failure(engine, Settings())) is not None:
        sys.exit(f"error: {why}")
    network = Network.read(args.network)
    conversion = json.loads(args.conversion.read_text(encoding="utf-8"))
    record = {"parity": verify(network, conversion, args.onnx, args.outputs)}
    if record["parity"]["why"] is None:
        record["optimised"] = optimised_graph(args.onnx)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    name = f"{network.name}, ONNX from {conversion['title']}"
    outcome = record["parity"]["why"] or f"relative errors {record['parity']['relative_error']}"
    print(f"{name}: {outcome}", file=sys.stderr)


def verify(
    network: Network, conversion: dict[str, Any], onnx: Path, outputs: Path
) -> dict[str, Any]:
    """The errors of the file against its source's own outputs."""
    batches = list(network.parity_batches)
    source = conversion["parity"] or {"why": None}  # a file has no framework that it came from
    parity = {
        "batch_sizes": batches,
        "relative_error": [None] * len(batches),
        "why": conversion["export"]["why"] or source["why"],
    }
    if parity["why"] is not None:
        return parity
    try:
        executable = engine.load(onnx, Settings())
        with np.load(outputs) as sources:
            errors = []
            for batch in batches:
                inputs, _ = network.reference(batch)
                errors.append(relative_error(compute(executable, inputs), sources[str(batch)]))
        parity["relative_error"] = errors
    except RuntimeUnavailableError as error:
        parity["why"] = str(error)
    except Exception as error:
        # Its exceptions are bare classes of an extension module, one for each status code.
        parity["why"] = error_message(error, 300)
    return parity


def optimised_graph(onnx: Path) -> dict[str, Any]:
    """The graph that ONNX Runtime makes of the file: what it folded and fused."""
    import onnxruntime
    from onnx import load

    path = onnx.with_suffix(".optimised.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = engine.QUIET
    try:
        onnxruntime.InferenceSession(onnx, options, providers=[engine.NAMES["cpu"]])
        nodes = load(path, load_external_data=False).graph.node
    finally:
        path.unlink(missing_ok=True)
    operators = Counter(node.op_type for node in nodes)
    return {"nodes": len(nodes), "operators": dict(operators.most_common())}


if __name__ == "__main__":
    main()
