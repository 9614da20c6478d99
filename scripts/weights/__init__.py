"""Weights from four sources, and loading them. Every source ends in a folder and `model.json`."""

from collections.abc import Mapping
from typing import Any

TEXT_GENERATION = "text-generation"


def task_of(entry: Mapping[str, Any]) -> str:
    """What a model of the registry is for; one that does not say so generates text."""
    return entry.get("task", TEXT_GENERATION)


class WeightsError(RuntimeError):
    """Weights that cannot be had or cannot be trusted; the message is one line."""
