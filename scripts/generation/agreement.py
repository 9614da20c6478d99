"""Whether decoding computes what the model computes: asked of an engine when its model is loaded.

A step that is given too little (no positions, another state, a cache that should have gone) still
gives some token, and a session of wrong tokens looks like any other. So the first steps are
compared with the model's own passes over all tokens so far, without a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

STEPS = 4
PROMPT = 16
# How far apart the logits of a step may be, in standard deviations over the vocabulary. The same
# sums in another order are 1e-5 apart in single precision, and in bfloat16 up to 0.06 on a
# processor (135 million parameters) and 0.034 on an H200 (7.6 billion). Positions that are off by
# one make it 0.06 to 0.4, a state that is not handed on 0.6 and more.
TOLERANCE = {torch.float32: 0.01, torch.float64: 0.01}
TOLERANCE_HALF = 0.15


class Stepping(Protocol):
    """An engine as the check needs it."""

    def first_steps(self, prompt: Sequence[int], count: int, batch: int) -> torch.Tensor:
        """Logits of the first token and of `count` steps after it, greedy, by the very path of
        a generation, then of the same steps by that of a probe that repeats them; the tokens are
        their largest. Shape (2, 1 + count, vocabulary)."""
        ...

    def recomputed(self, tokens: Sequence[int]) -> torch.Tensor:
        """Logits after these tokens by one pass over all, without a cache. Shape (vocabulary,)."""
        ...


def disagreement(
    engine: Stepping, prompt: Sequence[int], dtype: torch.dtype, batch: int = 1
) -> str | None:
    """Where an engine's first steps are not what the model computes; None where nowhere.

    A single step may be further off, in half precision two: where experts or positions are chosen
    by rank, a near tie gives others. What is wrong is wrong in most steps.

    Args:
        prompt: Tokens that a session begins with; its first `PROMPT` are taken.
        dtype: That the model computes in.
    """
    prompt = list(prompt)[:PROMPT]
    allowed = TOLERANCE.get(dtype, TOLERANCE_HALF)
    decoded = engine.first_steps(prompt, STEPS, batch)
    tokens = decoded[0].argmax(-1).tolist()
    whole = torch.stack(
        [engine.recomputed([*prompt, *tokens[:step]]) for step in range(len(tokens))]
    )
    for steps, what in zip(
        decoded, ("decoding", "decoding again from the same cache"), strict=True
    ):
        off = logit_distance(steps, whole)
        spared = 1 if dtype in TOLERANCE else 2
        worst = max(off[0], off[1:].sort().values[-1 - spared])
        if not worst <= allowed:
            return (
                f"{what} does not give what the model computes without a cache: the logits of"
                f" its first tokens are {worst:.2g} of their spread apart, {allowed:g} is allowed"
            )
    return None


def logit_distance(some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Root mean square distance of logits, in standard deviations of the others; shape of all but
    the last axis. Words that both rule out (an infinite logit) are left out."""
    some, others = some.double(), others.double()
    both = some.isfinite() & others.isfinite()
    comparable = (both | (some == others)).all(-1)
    zero = torch.zeros_like(some)
    count = both.sum(-1)
    mean = torch.where(both, others, zero).sum(-1, keepdim=True) / count.unsqueeze(-1)
    square = torch.where(both, (some - others).square(), zero).sum(-1) / count
    spread = torch.where(both, (others - mean).square(), zero).sum(-1) / count
    distance = torch.where(square == 0, zero[..., 0], (square / spread).sqrt())
    return torch.where(comparable, distance, torch.inf)
