"""What a page says once: what most windows carry, sessions, reasons, and figures with nothing in
them."""

import json
import re

import pandas as pd
import pytest

from analysis.pages import common
from analysis.pages.top import commonest, details, lines
from analysis.quality.flag_tables import flags_table, note
from analysis.quality.flags import NAMES, VOCABULARY
from analysis.runtimes import wording


def windows(*flags, session="a", kind="inference"):
    """One window a text of flags."""
    about = {"session": session, "kind": kind, "domain": "total", "unknown": ""}
    return pd.DataFrame([about | {"flags": text} for text in flags])


def table(*parts):
    return flags_table(pd.concat(parts, ignore_index=True))


def test_what_most_windows_carry_stands_at_the_top_with_what_it_means_and_what_to_do():
    flags = table(windows(*["CPU contention, throttled"] * 6, "throttled", "", "", ""))
    (throttled, contended) = lines(flags)
    assert (throttled["flag"], throttled["windows"], throttled["of"]) == ("throttled", 7, 10)
    known = {flag.name: flag for flag in VOCABULARY}
    for row in (throttled, contended):
        assert row["meaning"] == known[row["flag"]].meaning and row["most"]
        assert row["remedy"] == known[row["flag"]].remedy
    assert commonest(flags) == ["throttled", "CPU contention"]


@pytest.mark.parametrize("flag", NAMES)
def test_a_flag_of_half_the_windows_or_fewer_is_not_at_the_top(flag):
    flags = table(windows(flag, flag, "", ""))
    always = flag == "CPU contention"
    assert commonest(flags) == [] and [row["flag"] for row in lines(flags)] == [flag] * always
    assert commonest(table(windows(flag, flag, flag, "", ""))) == [flag]


def test_contention_is_said_wherever_it_is_with_its_sessions():
    flags = table(windows("CPU contention", *[""] * 9), windows(*[""] * 10, session="b"))
    (row,) = lines(flags)
    assert (row["windows"], row["of"], row["most"]) == (1, 20, False)
    assert details(flags) == {"CPU contention": ["a: windows that carry it: 1"]}
    assert details(flags, {"a": "worse"}) == {"CPU contention": ["a: worse"]}
    assert lines(table(windows("", ""))) == [] and details(table(windows("", ""))) == {}


def test_a_common_flag_hides_no_rarer_one():
    every = "disagreement"
    parts = [windows(*[every] * 4, session=name) for name in "abcdefg"]
    flags = table(*parts, windows(f"meter lost, {every}", session="h"))
    assert commonest(flags) == [every]
    # Where the page says what all have, a figure names the one session that has more.
    assert note(flags, besides=commonest(flags)) == "Flagged (meter lost): h"
    alone = note(flags)
    assert alone.startswith("Flagged (meter lost): h; Flagged (disagreement): a, b and 6 more")
    assert note(table(*parts), besides=[every]) is None


def test_flags_of_idle_and_of_other_domains_are_not_of_most_windows_of_work():
    parts = [windows("", ""), windows(*["CPU contention"] * 9, kind="idle")]
    part = windows(*["throttled"] * 9).assign(domain="gpu:0")
    assert lines(table(*parts, part)) == []


def test_a_reason_stands_once_for_all_whom_it_concerns():
    def out(model, runtime, provider, why="no such operator"):
        row = {"session": "s", "model": model, "runtime": runtime, "provider": provider}
        return row | {"round": 1, "batch": None, "stage": "conversion", "why": why}

    rows = [
        *(out(model, "A", where) for model in ("m", "n") for where in ("cpu", "cuda")),
        *(out("m", "B", "cpu"), out("o", "C", "cpu"), out("o", "C", "cpu", "another")),
    ]
    found = wording.exclusions(pd.DataFrame(rows))
    assert [line.count("no such operator") for line in found] == [1, 0]
    assert found[0].endswith("o: C on CPU (conversion): no such operator")
    assert all(name in found[0] for name in ("m: A, B on CPU", "n: A on CPU", "m, n: A on CUDA"))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("A on CPU: conversion: x; y", [("A on CPU", "conversion: x; y")]),
        ("B on CUDA: x", [("B on CUDA", "x")]),
        ("A on CPU: x; z; B on CUDA: y; w", [("A on CPU", "x; z"), ("B on CUDA", "y; w")]),
        ("no A on CPU; no B on CUDA", [("", "no A on CPU"), ("", "no B on CUDA")]),
        ("different meters: one; against two", [("", "different meters: one; against two")]),
        ("", []),
    ],
)
def test_reasons_of_a_pair_are_told_of_each_side(reason, expected):
    row = {"first": "A", "first_provider": "cpu", "second": "B", "second_provider": "cuda"}
    assert wording.sides(row | {"reason": reason}) == expected


def test_sessions_are_told_in_a_line():
    def session(number, excluded=None):
        segments = [{"device": "cuda:0", "started_utc": f"2026-01-0{number}T00:00:00+00:00"}]
        spec = {"session": str(number), "round": number}
        return {"spec": spec, "excluded": excluded, "segments": [] if excluded else segments}

    said = common.describe_sessions([session(1), session(2), session(3, {"why": "x"})])
    assert said == (
        "3 sessions in 3 rounds, 1 of them excluded, on cuda:0, 2026-01-01 to 2026-01-02"
    )
    assert common.describe_sessions([session(1)]) == "1 session in 1 round, on cuda:0, 2026-01-01"


def test_events_of_many_sessions_stand_once(tmp_path):
    event = {"kind": "meter-lost", "domain": "gpu:0", "why": "bus", "t_ns": 1, "segment": 1}
    sessions = [{"spec": {"session": name}} for name in "abcd"]
    for name in "abcd":
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "events.jsonl").write_text(2 * (json.dumps(event) + "\n"))
    (found,) = common.events(tmp_path, sessions)
    assert found == {**{k: event[k] for k in ("kind", "domain", "why")}, "sessions": "a, b and 2 more"}  # fmt: skip  # noqa: E501


def contended(bench, shares):
    """Three sessions: all windows of work contended, and the meter of one lost in its last."""
    made = []
    for system in ("pytorch", "tensorflow", "jax"):
        one = bench(system=system, batch_sizes=(1,))
        one.begin(seconds=20)
        one.window("idle", 2)
        for repetition in range(4):
            one.inference(1, repetition, each_s=0.01 + 1e-5 * repetition, **shares)
        made.append(one)
    late = made[0].windows[-1]["start_ns"]
    made[0].samples = [sample for sample in made[0].samples if sample[1] < late]
    return made


def test_a_page_of_contended_windows_says_so_once_and_names_the_rarer_flag(bench, runtimes_page):
    text, campaign = runtimes_page(*contended(bench, {"others": 0.5}))
    plain = " ".join(re.sub("<[^>]+>", "", text).split()).replace("&#39;", "'")
    assert plain.count("other programs used the processors") == 1
    top = plain.index("CPU contention, all 12 (other programs used the processors; what helps: a")
    assert top < plain.index("What was measured")
    assert "meter lost" in plain[plain.index("How far to trust the windows") :]
    # What all carry makes no window worse than another; what one carries does.
    assert 0 < campaign.runtimes.flagged.max() < 4
    assert "The machine was not the sessions' own" in plain
    about = campaign.folder / "figures"
    assert json.loads((about / "runtimes-parity.json").read_text())["left_out"]
    assert not (about / "runtimes-parity.png").read_bytes()
    assert json.loads((about / "runtimes-energy.json").read_text()) == {"left_out": None}
