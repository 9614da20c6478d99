"""A network as frameworks can build it: configuration, named weights, inputs. Only numpy.

`network.json` stands beside `weights.npz` (the tensors under the names that PyTorch gives them, in
its layouts; none where an ONNX file holds them) and `reference.npz` (inputs, and the outputs that
everything else is compared with).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# transformers' model_type of the families that every framework can build, and their tasks.
FAMILIES = {
    "resnet": "image-classification",
    "mobilenet_v2": "image-classification",
    "bert": "feature-extraction",
}
# Of each task of a model of transformers: its class there, the output that is compared, and what it
# reads. `feature-extraction` is of text or of sound; the model says of which.
TASKS = {
    "image-classification": ("AutoModelForImageClassification", "logits", ("pixel_values",)),
    "image-feature-extraction": ("AutoModel", "last_hidden_state", ("pixel_values",)),
    "feature-extraction": ("AutoModel", "last_hidden_state", ("input_ids", "input_values")),
    "text-classification": ("AutoModelForSequenceClassification", "logits", ("input_ids",)),
    "audio-classification": ("AutoModelForAudioClassification", "logits", ("input_values",)),
}
# What a network is built from. A backend says in `BUILDS` which of them it can; all that builds
# networks builds the families.
FAMILY, TRANSFORMERS, FACTORY, FILE = "family", "transformers", "factory", "file"
# Batches of the parity check: two of them, so that a batch that a conversion fixed shows.
PARITY_BATCHES = (1, 3)


@dataclasses.dataclass(frozen=True)
class Network:
    """One network, in a folder.

    Attributes:
        config: The fields of transformers' configuration; empty where there is none.
        inputs: By name: see `drawn`.
        output: The name of the output that is compared.
        kind: What it is built from: `family` (every framework has it), `transformers`, `factory`
            (a function that returns a PyTorch module) or `file` (an ONNX file).
        only: Why no other framework can build it; None where every one can.
        built: What its builder needs beside the weights.
        batch: The only batch that it takes; None where it takes any.
        against: What made the reference.
        notes: What a reader must know of it, as a head that was dropped.
    """

    folder: Path
    name: str
    family: str
    config: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    output: str
    parameters: int
    sha256: str
    kind: str = FAMILY
    only: str | None = None
    built: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch: int | None = None
    against: str = "PyTorch"
    notes: list[str] = dataclasses.field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Network:
        """The network that a network.json describes."""
        return cls(folder=path.parent, **json.loads(path.read_text(encoding="utf-8")))

    def weights(self) -> dict[str, np.ndarray]:
        """Every tensor by its name."""
        with np.load(self.folder / "weights.npz") as file:
            return dict(file)

    @property
    def parity_batches(self) -> tuple[int, ...]:
        """The batches of the parity check."""
        return PARITY_BATCHES if self.batch is None else (self.batch,)

    def left_out(self, batches: Sequence[int]) -> dict[int, str]:
        """Those of the batches that it does not take, and why."""
        if self.batch is None:
            return {}
        why = f"its batch is fixed at {self.batch}"
        return {batch: why for batch in batches if batch != self.batch}

    def reference(self, batch: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs of the parity check and the outputs of the reference on them."""
        with np.load(self.folder / "reference.npz") as file:
            inputs = {name: file[f"{batch}:{name}"] for name in self.inputs}
            return inputs, file[f"{batch}:output"]

    def random_inputs(self, batch: int, seed: int, padded: bool = False) -> dict[str, np.ndarray]:
        """Inputs drawn at random: zeros would need less energy (arXiv 2212.08805).

        Args:
            padded: Mask a part of the first sequence, so that the path of the mask counts.
        """
        random = np.random.default_rng([seed, batch])
        return {
            name: draw_input(name, spec, batch, random, padded)
            for name, spec in self.inputs.items()
        }


