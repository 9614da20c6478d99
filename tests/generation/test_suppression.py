"""When suppression looks, what it checks, and when it stops."""

import itertools
import random

import pytest

from generation.program import canonical_form
from generation.suppression import Suppressor, boundaries

ANSWER = " y = x + x\n    # twice\n    return y\n"
BABBLE = "\n\nprint(target(1))\n"


def feed(suppressor, tokens):
    """Gives the tokens one by one; the text at which it stopped, or None."""
    text = ""
    for number, token in enumerate(tokens, start=1):
        text += token
        if suppressor(text, len(text) - len(token), number):
            return text
    return None


@pytest.mark.parametrize(
    ("unit", "text", "new", "expected"),
    [
        ("token", "ab", 1, [2]),
        ("token", "a", 1, []),
        ("token", "a\nb\nc", 1, [2, 4, 5]),
        ("token", "a\n\n", 1, [2, 3]),
        ("line", "a\nb\nc", 1, [2, 4]),
        ("line", "a\nb", 2, []),
        ("line", "a\r\nb", 1, [2, 3]),
        ("line", "a\rb", 0, [2]),
        ("line", "a\fb\x0bc\u2028d", 0, []),
        ("function", "  a\nb", 0, [4]),
        ("function", "a\nb", 2, [2]),
        ("function", "a\n  b\n\nc\nd", 1, [7, 9]),
        ("function", "a\n\n\n", 0, []),
        ("function", "abc", 0, []),
        ("function", "a\n```", 1, [2]),
        ("function", "a\n# b\n)", 0, [2, 6]),
        ("function", "a\n\fb\r\nc\rd", 0, [3, 6, 8]),
        ("function", "a\n\xa0b", 0, [2]),
    ],
)
def test_boundaries_of_a_text(unit, text, new, expected):
    assert list(boundaries(unit, text, new)) == expected


@pytest.mark.parametrize("unit", ["line", "function"])
def test_boundaries_do_not_depend_on_the_tokens(unit):
    randoms = random.Random(unit)
    for _ in range(300):
        text = "".join(randoms.choices(["a", " ", "\n", "\r", "\f", "```", "b\n", "\n\nc"], k=12))
        cuts = sorted(randoms.choices(range(len(text) + 1), k=5))
        piecewise = [
            offset
            for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)
            for offset in boundaries(unit, text[:end], begin)
        ]
        assert piecewise == list(boundaries(unit, text, 0))


def test_only_changes_of_the_tree_are_checked(posed, judge):
    check = judge(lambda program: False)
    suppressor = Suppressor(posed("completion"), "line", check)
    feed(suppressor, [" y", " = x\n", "    # note\n", "\n", "    return (y\n", "    )\n", "  \n"])
    assert [look.outcome for look in suppressor.checks] == [
        "failed: ",
        "unchanged",
        "unchanged",
        "unchanged",
        "failed: ",
        "unchanged",
    ]
    keys = [canonical_form(program) for program in check.programs]
    assert len(keys) == 2 and len(set(keys)) == 2


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("completion", "\n\n   # nothing\n```\nprose\n"),
        ("completion", "```\n return x\n"),
        ("chat", "Sure!\n\nI can\n```python\n\n# soon\n"),
        ("chat", "No code\nat all.\n"),
    ],
)
@pytest.mark.parametrize("unit", ["token", "line", "function"])
def test_what_stands_in_the_prompt_alone_is_never_checked(posed, judge, unit, style, text):
    check = judge(lambda program: True)
    suppressor = Suppressor(posed(style), unit, check)
    assert feed(suppressor, list(text)) is None
    assert check.programs == []
    assert not any(look.passed for look in suppressor.checks)


@pytest.mark.parametrize("unit", ["token", "line", "function"])
def test_stops_at_the_first_boundary_that_passes(posed, judge, unit):
    done = canonical_form(posed("completion").program(ANSWER).source)
    check = judge(lambda program: canonical_form(program) == done)
    suppressor = Suppressor(posed("completion"), unit, check)
    stopped = feed(suppressor, [ANSWER[:20], ANSWER[20:] + BABBLE, "print(2)\n"])
    assert stopped == ANSWER + BABBLE
    last = suppressor.checks[-1]
    # Within a token that holds several line breaks: at the end of the answer's last line, or where
    # the next line begins.
    assert last.characters == len(ANSWER) + (2 if unit == "function" else 0)
    assert (last.passed, last.outcome, last.tokens) == (True, "passed", 2)
    assert not any(look.passed for look in suppressor.checks[:-1])


def test_checks_are_in_order_and_apart(posed, judge):
    suppressor = Suppressor(posed("completion"), "token", judge(lambda program: False))
    feed(suppressor, [" return", " x\n\n", "", "\nprint", "(1)\nx\n", "```"])
    looks = suppressor.checks
    assert len(looks) > 5
    assert all(look.start_ns <= look.end_ns for look in looks)
    for one, other in itertools.pairwise(looks):
        assert one.end_ns <= other.start_ns
        assert one.characters < other.characters
        assert one.tokens <= other.tokens


def test_a_check_gets_the_task(posed, judge, task):
    asked = []
    check = judge(lambda program: True)
    suppressor = Suppressor(posed("chat"), "line", lambda it: (asked.append(it), check(it))[1])
    assert feed(suppressor, ["```python\n", "def target(x):\n", "    return 2 * x\n"])
    assert (asked[0].entry_point, asked[0].test, asked[0].prompt) == (
        task.entry_point,
        task.test,
        task.prompt,
    )
    assert asked[0].program == "from typing import List\n\n\ndef target(x):\n    return 2 * x\n"
