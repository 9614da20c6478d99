"""Documents of JSON as dataclasses: strict both ways."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from session.parsing import SpecificationError, load, parse, to_json, to_mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    number: float
    flag: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    text: str
    count: int
    share: float | None
    mode: Literal["slow", "fast"]
    inner: Inner | None
    either: Literal["all"] | int | Inner
    parts: tuple[Inner, ...]
    words: tuple[Literal["a", "b"], ...]
    anything: Mapping[str, Any]
    extra: int | None = None

    def __post_init__(self):
        if self.extra == self.count:
            raise ValueError("extra: is not the count")


DOCUMENT = {
    "text": "ä",
    "count": 3,
    "share": None,
    "mode": "slow",
    "inner": {"number": 1, "flag": True},
    "either": "all",
    "parts": [{"number": 1.0, "flag": False}, {"number": 1e-05, "flag": True}],
    "words": ["a", "b", "a"],
    "anything": {"deep": [{"er": [1, 2.0, None]}], "b": {}},
}


def parsed(**changes):
    return parse(Outer, DOCUMENT | changes, "here")


def refusal(document):
    with pytest.raises(SpecificationError) as caught:
        parse(Outer, document, "here")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"extra": 2},
        {"share": 1, "inner": None, "either": 7, "parts": [], "words": []},
        {"share": 1.0, "either": {"number": 2, "flag": False}},
    ],
)
def test_what_is_parsed_is_written_again_byte_for_byte(changes):
    text = json.dumps(DOCUMENT | changes, sort_keys=True)
    found = parse(Outer, load(text, "here"), "here")
    assert to_json(found) == text
    assert parse(Outer, to_mapping(found), "here") == found


def test_values_have_the_types_of_their_fields():
    found = parsed(either={"number": 2, "flag": False})
    assert found.inner == Inner(number=1, flag=True) and type(found.inner.number) is int
    assert isinstance(found.either, Inner) and found.extra is None
    assert found.words == ("a", "b", "a") and found.parts[1].number == 1e-05


def test_nothing_of_it_can_be_changed():
    found = parsed()
    for change in (
        lambda: setattr(found, "count", 4),
        lambda: setattr(found.inner, "number", 4),
        lambda: found.anything.update(b=1),
        lambda: found.anything["b"].update(b=1),
        lambda: found.anything["deep"].append(1),
        lambda: found.parts.append(1),
    ):
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
            change()


def test_what_was_given_is_not_what_is_kept():
    given = json.loads(json.dumps(DOCUMENT))
    found = parse(Outer, given, "here")
    given["anything"]["deep"].clear()
    given["parts"].clear()
    assert to_mapping(found) == DOCUMENT


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"text": 3}, "here: text: 3 is not allowed (allowed: a text)"),
        ({"count": "3"}, "here: count: '3' is not allowed (allowed: a whole number)"),
        ({"count": 3.0}, "here: count: 3.0 is not allowed (allowed: a whole number)"),
        ({"count": True}, "here: count: True is not allowed (allowed: a whole number)"),
        ({"count": None}, "here: count: None is not allowed (allowed: a whole number)"),
        ({"share": False}, "here: share: False is not allowed (allowed: a number or null)"),
        ({"share": float("nan")}, "here: share: nan is not allowed (allowed: a number or null)"),
        ({"share": float("inf")}, "here: share: inf is not allowed (allowed: a number or null)"),
        ({"mode": "fats"}, "here: mode: 'fats' is not allowed (allowed: 'slow' or 'fast')"),
        ({"mode": ["slow"]}, "here: mode: ['slow'] is not allowed (allowed: 'slow' or 'fast')"),
        ({"inner": []}, "here: inner: [] is not allowed (allowed: a mapping of flag, number or"),
        ({"either": "al"}, "here: either: 'al' is not allowed (allowed: 'all', a whole number or"),
        ({"parts": {}}, "here: parts: {} is not allowed (allowed: a list, each of it a mapping"),
        ({"parts": [3]}, "here: parts.0: 3 is not allowed (allowed: a mapping of flag, number)"),
        ({"words": "a"}, "here: words: 'a' is not allowed (allowed: a list, each of it 'a' or 'b"),
        ({"words": ["a", "c"]}, "here: words.1: 'c' is not allowed (allowed: 'a' or 'b')"),
        ({"anything": []}, "here: anything: [] is not allowed (allowed: a mapping)"),
        # A field that may be left out is left out, and never null.
        ({"extra": None}, "here: extra: None is not allowed (allowed: a whole number)"),
        ({"extra": 3}, "here: extra: is not the count"),
        ({"inner": {"number": 1}}, "here: the key 'inner.flag' is missing (needed: flag, number)"),
        (
            {"inner": {"number": 1, "flag": True, "flags": 1}},
            "here: unknown key 'inner.flags'; did",
        ),
        ({"either": {"flag": True, "numbr": 1}}, "here: unknown key 'either.numbr'; did you mean"),
        ({"parts": [DOCUMENT["inner"], {}]}, "here: the key 'parts.1.number' is missing (needed: "),
        ({"zzz": 1}, "here: unknown key 'zzz' (allowed here: anything, count, either, extra, inn"),
    ],
)
def test_what_does_not_fit_is_one_line_that_says_where_what_and_what_is_allowed(changes, line):
    assert refusal(DOCUMENT | changes).startswith(line)


def test_a_long_value_is_cut():
    assert len(refusal(DOCUMENT | {"count": "x" * 10_000})) < 150


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "--spec: not JSON: Expecting property name"),
        ("", "--spec: not JSON: Expecting value"),
        ("[" * 100_000, "--spec: not JSON: maximum recursion depth"),
        ("null", "--spec: None is not a mapping of keys to values"),
        ("[1]", "--spec: [1] is not a mapping of keys to values"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "--spec: the key 'b' stands there twice; name it once"),
    ],
)
def test_a_text_that_is_no_document_is_one_line(text, line):
    with pytest.raises(SpecificationError) as caught:
        load(text, "--spec")
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
