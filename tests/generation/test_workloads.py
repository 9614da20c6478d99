"""Workloads: what a model is given, and that files hold tasks as they were."""

import ast
import dataclasses
import json

import pytest

from generation.workloads import WORKLOADS, read_tasks

WORKLOAD = WORKLOADS["humaneval-0shot"]


@pytest.fixture(scope="module")
def tasks():
    return WORKLOAD.load()


def test_names_are_those_that_workloads_are_found_by():
    assert all(name == workload.name for name, workload in WORKLOADS.items())


def test_humaneval_has_its_problems(tasks):
    assert [task.task_id for task in tasks] == [f"HumanEval/{n}" for n in range(164)]
    assert all(f"def {task.entry_point}(" in task.prompt for task in tasks)
    assert all("def check(candidate)" in task.test for task in tasks)


def test_completion_prompts_end_in_three_of_four_spaces(tasks):
    for task in tasks:
        prompt = WORKLOAD.pose(task, "completion").text
        assert prompt.endswith("\n   ") and not prompt.endswith("\n    ")
        assert prompt.rstrip() == task.prompt.rstrip()
        # The body goes on with one space more.
        ast.parse(prompt + " return None\n")


def test_chat_prompts_hold_the_task_in_a_closed_block(tasks):
    for task in tasks:
        prompt = WORKLOAD.pose(task, "chat").text
        assert f"```python\n{task.prompt.rstrip()}\n```" in prompt
        assert prompt.count("```") == 2


def test_chat_programs_are_given_imports_and_helpers(tasks):
    for task in tasks:
        program = WORKLOAD.pose(task, "chat").program("")
        assert task.prompt.startswith(program.source)
        ast.parse(program.source)
        assert f"def {task.entry_point}(" not in program.source


def test_files_give_tasks_back(tmp_path, tasks):
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(dataclasses.asdict(task)) + "\n" for task in tasks))
    assert read_tasks(path) == {task.task_id: task for task in tasks}
