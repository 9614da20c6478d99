"""An ONNX file from elsewhere: what it reads and gives, and a copy that engines can measure."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from runtimes.network import complete_input, is_mask

TENSOR = "tensor_type"
# What random numbers can be drawn of.
DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


@dataclasses.dataclass(frozen=True)
class GraphInputs:
    """What a graph reads.

    Attributes:
        inputs: By name, as `runtimes.network.draw_input` draws them.
        batch: The only batch that it takes; None where it takes any.
    """

    inputs: dict[str, dict[str, Any]]
    batch: int | None


def read(path: Path) -> onnx.ModelProto:
    """The graph without its weights' data where they stand in other files.

    Raises:
        ValueError: It is no ONNX file.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # of protobuf, which has its own
        raise ValueError(f"{path.name} is no ONNX file: {error}") from None
    if not model.graph.output or not model.opset_import:
        raise ValueError(f"{path.name} is no ONNX file: it has no graph")
    return model


def external_files(model: onnx.ModelProto, path: Path) -> list[Path]:
    """The files beside a graph that hold its weights.

    Raises:
        ValueError: One is not there, or outside the graph's folder.
    """
    names = {
        entry.value
        for tensor in _tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = []
    for name in sorted(names):
        file = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{path.name} keeps weights in {name}, outside its folder")
        if not file.is_file():
            raise ValueError(f"{path.name} keeps weights in {name}, which is not beside it")
        files.append(file)
    return files


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def read_inputs(model: onnx.ModelProto, specs: Mapping[str, Mapping[str, Any]]) -> GraphInputs:
    """What a graph reads, and what a registry's entry says of it.

    Args:
        specs: By input: `shape` where axes are free, and what it holds.

    Raises:
        ValueError: An input cannot be drawn, or not without more being said of it.
    """
    # Old files list their weights among the inputs.
    weights = {tensor.name for tensor in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in weights]
    if strange := sorted(set(specs) - {value.name for value in fed}):
        names = ", ".join(value.name for value in fed)
        raise ValueError(f"inputs: there is no '{strange[0]}' (the file reads: {names})")
    dims = {value.name: _dims(value) for value in fed}
    any_free = any(axes and axes[0] is None for axes in dims.values())
    inputs, batches = {}, {}
    for value in fed:
        name, axes = value.name, dims[value.name]
        given = dict(specs.get(name, {}))
        dtype = _dtype(value)
        if given.get("dtype", dtype) != dtype:
            raise ValueError(f"inputs.{name}: the file reads {dtype}, not {given['dtype']}")
        # Beside inputs of any batch, one of a fixed length has none.
        batched = given.pop("batch", bool(axes) and (axes[0] is None or not any_free))
        if batched and not axes:
            raise ValueError(f"inputs.{name}: it has no axis, so no batch")
        if batched:
            batches[name] = axes[0]
        shape = _shape(name, axes[1:] if batched else axes, given.pop("shape", None))
        one = {"shape": shape, "dtype": dtype, **({} if batched else {"batch": False}), **given}
        inputs[name] = complete_input(name, _with_table_rows(model, name, one))
    if not batches:
        raise ValueError("none of its inputs has a batch (or any axis); nothing can be repeated")
    fixed = {length for length in batches.values() if length is not None}
    if len(fixed) > 1 or (fixed and None in batches.values()):
        shown = ", ".join(f"{name}: {length or 'free'}" for name, length in batches.items())
        raise ValueError(
            f"inputs: their batches are not one ({shown}); say which has none (NAME: {{batch:"
            " false}})"
        )
    return GraphInputs(inputs, next(iter(fixed), None))


def _dims(value: onnx.ValueInfoProto) -> list[int | None]:
    """The lengths of the axes, None for one that is free."""
    if value.type.WhichOneof("value") != TENSOR or not value.type.tensor_type.HasField("shape"):
        raise ValueError(f"inputs.{value.name}: the file does not say that it is a tensor of axes")
    dims = value.type.tensor_type.shape.dim
    return [d.dim_value if d.dim_value > 0 else None for d in dims]


def _dtype(value: onnx.ValueInfoProto) -> str:
    try:
        name = str(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    except KeyError:
        name = "unknown"
    if name not in DTYPES:
        raise ValueError(f"inputs.{value.name}: it reads {name}, which cannot be drawn at random")
    return name


def _shape(name: str, axes: list[int | None], given: list[int] | None) -> list[int]:
    if given is None and None not in axes:
        return list(axes)
    shown = f"[{', '.join('?' if axis is None else str(axis) for axis in axes)}]"
    if given is None:
        raise ValueError(
            f"inputs.{name}: its shape behind the batch is {shown}; give the free lengths (inputs:"
            f" {{{name}: {{shape: [...]}}}})"
        )
    if len(given) != len(axes) or any(a not in (None, s) for a, s in zip(axes, given, strict=True)):
        raise ValueError(f"inputs.{name}: its shape behind the batch is {shown}, not {given}")
    return list(given)


def _with_table_rows(model: onnx.ModelProto, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """With the number of rows of the table that an input looks up, if nothing else is said."""
    if any(way in spec for way in ("value", "below", "range")) or is_mask(name, spec):
        return spec
    rows = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    same = {name}
    for node in model.graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in same:
            same.add(node.output[0])
        if node.op_type == "Gather" and node.input[1] in same and node.input[0] in rows:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            return {**spec, "below": rows[node.input[0]][axis]}
    return spec


def output_names(model: onnx.ModelProto, chosen: str | None) -> list[str]:
    """The names of the outputs, the one that is compared first: the first of floating point.

    Raises:
        ValueError: There is no such output, or it is no tensor of numbers.
    """
    numeric, floating = [], []
    for value in model.graph.output:
        if value.type.WhichOneof("value") != TENSOR:
            continue
        try:
            kind = np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).kind
        except KeyError:
            continue
        numeric += [value.name] if kind in "fiub" else []
        floating += [value.name] if kind == "f" else []
    names = [value.name for value in model.graph.output]
    if chosen is None and not numeric:
        raise ValueError(f"output: none of {', '.join(names)} is a tensor of numbers")
    first = chosen if chosen is not None else (floating or numeric)[0]
    if first not in numeric:
        raise ValueError(
            f"output: '{first}' is no tensor of numbers that the file gives"
            f" (there are: {', '.join(numeric)})"
        )
    return [first, *(name for name in names if name != first)]


def file_facts(model: onnx.ModelProto) -> dict[str, Any]:
    """Who wrote the file, and in which version of ONNX."""
    maker = " ".join(filter(None, (model.producer_name, model.producer_version)))
    versions = {entry.domain: entry.version for entry in model.opset_import}
    return {"exporter": maker or "unknown", "opset": versions.get("", max(versions.values()))}


def count_parameters(model: onnx.ModelProto) -> int:
    """The number of its weights."""
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)


def weight_types(model: onnx.ModelProto) -> list[str]:
    """The types of its weights, those of most numbers first."""
    counts: dict[str, int] = {}
    for tensor in model.graph.initializer:
        name = onnx.TensorProto.DataType.Name(tensor.data_type).lower()
        counts[name] = counts.get(name, 0) + int(np.prod(tensor.dims))
    return sorted(counts, key=counts.get, reverse=True)


def write_copy(source: Path, path: Path, inputs: Mapping[str, Any], names: list[str]) -> None:
    """Writes a graph as engines take it: the batch free (or as it is fixed), every other length
    given, the output that is compared first. What it computes stays the same.

    Args:
        inputs: As of `reads`.
        names: As of `outputs`.
    """
    model = read(source)
    for value in model.graph.input:
        if value.name not in inputs:
            continue
        spec, dims = inputs[value.name], value.type.tensor_type.shape.dim
        batched = spec.get("batch", True)
        if batched and dims[0].dim_value <= 0:
            dims[0].dim_param = "batch"
        for dim, length in zip(list(dims)[1 if batched else 0 :], spec["shape"], strict=True):
            dim.dim_value = length
    kept = {value.name: value for value in model.graph.output}
    ordered = [onnx.ValueInfoProto.FromString(kept[n].SerializeToString()) for n in names]
    del model.graph.output[:]
    model.graph.output.extend(ordered)
    for file in external_files(model, source):
        beside = path.parent / file.relative_to(source.parent)
        beside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, beside)
    path.write_bytes(model.SerializeToString())
