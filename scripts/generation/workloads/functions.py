"""Tasks of code generation: a function to write, judged by its tests."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from generation import program
from generation.sandbox import Check
from generation.workloads.base import encode, require_fit

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True)
class FunctionTask:
    """One problem: the beginning of a program, the function to write, and its tests."""

    task_id: str
    prompt: str
    entry_point: str
    test: str


@dataclasses.dataclass(frozen=True)
class PosedFunction:
    """A function to write, as it is put to a model; see `base.Posed`.

    Attributes:
        given: What the program begins with before the output goes on: the end of a completion's
            prompt, without examples that stand before it. None where it is the whole prompt.
    """

    task: FunctionTask
    style: str
    text: str
    given: str | None = None
    reference: None = None

    def tokens(self, tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
        return require_fit(encode(tokenizer, self.text, self.style), room, self.task.task_id)

    def program(self, output: str) -> program.Program:
        """The program that an output, finished or not, proposes, whoever asks: the target function
        with what it needs."""
        return program.extract_program(output, *self._posed())

    # The name that this goes by where an output is whole.
    cut = program

    def all_code(self, output: str) -> program.Program:
        """All code of the output as it stands."""
        return program.extract_all_code(output, *self._posed())

    def _posed(self) -> tuple[str, str, str, str]:
        given = self.text if self.given is None else self.given
        return given, self.task.prompt, self.task.entry_point, self.style

    def check(self, proposed: program.Program) -> Check:
        """What the sandbox is to run to judge a program."""
        return Check(
            program=proposed.source,
            entry_point=self.task.entry_point,
            test=self.task.test,
            prompt=self.task.prompt,
        )
