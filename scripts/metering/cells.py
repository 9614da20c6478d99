"""Names of windows as the raw data have them: CELL:NUMBER, numbered from 0.

A cell is what is repeated within a session: a batch size, a task under a condition, a probe.
"""

from __future__ import annotations


def cell_of(name: str) -> str:
    """The cell that a window of this name repeats."""
    return name.rpartition(":")[0]


def number_of(name: str) -> int:
    """How many windows of its cell come before it."""
    return int(name.rpartition(":")[2])
