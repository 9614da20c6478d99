"""The program that judges: by tests or by similarity, and not what seeded weights say."""

import json
import sys

import pytest

import score
from generation.workloads import WORKLOADS, write_tasks
from generation.workloads.functions import FunctionTask

LIMITS = {"timeout_s": 3, "memory_mb": 512, "unit": "line"}
TASK = FunctionTask(
    "Small/0",
    'def target(x):\n    """Twice x."""\n',
    "target",
    "def check(candidate):\n    assert candidate(2) == 4\n",
)
SEEDED = score.UNJUDGED["result"]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Runs the program on generations; the scores by generation, and the sandbox's protections."""

    def run(workload, generations, *options, **spec):
        spec = {
            "session": "s",
            "workload": workload,
            "source": "hub",
            "prompt": "completion",
            "suppression": LIMITS,
        } | spec
        session, windows, out = (tmp_path / name for name in ("s.json", "w.jsonl", "out.json"))
        session.write_text(json.dumps({"spec": spec}))
        rows = [{"kind": "idle"}, *generations]
        windows.write_text("".join(json.dumps(row) + "\n" for row in rows))
        asked = ["--session", session, "--windows", windows, "--out", out, *options]
        monkeypatch.setattr(sys, "argv", ["score.py", *map(str, asked)])
        score.main()
        done = json.loads(out.read_text())
        return {row["generation"]: row for row in done["scores"]}, done["protections"]

    return run


def window(name, text, **more):
    ends = list(range(1, len(text) + 1))
    return {
        "kind": "generation",
        "generation": name,
        "task": "Small/0",
        "condition": "baseline",
        "text": text,
        "text_ends": ends,
        "characters": len(text),
        "reference": None,
        "replayed": False,
    } | more


@pytest.fixture
def tasks(tmp_path):
    write_tasks(tmp_path / "tasks.jsonl", [TASK])
    return ["--tasks", tmp_path / "tasks.jsonl"]


@pytest.mark.parametrize("workload", ["longbench-cu", "longcode-long"])
def test_next_lines_are_judged_without_tasks_and_without_a_sandbox(judged, workload, monkeypatch):
    monkeypatch.setattr(score, "Pool", None)
    same = window("same", "# so\n  x = 1\nmore\n", reference="  x = 1")
    other = window("other", "y\n", reference="z = 2", condition="suppressed")
    # Behind what stood as the output, text may follow within the last token.
    cut = window("cut", "ab\ncd", reference="ab", characters=3)
    endless = window("endless", "abcd", reference="abce")
    scores, protections = judged(workload, [same, other, cut, endless])
    assert protections == []
    assert [scores[name]["similarity"] for name in scores] == [1.0, 0.0, 1.0, 0.75]
    assert [scores[name]["answer"] for name in scores] == ["  x = 1", "y", "ab", "abcd"]
    assert [scores[name]["answer_tokens"] for name in scores] == [13, 2, 3, None]
    assert [scores[name]["answer_by"] for name in scores] == ["line", "line", "line", None]
    assert scores["endless"]["result"] == "similarity 0.75"
    assert {scores[name]["passed"] for name in scores} == {None}


def test_functions_are_judged_by_their_tests_and_have_no_similarity(judged, tasks):
    right, wrong = window("right", " return 2 * x\n"), window("wrong", " return x\n")
    scores, protections = judged("humaneval-2shot", [right, wrong], *tasks)
    assert [scores[name]["passed"] for name in scores] == [True, False]
    assert [scores[name]["similarity"] for name in scores] == [None, None]
    assert scores["right"]["answer_tokens"] == len(" return 2 * x")
    assert protections


def test_functions_without_tasks_are_refused_in_one_line(judged):
    with pytest.raises(SystemExit, match=r"error: tests judge 'humaneval-cot': --tasks is needed"):
        judged("humaneval-cot", [window("g", " return x\n")])


def test_seeded_weights_are_not_judged_but_what_is_replayed_through_them_is(judged, tasks):
    own, replayed = (
        window("own", " return 2 * x\n"),
        window("not", " return 2 * x\n", replayed=True),
    )
    scores, protections = judged("humaneval-0shot", [own], source="init")
    assert scores["own"] == {"generation": "own", **score.UNJUDGED} and protections == []
    scores, _ = judged("humaneval-0shot", [own, replayed], *tasks, source="init")
    assert (scores["own"]["result"], scores["own"]["passed"]) == (SEEDED, None)
    assert scores["not"]["passed"] is True
    lines = [
        window("own", "x\n", reference="x"),
        window("not", "x\n", reference="x", replayed=True),
    ]
    scores, _ = judged("longcode", lines, source="init")
    assert [scores[name]["similarity"] for name in scores] == [None, 1.0]


def test_every_score_says_the_same_things(judged, tasks):
    (tested,) = judged("humaneval-0shot", [window("g", " return x\n")], *tasks)[0].values()
    (compared,) = judged("longcode", [window("g", "x\n", reference="x")])[0].values()
    (seeded,) = judged("longcode", [window("g", "x\n", reference="x")], source="init")[0].values()
    assert tested.keys() == compared.keys() == seeded.keys()


def test_the_workloads_that_tests_judge_are_those_of_humaneval():
    by = {name: workload.judged_by for name, workload in WORKLOADS.items()}
    assert {name for name in by if by[name] == "tests"} == {
        f"humaneval-{how}" for how in ("0shot", "2shot", "cot")
    }
