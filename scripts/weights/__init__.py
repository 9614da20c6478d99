"""Weights from six sources, and loading them. Every source ends in a folder and `model.json`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TEXT_GENERATION = "text-generation"
# What a module or a file of the user's is for: nothing says what it computes.
FORWARD_PASS = "one forward pass"
USER_SOURCES = ("torch", "onnx")


def task_of(entry: Mapping[str, Any]) -> str:
    """What a model of the registry is for; one that does not say so generates text."""
    return (
        FORWARD_PASS if entry.get("source") in USER_SOURCES else entry.get("task", TEXT_GENERATION)
    )


def expand_path(path: str) -> Path:
    """A path of the user's, absolute; `~` and variables are expanded. It need not be there."""
    return Path(os.path.expandvars(path)).expanduser().absolute()


def fold(tokens: Sequence[int], vocabulary: int) -> list[int]:
    """Token ids within a vocabulary of so many words. The number of tokens stays; where the
    tokenizer knew more words, others stand in their place."""
    return [token % vocabulary for token in tokens]


class WeightsError(RuntimeError):
    """Weights that cannot be had or cannot be trusted; the message is one line."""
