"""The line that the metric of next-line workloads reads, and the stop that loses nothing."""

import random

import pytest

import score
from generation.lines import LineStop, answer_line, similarity

PIECES = [
    "x = 1",
    "\n",
    "\n\n",
    "# note",
    "//",
    "`",
    "```\n",
    "  ",
    "\r\n",
    "\r",
    "foo(bar)",
    "é",
    "\x0b",
]


@pytest.mark.parametrize(
    ("text", "line", "end"),
    [
        ("", "", None),
        ("x = 1", "x = 1", None),
        ("x = 1\n", "x = 1", 6),
        ("\n\n  x\ny", "  x", 6),
        ("# a\nx\n", "x", 6),
        ("# a", "", None),
        ("# a\n\nx", "", 5),
        ("```python\nurl = 'http://a'\ny\n", "y", 29),
        ("x\ry\n", "x\ry", 4),
    ],
)
def test_the_line_is_that_of_longbenchs_metric(text, line, end):
    assert answer_line(text) == (line, end)


def reference_rule(text):
    """The metric's rule in its own words, to compare with."""
    for line in text.lstrip("\n").split("\n"):
        if "`" not in line and "#" not in line and "//" not in line:
            return line
    return ""


def outputs(count):
    randoms = random.Random(5)
    for _ in range(count):
        yield "".join(randoms.choices(PIECES, k=randoms.randint(0, 12))), randoms


def test_the_line_is_that_of_the_rule_for_any_text():
    for text, _ in outputs(3000):
        assert answer_line(text)[0] == reference_rule(text)


def test_what_stands_when_stopped_scores_as_whatever_would_follow():
    stopped = 0
    for text, randoms in outputs(3000):
        stop, so_far, number = LineStop(), "", 0
        while len(so_far) < len(text):
            new = len(so_far)
            so_far = text[: new + randoms.randint(1, 5)]
            number += 1
            if stop(so_far, new, number):
                kept = text[: stop.checks[-1].characters]
                assert answer_line(kept)[0] == answer_line(text)[0]
                assert similarity(kept, "x = foo") == similarity(text, "x = foo")
                stopped += 1
                break
        else:
            assert answer_line(text)[1] is None
    assert stopped > 1000


def test_it_looks_only_where_a_line_has_ended():
    stop = LineStop()
    assert not stop("# a", 0, 1) and not stop.checks
    assert not stop("# a\n", 3, 2)
    assert [(c.outcome, c.passed) for c in stop.checks] == [("line goes on", False)]
    assert stop("# a\nx\nrest", 4, 3)
    last = stop.checks[-1]
    assert (last.outcome, last.passed, last.characters, last.tokens) == (
        "line complete",
        True,
        6,
        3,
    )


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [("x = 1\n", "x = 1", 1.0), ("", "x", 0.0), ("abcd\n", "abce", 0.75), ("# c\nab", "ab", 1.0)],
)
def test_similarity_is_the_share_of_what_both_have(text, reference, expected):
    assert similarity(text, reference) == expected


def generation(text, ends, **more):
    return {"generation": "g", "text": text, "text_ends": ends, "characters": len(text), **more}


def test_a_score_tells_how_many_tokens_the_line_took():
    found = score.judge_by_similarity(generation("x = 1\nmore", [3, 6, 8, 10], reference="x = 1"))
    assert (found["similarity"], found["answer"], found["answer_tokens"]) == (1.0, "x = 1", 2)
    assert (found["passed"], found["answer_by"], found["result"]) == (
        None,
        "line",
        "similarity 1.00",
    )
    unended = score.judge_by_similarity(generation("x = 1", [3, 5], reference="x = 2"))
    assert unended["answer_tokens"] is None and unended["similarity"] == 0.8
