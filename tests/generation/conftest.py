"""Small tasks and checks for outputs that no model wrote; lets tests import what lies beside."""

import sys
from pathlib import Path

import pytest

from generation.sandbox import Verdict
from generation.workloads import WORKLOADS
from generation.workloads.functions import FunctionTask

sys.path.insert(0, str(Path(__file__).parent))

PROMPT = '''from typing import List


def target(x):
    """ Twice x.
    >>> target(2)
    4
    """
'''


@pytest.fixture
def task():
    return FunctionTask(
        "Small/0", PROMPT, "target", "def check(candidate):\n    assert candidate(2) == 4\n"
    )


@pytest.fixture
def posed(task):
    """The task in a style: `posed("chat")`."""
    return lambda style: WORKLOADS["humaneval-0shot"].pose(task, style)


@pytest.fixture
def judge():
    """A check that passes what a predicate on the program says, and remembers what it was given."""

    def make(passes):
        def check(asked):
            check.programs.append(asked.program)
            passed = bool(passes(asked.program))
            return Verdict(passed, "passed" if passed else "failed: ", 0.0)

        check.programs = []
        return check

    return make
