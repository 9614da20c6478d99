"""How long a plan takes and how large it is."""

import pytest

from configuration.estimates import Span, describe, model_bytes, raw_bytes, total_seconds
from configuration.experiment import Session


def test_what_was_measured_counts_before_what_is_assumed():
    sessions = [Session("m", "humaneval-0shot", number) for number in (2, 3)]
    span, assumed = total_seconds(sessions, {}, {}, "cpu", {"m__humaneval-0shot": 90.0})
    assert (span.least, span.most, assumed) == (200.0, 200.0, False)


def test_the_weights_of_the_hub_have_two_bytes_a_parameter():
    assert model_bytes({"source": "hub", "parameters": 7_000_000_000}) == (14e9, 14e9)
    assert model_bytes({"source": "package", "package": "unknown==1"}) is None
    assert model_bytes({"source": "init", "architecture": {}}) == (0, 0)


def test_the_lines():
    sizes = {"a": (2e9, 4e9), "model b": None}
    first, second = describe(3, Span(600, 1200), True, sizes, raw_bytes(1000, 0.05))
    assert first.startswith("plan: 3 sessions to measure, about 10 min to 20 min; ")
    assert "about 2 GB to fetch, and of unknown size model b; about 4 GB to keep" in second
    assert describe(0, Span(), False, {}, 0) == []
    assert raw_bytes(1000, 0.1) == pytest.approx(raw_bytes(1000, 0.05) / 2)