def draw_input(
    name: str, spec: Mapping[str, Any], batch: int, random: np.random.Generator, padded: bool
) -> np.ndarray:
    """One input, at random.

    Args:
        spec: `shape` (without the batch) and `dtype`; `batch`, false where it has no such axis; and
            what it holds: `value` (everywhere), `below` (whole numbers from zero), `range` (of
            uniform numbers), or nothing (a mask of ones; else standard normal numbers).
    """
    shape, dtype = (*([batch] if spec.get("batch", True) else []), *spec["shape"]), spec["dtype"]
    if "value" in spec:
        return np.full(shape, spec["value"], dtype)
    if "below" in spec:
        return random.integers(0, spec["below"], shape).astype(dtype)
    if is_mask(name, spec):
        mask = np.ones(shape, dtype)
        if padded and len(shape) > 1:
            mask[0, ..., -max(1, shape[-1] // 8) :] = 0
        return mask
    if "range" in spec:
        return random.uniform(*spec["range"], shape).astype(dtype)
    return random.standard_normal(shape).astype(dtype)


def is_mask(name: str, spec: Mapping[str, Any]) -> bool:
    """Whether an input says which positions count, so that ones are what it usually holds."""
    whole = np.dtype(spec["dtype"]).kind in "iu"
    return spec["dtype"] == "bool" or "attention_mask" in name or ("mask" in name and whole)


def complete_input(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """What an input is drawn from, made whole where its type says it.

    Raises:
        ValueError: It holds whole numbers, and nothing says which, or it is given two ways.
    """
    kind = np.dtype(spec["dtype"]).kind
    ways = [way for way in ("value", "below", "range") if way in spec]
    if len(ways) > 1:
        raise ValueError(f"inputs.{name}: {' and '.join(ways)} are two ways to draw it; give one")
    if kind in "iub" and "range" in spec:
        raise ValueError(f"inputs.{name}: range is for floating point; give below")
    if kind == "f" and "below" in spec:
        raise ValueError(f"inputs.{name}: below is for whole numbers; give range")
    if not 0 <= spec.get("below", 0) <= _largest_value(spec["dtype"]) + 1:
        raise ValueError(f"inputs.{name}: below {spec['below']} does not fit {spec['dtype']}")
    if ways or kind == "f" or is_mask(name, spec):
        return dict(spec)
    if np.dtype(spec["dtype"]).itemsize == 1:
        # Pixels, as they come from a decoder.
        return {**spec, "below": _largest_value(spec["dtype"]) + 1}
    raise ValueError(
        f"inputs.{name}: it holds {spec['dtype']}; say which, from 0 (inputs: {{{name}: {{below:"
        " 30522}}) or one value (value: 1)"
    )


def _largest_value(dtype: str) -> int:
    return int(np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else 1


def check_reference(output: np.ndarray, batch: int) -> None:
    """Raises ValueError where an output cannot be what others are compared with."""
    what = None
    if not output.size:
        what = "empty"
    elif not np.isfinite(output).all():
        what = "not all numbers"
    elif not output.any():
        what = "zero everywhere"
    if what is not None:
        raise ValueError(
            f"its output of batch {batch} on random inputs is {what}, so nothing can be compared"
            " with it; say what it reads (inputs: below, range or value)"
        )


def can_build(module: Any, kind: str) -> bool:
    """Whether a backend builds networks of a kind; an engine, which reads ONNX, builds none."""
    return module.SOURCE == "network" and kind in getattr(module, "BUILDS", (FAMILY,))


def inputs_of(family: str, config: Mapping[str, Any], sequence_length: int) -> dict[str, Any]:
    """The inputs of a family's networks.

    Raises:
        ValueError: The network cannot read so long a sequence.
    """
    if FAMILIES[family] == "image-classification":
        size = config.get("image_size") or 224
        return {"pixel_values": {"shape": [config["num_channels"], size, size], "dtype": "float32"}}
    if sequence_length > config["max_position_embeddings"]:
        raise ValueError(
            f"sequence_length: {sequence_length} is more than its"
            f" {config['max_position_embeddings']} positions"
        )
    spec = {"shape": [sequence_length], "dtype": "int64"}
    return {
        "input_ids": {**spec, "below": config["vocab_size"]},
        "attention_mask": spec,
        "token_type_ids": {**spec, "below": config["type_vocab_size"]},
    }


def relative_error(output: np.ndarray, expected: np.ndarray) -> float | None:
    """max |output - expected| / max |expected|; None where shapes differ or a value is no number.

    Relative to the largest output, because logits of seeded weights reach thousands and single
    outputs lie near zero.
    """
    if output.shape != expected.shape or not np.isfinite(output).all():
        return None
    error = np.abs(output.astype(np.float64) - expected).max()
    largest = np.abs(expected.astype(np.float64)).max()
    return float(error / largest) if largest else float(np.inf if error else 0.0)
