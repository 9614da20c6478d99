#!/usr/bin/env python3
"""Builds a network in one framework, compares it with PyTorch, and exports it to ONNX.

Whatever goes wrong with the network is a result, written down with its reason: the campaign goes on
without that pair. An ONNX file from elsewhere is not built: it is made ready for the engines.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from metering.meter import error_message
from runtimes.base import (
    Backend,
    Executable,
    Settings,
    can_export,
    compute,
    environment,
    import_failure,
    load_backend,
    must_restart,
)
from runtimes.network import FILE, Network, can_build, relative_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", required=True, type=Path, help="the network.json")
    parser.add_argument("--backend", required=True, help="the framework's module, or `file`")
    parser.add_argument("--onnx", required=True, type=Path, help="the ONNX file to write")
    parser.add_argument("--outputs", required=True, type=Path, help="its outputs (npz) to write")
    parser.add_argument("--out", required=True, type=Path, help="the conversion.json to write")
    args = parser.parse_args()
    network = Network.read(args.network)
    record = {"model": network.name, "backend": args.backend, "network_sha256": network.sha256}
    if args.backend == FILE:
        record |= copy_graph(network, args)
    elif not can_build(module := load_backend(args.backend), network.kind):
        record |= mark_unbuildable(module, network, args)
    else:
        record |= convert(module, network, args)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if record["absent"] is not None:
        print(f"{network.name}, {record['title']}: absent: {record['absent']}", file=sys.stderr)
        return
    for what in ("parity", "export"):
        if record[what] and record[what]["why"]:
            message = f"{record['title']}: {what}: {record[what]['why']}"
            print(f"{network.name}, {message}", file=sys.stderr)


def mark_unbuildable(module: Backend, network: Network, args: argparse.Namespace) -> dict[str, Any]:
    """Of a framework that has no way to build such a network; it need not be installed."""
    np.savez(args.outputs)
    args.onnx.write_bytes(b"")
    none = [None] * len(network.parity_batches)
    batches = list(network.parity_batches)
    return {
        "title": module.TITLE,
        "absent": network.only,
        "framework": None,
        "parity": {"batch_sizes": batches, "relative_error": none, "why": network.only},
        "export": {"exporter": None, "opset": None, "notes": None, "why": network.only},
    }


def copy_graph(network: Network, args: argparse.Namespace) -> dict[str, Any]:
    """An ONNX file, copied for the engines with its free axes given; the reference's outputs stand
    for those of a framework that it came from."""
    from runtimes import graph

    record = {"title": FILE, "against": network.against, "absent": None, "framework": None}
    export = {"exporter": None, "opset": None, "notes": None, "why": None}
    found = {str(batch): network.reference(batch)[1] for batch in network.parity_batches}
    np.savez(args.outputs, **found)
    args.onnx.unlink(missing_ok=True)
    if network.kind != FILE:
        export["why"] = "the model is no ONNX file (source: onnx)"
    else:
        built = network.built
        graph.write_copy(Path(built["path"]), args.onnx, network.inputs, built["outputs"])
        export |= {"exporter": built["exporter"], "opset": built["opset"]}
        export |= {"notes": "; ".join(network.notes) or None, **graph_facts(args.onnx)}
    args.onnx.touch()
    return {**record, "parity": None, "export": export}


def convert(module: Backend, network: Network, args: argparse.Namespace) -> dict[str, Any]:
    """The network in a framework, and its export."""
    settings = Settings()
    variables = environment(module, settings, "default")
    if must_restart(variables):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
    if (why := import_failure(module, settings)) is not None:
        sys.exit(f"error: {why}")
    record = {"title": module.TITLE, "absent": None, "notes": "; ".join(network.notes) or None}
    executable, record["framework"], record["parity"] = load_and_compare(
        module, network, settings, args.outputs
    )
    record["export"] = export(args.backend, module, executable, network, args.onnx)
    return record


def load_and_compare(
    module: Backend, network: Network, settings: Settings, outputs: Path
) -> tuple[Executable | None, dict[str, Any] | None, dict[str, Any]]:
    """The loaded network (None where it cannot be), its facts, and its parity with PyTorch."""
    batches = list(network.parity_batches)
    parity = {"batch_sizes": batches, "relative_error": [], "why": None}
    found: dict[str, np.ndarray] = {}
    executable = facts = None
    try:
        executable = module.load(network, settings)
        facts = executable.facts
        for batch in batches:
            inputs, expected = network.reference(batch)
            output = compute(executable, inputs)
            found[str(batch)] = output
            parity["relative_error"].append(relative_error(output, expected))
    except Exception as error:  # whatever a framework raises, the other pairs go on
        parity["why"] = error_message(error, 300)
        parity["relative_error"] = [None] * len(batches)
    np.savez(outputs, **found)
    return executable, facts, parity


def export(
    name: str, module: Backend, executable: Executable | None, network: Network, path: Path
) -> dict[str, Any]:
    """Writes the ONNX file, empty where there is none, and says what is in it."""
    path.unlink(missing_ok=True)
    record: dict[str, Any] = {"exporter": None, "opset": None, "notes": None, "why": None}
    if executable is None or not can_export(name):
        record["why"] = (
            f"{module.TITLE} {'was not loaded' if can_export(name) else 'has no export'}"
        )
    else:
        try:
            record |= module.export(executable, network, path)
            record |= graph_facts(path)
        except Exception as error:  # whatever an exporter raises, the other pairs go on
            record["why"] = error_message(error, 300)
            path.unlink(missing_ok=True)
    path.touch()
    return record


def graph_facts(path: Path) -> dict[str, Any]:
    """What changes the energy of a graph: its operators, folded normalisation, free weights."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    initializers = {tensor.name for tensor in graph.initializer}
    ops = Counter(node.op_type for node in graph.node)
    return {
        "nodes": len(graph.node),
        "operators": dict(ops.most_common()),
        "batch_normalizations": ops["BatchNormalization"],
        "initializers_among_inputs": sum(node.name in initializers for node in graph.input),
        "bytes": path.stat().st_size,
    }


if __name__ == "__main__":
    main()
