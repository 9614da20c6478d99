"""Tasks of code understanding: the line that follows a long context, judged by its similarity."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from generation.workloads.base import require_fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True)
class LineTask:
    """One problem: what stands before the line, and the line.

    Attributes:
        source: Where they are from: a file and the number of its line.
    """

    task_id: str
    context: str
    answer: str
    source: str


@dataclasses.dataclass(frozen=True)
class PosedLine:
    """A next-line task as it is put to a model; see `base.Posed`. Always a completion: LongBench
    itself (pred.py) wraps its code tasks in no chat template.

    Attributes:
        head, tail: What stands before and behind the context; short.
    """

    task: LineTask
    style: str
    head: str
    tail: str

    @property
    def text(self) -> str:
        return f"{self.head}{self.task.context}{self.tail}"

    @property
    def reference(self) -> str:
        return self.task.answer

    def tokens(self, tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
        """The prompt's token ids; where they are more than `room`, half of that many from each
        end, as in LongBench (pred.py). There the halves are decoded and encoded again; here they
        stay the ids that they are, so that their number is known."""
        ids = tokenizer(self.text, verbose=False).input_ids
        half = room // 2
        if len(ids) <= room or half < 1:
            return require_fit(ids, room, self.task.task_id)
        return [*ids[:half], *ids[-half:]]


class NextLines:
    """What the workloads of next lines share; see `base.Workload`.

    Args:
        name: By which a configuration calls it.
        limit: New tokens of an output.
    """

    judged_by = "similarity"
    task_type = LineTask

    def __init__(self, name: str, limit: int) -> None:
        self.name, self.limit = name, limit
