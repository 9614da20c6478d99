"""Workloads: what a model is given, and that files hold tasks as they were."""

import ast
import random
import re
from pathlib import Path

import pytest

from generation.workloads import WORKLOADS, WorkloadError, read_tasks, write_tasks
from generation.workloads.humaneval import EXAMPLES
from generation.workloads.longcode import make_tasks as made
from generation.workloads.longcode import read_modules

DOCUMENT = Path(__file__).parents[2] / "docs" / "workloads.md"
WORKLOAD = WORKLOADS["humaneval-0shot"]


@pytest.fixture(scope="module")
def tasks():
    return WORKLOAD.load({})


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


@pytest.mark.parametrize("name", ["humaneval-0shot", "longcode"])
def test_files_give_tasks_back(tmp_path, name):
    workload = WORKLOADS[name]
    tasks = workload.load({"seed": 1, "characters": 3000})
    write_tasks(tmp_path / "tasks.jsonl", tasks)
    assert read_tasks(tmp_path / "tasks.jsonl", workload) == {t.task_id: t for t in tasks}


def test_examples_are_solved_and_no_problem_of_the_benchmark(tasks):
    for begin, body in EXAMPLES:
        name = ast.parse(begin + body).body[-1].name
        assert name not in {task.entry_point for task in tasks}
    namespace = {}
    exec("".join(begin + body + "\n" for begin, body in EXAMPLES), namespace)
    assert namespace["merge_inventories"]([{"bolt": 3}, {"bolt": 2, "nut": 7}]) == {
        "bolt": 5,
        "nut": 7,
    }
    assert namespace["merge_inventories"]([{"bolt": 3}, {"bolt": -3}]) == {}
    assert namespace["seating_rows"]([170, 152, 181, 165, 178], 2) == [
        [152, 165],
        [170, 178],
        [181],
    ]
    assert namespace["seating_rows"]([], 4) == []


def test_two_shot_puts_the_examples_before_the_task_and_leaves_them_out_of_the_program(tasks):
    for task in tasks:
        posed = WORKLOADS["humaneval-2shot"].pose(task, "completion")
        plain = WORKLOAD.pose(task, "completion")
        assert posed.text.endswith(plain.text)
        assert posed.program(" return 1\n") == plain.program(" return 1\n")
        ast.parse(posed.text + " return None\n")
        chat = WORKLOADS["humaneval-2shot"].pose(task, "chat")
        assert chat.text.endswith(WORKLOAD.pose(task, "chat").text)
        answer = f"```python\ndef {task.entry_point}(x):\n    return x\n```"
        assert chat.program(answer).source == WORKLOAD.pose(task, "chat").program(answer).source


def test_a_chain_of_thought_is_asked_for_and_is_part_of_the_program(tasks):
    for task in tasks:
        posed = WORKLOADS["humaneval-cot"].pose(task, "completion")
        assert posed.text.endswith("\n    # Let's think step by step.\n   ")
        ast.parse(posed.program(" return None\n").source)
        assert "step by step" in WORKLOADS["humaneval-cot"].pose(task, "chat").text


def test_limits_are_those_of_the_study():
    limits = {name: workload.limit for name, workload in WORKLOADS.items()}
    assert limits == {
        "humaneval-0shot": 300,
        "humaneval-2shot": 300,
        "humaneval-cot": 2000,
        "longbench-cu": 10,
        "longbench-cu-long": 300,
        "longcode": 10,
        "longcode-long": 300,
    }


