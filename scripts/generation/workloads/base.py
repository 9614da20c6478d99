"""What every workload is made of: tasks, and tasks as they are put to a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class WorkloadError(RuntimeError):
    """A benchmark that cannot be had or cannot be trusted; the message is one line."""


class Task(Protocol):
    """One problem: a dataclass whose fields are texts, numbers or lists of them."""

    task_id: str


class Posed(Protocol):
    """A task as it is put to a model.

    Attributes:
        style: `completion` or `chat`.
        text: The prompt; in `chat` the user's message, which a chat template wraps.
        reference: What an output is compared with; None where tests judge it.
    """

    task: Task
    style: str
    text: str
    reference: str | None

    def tokens(self, tokenizer: PreTrainedTokenizerBase, room: int) -> list[int]:
        """The prompt's token ids.

        Args:
            room: The most tokens that the model takes as a prompt.

        Raises:
            WorkloadError: They are more, and this workload does not shorten prompts.
        """
        ...


class Workload(Protocol):
    """A benchmark posed in one way.

    Attributes:
        name: By which a configuration calls it.
        file: The name of its tasks' file; workloads that share one pose the same tasks.
        limit: New tokens of an output, as in the study.
        judged_by: `tests` (run in the sandbox) or `similarity` (to the task's reference).
        task_type: The dataclass of its tasks.
    """

    name: str
    file: str
    limit: int
    judged_by: str
    task_type: type

    def load(self, options: Mapping[str, Any]) -> Sequence[Task]:
        """All tasks, from where the benchmark is published.

        Args:
            options: Its part of the configuration, and `seed`.

        Raises:
            WorkloadError: They cannot be had, or are not what was expected.
        """
        ...

    def pose(self, task: Any, style: str, length: int | None = None) -> Posed:
        """The task as `completion` or `chat`.

        Args:
            length: Tokens of the prompt, where a workload makes it to measure.
        """
        ...


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    """One JSON object a line, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    lines = (json.dumps(dataclasses.asdict(task)) + "\n" for task in tasks)
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)


def read_tasks(path: Path, workload: Workload) -> dict[str, Any]:
    """The tasks that the workload's rule wrote, by their ids."""
    with path.open(encoding="utf-8") as lines:
        tasks = [workload.task_type(**json.loads(line)) for line in lines]
    return {task.task_id: task for task in tasks}


def encode(tokenizer: PreTrainedTokenizerBase, text: str, style: str) -> list[int]:
    """A prompt's token ids: in `chat` as the tokenizer's template wraps it."""
    if style == "chat":
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
        )
    return tokenizer(text).input_ids


def require_fit(tokens: list[int], room: int, task_id: str) -> list[int]:
    """The tokens, if they are no more than `room`.

    Raises:
        WorkloadError: They are more.
    """
    if len(tokens) > room:
        raise WorkloadError(
            f"{task_id}: a prompt of {len(tokens)} tokens is longer than the {room} that the model"
            " takes beside the output (phases.max_new_tokens)"
        )
    return tokens
