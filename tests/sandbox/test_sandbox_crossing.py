"""What tests and program pass each other: innocent ones pass as they do without a sandbox, and
none gains by it."""

import json
import re
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import pytest
from innocent_corpus import PROGRAMS

from generation.sandbox import LAYERS, Check, Pool

HERE = Path(__file__).parent
WITHOUT_NAMESPACES = ("landlock", "seccomp")
# What hostile programs may find of the prompt.
PROMPT = """
class P:
    def __init__(self, x): self.x = x
    def __eq__(self, o): return isinstance(o, P) and self.x == o.x
    def same(self, o): return self == o
def helper(x): return x == 4713
"""


def _hostiles():
    for part in re.split(r"^=== ", (HERE / "hostiles.txt").read_text(), flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        hostile, *sections = re.split(r"^--- (.*)\n", body, flags=re.M)
        told = dict(zip(sections[::2], sections[1::2], strict=True))
        test = "def check(candidate):\n" + textwrap.indent(told["test"], "    ")
        yield name, (hostile, told["honest"], test, told.get("prompt", PROMPT))


HOSTILE = dict(_hostiles())


@cache
def innocent_verdicts(layers):
    checks = [Check(program, "f", test, prompt) for program, test, prompt in PROGRAMS.values()]
    with Pool(workers=2, timeout_s=10.0, layers=layers) as pool:
        return dict(zip(PROGRAMS, pool.map(checks), strict=True))


@cache
def plain_results():
    command = [sys.executable, str(HERE / "innocent_corpus.py")]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_there_are_innocent_programs_of_many_styles():
    assert len(PROGRAMS) >= 100
    assert {name: said for name, said in plain_results().items() if said != "passed"} == {}


@pytest.mark.parametrize("layers", [LAYERS, WITHOUT_NAMESPACES, ()], ids=str)
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_an_innocent_program_passes(layers, name):
    assert innocent_verdicts(layers)[name].result == "passed"


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=1, timeout_s=2.0) as pool:
        yield pool


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_program_gains_nothing_by_what_it_returns(pool, name):
    hostile, honest, test, prompt = HOSTILE[name]
    # A program that defines the prompt's names itself stands behind the prompt's.
    assert pool.check(Check(prompt + honest, "f", test, prompt)).result == "passed"
    found = pool.check(Check(prompt + hostile, "f", test, prompt))
    assert not found.passed and found.result.startswith(("failed: ", "timed out"))


def test_a_long_message_and_a_note_are_one_verdict(pool):
    program = "A = type('\U00010400' * 90, (), {})\ndef f(n): return A()\n"
    test = "def check(f):\n    assert f(1) == 2, '\U0001f600' * 1000\n"
    found = pool.check(Check(program, "f", test))
    assert found.result.startswith("failed: ") and "was not asked for" in found.result
    assert len(found.result) <= 308
    assert pool.check(Check("def f(n): return n", "f", test.replace("== 2", "== 1"))).passed