def documented(name, style):
    """The prompt that docs/workloads.md shows under a heading with the workload and the style."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = re.search(rf"^#+ `{name}`, {style}\n.*?^~~~\n(.*?)\n~~~$", text, re.M | re.S)
    assert found, f"docs/workloads.md shows no prompt of {name} in {style}"
    return found.group(1)


@pytest.mark.parametrize("style", ["completion", "chat"])
@pytest.mark.parametrize("how", ["0shot", "2shot", "cot"])
def test_documented_prompts_are_those_that_are_posed(tasks, how, style):
    workload = WORKLOADS[f"humaneval-{how}"]
    assert documented(workload.name, style) == workload.pose(tasks[23], style).text


def test_the_documented_prompt_of_longcode_is_its_shape():
    shown = documented("longcode", "completion").split("[...]\n")
    files = {"a.py": "x = 1\n" * 800, "b.py": "def f(x):\n" + "    return f(x, x, x)\n" * 400}
    files |= {f"{name}.py": files["b.py"] for name in "cdefghijklmnopqrstuvwxyz"}
    files |= {f"{name}.py": files["b.py"] for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    posed = WORKLOADS["longcode"].pose(next(made(files, 1, 6000)), "chat")
    assert posed.text.startswith(shown[0]) and shown[0].endswith("repository.\n\n")
    assert shown[-1].endswith(posed.tail)


def test_every_workload_is_documented_with_its_limit():
    text = DOCUMENT.read_text(encoding="utf-8")
    for workload in WORKLOADS.values():
        assert re.search(rf"^\| `{workload.name}` \|.*\| {workload.limit} \|", text, re.M), workload


OPTIONS = {"seed": 3, "characters": 5000}


def test_longcode_is_the_same_for_the_same_seed_and_another_for_another():
    load = WORKLOADS["longcode"].load
    first = load(OPTIONS)
    assert load(OPTIONS) == first and len({task.task_id for task in first}) == 40
    assert load({**OPTIONS, "seed": 4}) != first


def test_longcode_does_not_depend_on_the_order_that_a_file_system_gives(tmp_path, monkeypatch):
    for number in range(50):
        body = "".join(f"    value_{n} = compute({n}, {number})\n" for n in range(200))
        (tmp_path / f"m{number}.py").write_text(f"def f(compute):\n{body}")
    found = list(made(read_modules(tmp_path), 1, 9000))
    listed = sorted(tmp_path.rglob("*.py"))
    random.Random(1).shuffle(listed)
    monkeypatch.setattr(Path, "rglob", lambda *_: iter(listed))
    assert list(made(read_modules(tmp_path), 1, 9000)) == found
    assert not any(str(tmp_path) in task.context for task in found)


def test_longcode_asks_for_a_line_of_real_code_in_its_own_file(capsys):
    """The context of a task ends with the beginning of the file that its source names."""
    files = read_modules(Path(ast.__file__).parent)
    for task in WORKLOADS["longcode"].load(OPTIONS):
        assert len(task.context) >= 5000 and "longbench" not in task.task_id.lower()
        name, number = re.fullmatch(r"(.+\.py), line (\d+)", task.source).groups()
        lines = files[name].split("\n")
        before = "".join(f"{line}\n" for line in lines[: int(number) - 1])
        assert task.context.endswith(f"# {name}\n{before}")
        assert task.answer == lines[int(number) - 1]
        assert len(task.answer.strip()) >= 16 and "#" not in task.answer
        assert task.answer.startswith(" ")
    # Which library it was, since another one gives other tasks.
    assert "40 tasks from the standard library of CPython 3.11" in capsys.readouterr().err


def test_longcode_asks_for_no_docstring():
    doc = '    """A docstring that is long enough."""\n'
    code = "    return compute(x, x, x)\n"
    inner = f"    def inner(x):\n    {doc}    {code}"
    module = "x = 1\n" + "# note\n" * 800 + f"def f(compute, x):\n{doc}{inner}{code}"
    files = {f"m{number}.py": module for number in range(40)}
    answers = {task.answer.strip() for task in made(files, 1, 100)}
    assert answers <= {"return compute(x, x, x)", "def inner(x):"}


def test_longcode_takes_neither_tests_nor_what_is_no_text_nor_what_an_installation_wrote(tmp_path):
    for name in (
        "good.py",
        "test/bad.py",
        "pkg/tests/bad.py",
        "encodings/cp.py",
        "_sysconfigdata__x.py",
        "config-3.11-x/python-config.py",
        "site-packages/x.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe")
    assert list(read_modules(tmp_path)) == ["good.py"]
    with pytest.raises(WorkloadError, match="gives 0 tasks, and 40 are needed"):
        list(made(read_modules(tmp_path), 1, 100))
