"""What a session of the study of runtimes measures, and in which order. Pure."""

from __future__ import annotations

import dataclasses
import random

from runtimes.specification import RuntimesSpecification
from session.stopping import most_windows


@dataclasses.dataclass(frozen=True)
class Block:
    """One window: inferences of one batch size back to back."""

    batch: int
    repetition: int

    @property
    def name(self) -> str:
        """Its name within the session."""
        return f"b{self.batch}:{self.repetition}"

    @property
    def block(self) -> str:
        """What it is measured together with: nothing else."""
        return self.name


def order_blocks(spec: RuntimesSpecification) -> list[Block]:
    """The windows in the order of measuring: in each repetition every batch size once, in random
    order, so that drift favours none. Where their number is not fixed, the most that there can
    be."""
    order = random.Random(f"{spec.seed}/{spec.session}")
    sizes = spec.batch_sizes
    return [
        Block(batch, repetition)
        for repetition in range(most_windows(spec.repetitions))
        for batch in order.sample(sizes, len(sizes))
    ]
