"""A network as every framework can build it: configuration, named weights, inputs. Only numpy.

`network.json` stands beside `weights.npz` (the tensors under the names that transformers gives
them, in PyTorch's layouts) and `reference.npz` (inputs, and the outputs that PyTorch computes).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# transformers' model_type of the families that every framework can build, and their tasks.
FAMILIES = {
    "resnet": "image-classification",
    "mobilenet_v2": "image-classification",
    "bert": "feature-extraction",
}
# Batches of the parity check: two of them, so that a batch that a conversion fixed shows.
PARITY_BATCHES = (1, 3)


@dataclasses.dataclass(frozen=True)
class Network:
    """One network, in a folder.

    Attributes:
        config: The fields of transformers' configuration.
        inputs: By name: `shape` (without the batch), `dtype`, and for tokens `below`.
        output: The name of the only output.
    """

    folder: Path
    name: str
    family: str
    config: dict[str, Any]
    inputs: dict[str, dict[str, Any]]
    output: str
    parameters: int
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Network:
        """The network that a network.json describes."""
        return cls(folder=path.parent, **json.loads(path.read_text()))

    def weights(self) -> dict[str, np.ndarray]:
        """Every tensor by its name."""
        with np.load(self.folder / "weights.npz") as file:
            return dict(file)

    def reference(self, batch: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs of the parity check and the outputs of PyTorch on them."""
        with np.load(self.folder / "reference.npz") as file:
            inputs = {name: file[f"{batch}:{name}"] for name in self.inputs}
            return inputs, file[f"{batch}:output"]

    def random_inputs(self, batch: int, seed: int, padded: bool = False) -> dict[str, np.ndarray]:
        """Inputs drawn at random: zeros would need less energy (arXiv 2212.08805).

        Args:
            padded: Mask a part of the first sequence, so that the path of the mask counts.
        """
        random = np.random.default_rng([seed, batch])
        drawn = {}
        for name, told in self.inputs.items():
            shape = (batch, *told["shape"])
            if name == "attention_mask":
                drawn[name] = np.ones(shape, told["dtype"])
                if padded:
                    drawn[name][0, -max(1, shape[1] // 8) :] = 0
            elif "below" in told:
                drawn[name] = random.integers(0, told["below"], shape).astype(told["dtype"])
            else:
                drawn[name] = random.standard_normal(shape).astype(told["dtype"])
        return drawn


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
    told = {"shape": [sequence_length], "dtype": "int64"}
    return {
        "input_ids": {**told, "below": config["vocab_size"]},
        "attention_mask": told,
        "token_type_ids": {**told, "below": config["type_vocab_size"]},
    }


def relative_error(output: np.ndarray, expected: np.ndarray) -> float | None:
    """max |output - expected| / max |expected|; None where shapes differ or a value is no number.

    Relative to the largest output, because logits of seeded weights reach thousands and single
    outputs lie near zero.
    """
    if output.shape != expected.shape or not np.isfinite(output).all():
        return None
    return float(np.abs(output.astype(np.float64) - expected).max() / np.abs(expected).max())
