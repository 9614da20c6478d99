"""ONNX files from elsewhere: checked, and stored as `runtimes.network` reads them.

The reference is ONNX Runtime on the processor, one thread, every optimisation off: it computes the
file's operators one by one, in the types that the file has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtimes import graph
from runtimes.network import FILE, Network, check_reference
from weights import WeightsError, expand_path
from weights.digest import compare

REFERENCE = "ONNX Runtime, not optimised"
QUIET = 3


def prepare(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Checks the file and takes down its digests, and those of the files that it refers to.

    Raises:
        WeightsError: There is no such file, it is no ONNX, or differs from its digest.
    """
    path = expand_path(entry["path"])
    if not path.is_file():
        raise WeightsError(f"path: there is no file {path}")
    try:
        model = graph.read(path)
        files = [path, *graph.external_files(model, path)]
    except ValueError as error:
        raise WeightsError(" ".join(str(error).split())[:300]) from None
    expected = entry.get("sha256", {})
    if isinstance(expected, str):
        # Of the file itself; weights beside it are taken down and not compared.
        compare([path], {path.name: expected}, str(path.parent), discard=False)
        expected = {}
    digests = compare(files, expected, str(path.parent), discard=False)
    return {"weights": str(path), "sha256": digests}


def write_network(ready: Path, out: Path, seed: int) -> Network:
    """Writes network.json, reference.npz and an empty weights.npz of a prepared file.

    Raises:
        WeightsError: It cannot be read or run, or does not say enough of its inputs.
    """
    record = json.loads(ready.read_text(encoding="utf-8"))
    path = Path(record["weights"])
    try:
        model = graph.read(path)
        found = graph.read_inputs(model, record.get("inputs", {}))
        requested = record.get("output")
        names = graph.output_names(model, None if requested is None else str(requested))
        facts = {
            "name": record["name"],
            "family": "onnx",
            "config": {},
            "inputs": found.inputs,
            "output": names[0],
            "parameters": graph.count_parameters(model),
            "sha256": _digest(record["sha256"], names[0]),
            "kind": FILE,
            "only": "it is an ONNX file (source: onnx), which a framework cannot build",
            "built": {"path": str(path), "outputs": names, **graph.file_facts(model)},
            "batch": found.batch,
            "against": REFERENCE,
            "notes": _notes(model, names, requested, found.batch),
        }
        network = Network(folder=out.parent, **facts)
        arrays = compute_reference(path, network, seed)
    # ONNX Runtime's exceptions are bare classes of an extension module.
    except Exception as error:
        why = " ".join(str(error).split())[:300]
        raise WeightsError(f"{record['name']}: {why}") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out.parent / "weights.npz")
    np.savez(out.parent / "reference.npz", **arrays)
    out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return network


def compute_reference(path: Path, network: Network, seed: int) -> dict[str, np.ndarray]:
    """Inputs and the reference's outputs for each batch of the parity check.

    Raises:
        ValueError: An output has values that are no numbers.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = QUIET
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    arrays = {}
    for batch in network.parity_batches:
        inputs = network.random_inputs(batch, seed, padded=True)
        arrays |= {f"{batch}:{name}": array for name, array in inputs.items()}
        (output,) = session.run([network.output], inputs)
        check_reference(output, batch)
        arrays[f"{batch}:output"] = output
    return arrays


def _notes(model: Any, names: list[str], requested: Any, batch: int | None) -> list[str]:
    notes = []
    if requested is None and len(names) > 1:
        notes.append(f"of its outputs {', '.join(names)} it is {names[0]} that is compared")
    if batch is not None:
        notes.append(f"its batch is fixed at {batch}")
    if kinds := [k for k in graph.weight_types(model)[:1] if k != "float"]:
        notes.append(f"its weights are mostly {kinds[0]}")
    listed = {tensor.name for tensor in model.graph.initializer}
    if among := sum(value.name in listed for value in model.graph.input):
        notes.append(f"{among} of its weights stand among its inputs: engines do not fold them")
    return notes


def _digest(digests: Mapping[str, str], output: str) -> str:
    content = json.dumps([sorted(digests.items()), output])
    return hashlib.sha256(content.encode()).hexdigest()
