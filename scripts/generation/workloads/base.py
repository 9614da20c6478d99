"""What every workload of code generation is made of."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Protocol

from generation import program
from generation.sandbox import Check


@dataclasses.dataclass(frozen=True)
class Task:
    """One problem: the beginning of a program, the function to write, and its tests."""

    task_id: str
    prompt: str
    entry_point: str
    test: str


@dataclasses.dataclass(frozen=True)
class Posed:
    """A task as it is put to a model.

    Attributes:
        task: The task.
        style: `completion` or `chat`.
        text: The prompt; in `chat` the user's message, which a chat template wraps.
    """

    task: Task
    style: str
    text: str

    def program(self, output: str) -> program.Program:
        """The program that an output, finished or not, proposes."""
        return program.proposed(
            output, self.text, self.task.prompt, self.task.entry_point, self.style
        )

    def cut(self, output: str) -> program.Program:
        """The same after the usual post-processing: cut at the end of the target function."""
        return program.cut(self.program(output), self.task.entry_point)

    def check(self, proposed: program.Program) -> Check:
        """What the sandbox is to run to judge a program."""
        return Check(
            program=proposed.source,
            entry_point=self.task.entry_point,
            test=self.task.test,
            prompt=self.task.prompt,
        )


class Workload(Protocol):
    """A benchmark posed in one way."""

    name: str

    def load(self) -> list[Task]:
        """All tasks, from where the benchmark is published. Needs its package or files."""

    def pose(self, task: Task, style: str) -> Posed:
        """The task as `completion` or `chat`."""


def read_tasks(path: Path) -> dict[str, Task]:
    """The tasks that the workload's rule wrote, one JSON object a line, by their ids."""
    with path.open(encoding="utf-8") as lines:
        tasks = [Task(**json.loads(line)) for line in lines]
    return {task.task_id: task for task in tasks}
