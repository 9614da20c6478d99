"""Outputs that another model gave, to be forced through this one token by token."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers.decoders import DecodeStream

from generation.agenda import Output

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True)
class RecordedOutput:
    """One recorded output, in the tokens of the model that it is forced through.

    Attributes:
        tokens: Token ids of the replaying model's tokenizer, those that it was recorded in where
            the two tokenizers agree, else those of its text.
        text, text_ends: The text, and for each token its length up to and with it.
        stop: Why the recorded output ended.
        characters: What stood as the output.
    """

    tokens: tuple[int, ...]
    text: str
    text_ends: tuple[int, ...]
    stop: str
    characters: int


def recorded_windows(path: Path) -> dict[Output, dict[str, Any]]:
    """The generations of a session's windows.jsonl."""
    with path.open(encoding="utf-8") as lines:
        windows = [json.loads(line) for line in lines]
    return {
        Output(w["task"], w["condition"], w["repetition"]): w
        for w in windows
        if w["kind"] == "generation"
    }


def retokenize(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], window: dict[str, Any]
) -> RecordedOutput:
    """A recorded generation in the tokens of a tokenizer.

    Args:
        prompt: The prompt's ids by the same tokenizer: spaces depend on what stands before.
    """
    stop = window["stop"]
    tokens = window["tokens"]
    text, ends = _decoded(tokenizer, prompt, tokens)
    if (text, ends) != (window["text"], window["text_ends"]):
        # Another tokenizer: the same text, and the end of sequence where there was one.
        tokens = tokenizer(window["text"], add_special_tokens=False).input_ids
        end = tokenizer.eos_token_id
        if end is not None and (stop == "end" or not tokens):
            tokens = [*tokens, end]
        text, ends = _decoded(tokenizer, prompt, tokens)
    characters = min(window["characters"], len(text))
    return RecordedOutput(tuple(tokens), text, tuple(ends), stop, characters)


def _decoded(
    tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], tokens: Sequence[int]
) -> tuple[str, list[int]]:
    stream = DecodeStream(ids=list(prompt), skip_special_tokens=True)
    text, ends = "", []
    for token in tokens:
        text += stream.step(tokenizer.backend_tokenizer, token) or ""
        ends.append(len(text))
    return text, ends
