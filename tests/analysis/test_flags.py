"""Each flag provoked, and what becomes of it: never a zero, never a row less."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import yaml

import cite
import tables_phases
from analysis.energy.raw import read_session
from analysis.quality.checks import checks_of
from analysis.quality.flag_tables import (
    FlaggedError,
    clean,
    common_flags,
    counts,
    flags_table,
    note,
    refuse_flagged,
    session_flags,
    with_and_without,
    with_session_flags,
)
from analysis.quality.flags import NAMES, flag_names, union_of_flags, vocabulary, without_flags
from analysis.quality.windows import windows_table

SPAN_S = 30.0


def state(lab, quantity, value, domain="gpu:0"):
    """What was read beside energy once a second; `value` may depend on the second."""
    for second in range(int(SPAN_S)):
        read = value(second) if callable(value) else value
        named = {"domain": domain, "quantity": quantity, "unit": "1"}
        at_ns = 1_000_000_000_000 + second * 1_000_000_000 + 1_000
        lab.samples.append((lab.segment, at_ns, named, read))


def quiet(lab, **changed):
    """A session with nothing to complain of, but for what is changed."""
    lab.begin(seconds=SPAN_S)
    lab.window("idle", 3.0)
    for number in range(6):
        lab.generation(f"T/{number}", tokens=41, prefill_s=0.4, token_s=0.05)
    states = {
        "clock_sm": 1980,
        "temperature": 50,
        "throttle_reasons": 0,
        "foreign_processes": 0,
    }
    for quantity, value in (states | changed).items():
        if quantity in states:
            state(lab, quantity, value)
    state(lab, "machine_busy_s", changed.get("machine_busy_s", lambda s: 100 + 1.02 * s), "host")
    state(lab, "own_s", lambda s: 10 + 1.0 * s, "host")
    return lab


def flagged(lab):
    """The session and its windows."""
    session = read_session(lab.write().folder)
    return session, windows_table(session, 2)


def of(windows, kind="generation", domain="total"):
    part = windows[(windows.kind == kind) & (windows.domain == domain)]
    return [flag_names(text) for text in part["flags"]]


def test_a_quiet_session_carries_no_flag(lab):
    _, windows = flagged(quiet(lab()))
    assert set(windows["flags"]) == {""}


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"throttle_reasons": lambda s: 4 if s > 10 else 0}, "throttled"),
        ({"throttle_reasons": 0x40}, "throttled"),
        ({"clock_sm": lambda s: 1980 if s < 10 else 1500}, "clock changed"),
        ({"temperature": lambda s: 50 if s < 14 else 60}, "temperature drift"),
        ({"foreign_processes": lambda s: int(s > 8)}, "foreign process on the GPU"),
        ({"machine_busy_s": lambda s: 100 + 2.0 * s}, "CPU contention"),
    ],
)
def test_states_of_the_machine_raise_their_flag_and_no_other(lab, changed, flag):
    _, windows = flagged(quiet(lab(), **changed))
    _, clean = flagged(quiet(lab()))
    found = of(windows)
    assert any(flag in words for words in found)
    assert {word for words in found for word in words} == {flag}
    # The figures stay what they are.
    assert len(windows) == len(clean)
    np.testing.assert_allclose(windows.energy_j, clean.energy_j)


@pytest.mark.parametrize("reasons", [1, 2, 256])
def test_idle_and_set_clocks_are_no_throttling(lab, reasons):
    _, windows = flagged(quiet(lab(), throttle_reasons=reasons))
    assert not any("throttled" in words for words in of(windows))


def test_a_short_window_is_unresolved_and_has_no_energy_instead_of_none_at_all(lab):
    one = lab().begin(seconds=SPAN_S)
    one.window("idle", 3.0)
    one.generation("T/0", prefill_s=0.02)
    _, windows = flagged(one)
    ((words),) = of(windows, "prefill")
    assert words == ["unresolved"]
    row = windows[(windows.kind == "prefill") & (windows.domain == "total")].iloc[0]
    assert np.isnan(row.energy_j) and row.pooled_j > 0


def test_an_idle_that_decays_is_unstable_and_so_is_none(lab, known):
    decaying = known.Truth(lambda t: 100 + 100 * np.exp(-t), SPAN_S)
    one = quiet(lab((known.GPU, decaying, {})))
    assert all("idle unstable" in words for words in of(flagged(one)[1]))
    bare = lab().begin(seconds=SPAN_S)
    bare.generation("T/0", prefill_s=0.4)
    assert of(flagged(bare)[1]) == [["idle unstable"]]


def test_a_counter_that_stands_still_is_frozen_and_its_windows_have_no_energy(lab, known):
    still = (known.GPU, known.Truth(lambda t: np.full_like(t, 100.0), SPAN_S), {"until": 8.0})
    one = quiet(lab(still))
    event = {"segment": 1, "t_ns": known.at(14.0), "kind": "counter-frozen", "domain": "gpu:0"}
    one.events.append({**event, "why": "stood still"})
    _, windows = flagged(one)
    words = of(windows)
    assert any("counter frozen" in each for each in words)
    dead = windows[windows["flags"].str.contains("frozen") & (windows.kind == "generation")]
    assert dead.energy_j.isna().all() and len(dead) > 0


def test_a_meter_that_ends_early_is_lost(lab, known):
    one = quiet(lab())
    one.samples = [s for s in one.samples if s[2].get("meter") != "nvml" or s[1] < known.at(9.0)]
    _, windows = flagged(one)
    assert "meter lost" in of(windows)[-1]
    last = windows[(windows.kind == "generation") & (windows.domain == "total")].iloc[-1]
    assert np.isnan(last.energy_j) and np.isnan(last.pooled_j)


def test_an_estimate_is_flagged_as_one_everywhere(lab, known):
    one = lab(known.ESTIMATE)
    one.device = "cpu"
    _, windows = flagged(quiet(one))
    assert all(
        "estimate" in words for kind in ("idle", "generation") for words in of(windows, kind)
    )


def disagreeing_lab(lab, known, factor=1.2):
    """A board whose counter says more than its power."""
    one = quiet(lab())
    watts = 100_000 / factor
    for second in np.arange(0, SPAN_S, 0.05):
        one.samples.append((1, known.at(second), {**known.GPU_POWER}, watts))
    return one


def test_counter_and_power_that_differ_flag_the_whole_session(lab, known):
    session, windows = flagged(disagreeing_lab(lab, known))
    (row,) = checks_of(session)
    assert row["pair"] == "energy counter / integrated power" and row["flagged"]
    assert row["difference"] == pytest.approx(0.2, abs=0.01)
    assert all("disagreement" in words for words in of(windows))
    agreeing, windows = flagged(disagreeing_lab(lab, known, factor=1.02))
    assert not checks_of(agreeing)[0]["flagged"]
    assert not any("disagreement" in words for words in of(windows))


@pytest.mark.parametrize(
    ("quantity", "factor", "fails"),
    [
        ("energy_powercap", 1.0, False),
        ("energy_powercap", 0.9, True),
        ("energy_parts", 0.7, False),
        ("energy_parts", 1.1, True),
    ],
)
def test_a_package_is_held_against_its_parts_and_another_reading(
    lab, known, quantity, factor, fails
):
    truth = known.Truth(lambda t: np.full_like(t, 50.0), SPAN_S)
    one = quiet(lab((known.RAPL, truth, {})))
    named = {"domain": "cpu:package-0", "quantity": quantity, "unit": "uJ"}
    for second in range(int(SPAN_S) - 1):
        one.samples.append((1, known.at(second), named, int(1e6 + factor * 50e6 * second)))
    session, windows = flagged(one)
    (row,) = checks_of(session)
    assert row["flagged"] is fails
    assert all(("disagreement" in words) is fails for words in of(windows, domain="cpu:package-0"))


def test_a_wrap_that_may_be_unseen_loses_the_windows(lab, known):
    small = {**known.RAPL, "max_range": 2_000_000_000}
    one = quiet(lab((small, known.Truth(lambda t: np.full_like(t, 50.0), SPAN_S), {})))
    one.samples = [
        s for s in one.samples if s[2]["quantity"] != "energy" or not 6 < (s[1] - 1e12) / 1e9 < 9
    ]
    _, windows = flagged(one)
    assert any("meter lost" in words for words in of(windows))


def test_every_flag_is_in_the_vocabulary_with_what_to_do():
    text = "\n".join(vocabulary())
    assert all(f"`{name}`" in text for name in NAMES)
    issue = (
        *("unresolved", "throttled", "clock changed", "temperature drift"),
        *("foreign process on the GPU", "CPU contention", "idle unstable", "counter frozen"),
        *("meter lost", "estimate"),
    )
    assert set(issue) <= set(NAMES)


def test_the_schema_lets_a_user_name_every_flag_and_no_other():
    schema = yaml.safe_load((cite.ROOT / "config/schemas/config.schema.yaml").read_text())
    strict = schema["properties"]["analysis"]["properties"]["strict"]["anyOf"]
    (of_names,) = (way["items"]["enum"] for way in strict if way["type"] == "array")
    assert of_names == list(NAMES)


def test_flags_are_counted_by_kind_and_what_is_unknown_is_said(lab):
    one = quiet(lab(), throttle_reasons=4)
    one.samples = [s for s in one.samples if s[2]["quantity"] != "clock_sm"]
    _, windows = flagged(one)
    table = flags_table(windows)
    row = table[(table.kind == "generation") & (table.domain == "total")].iloc[0]
    assert (row.flag, row.windows, row.of) == ("throttled", 6, 6)
    assert list(table[~table.known].flag) == ["clock changed"]


def test_a_disagreement_stands_in_every_table_and_on_every_figure(lab, known, tabulate, tmp_path):
    campaign = tabulate(disagreeing_lab(lab, known))
    tables = sorted((campaign.folder / "tables").glob("*.parquet"))
    assert len(tables) > 15
    for path in tables:
        one = pd.read_parquet(path)
        assert "session_flags" in one, path
        assert one.session_flags.str.contains("disagreement").all(), path
    text = note(campaign.table("flags"))
    assert text.startswith("Flagged (disagreement): small__humaneval-0shot__r1")


def test_without_doubt_figures_say_nothing(lab):
    _, windows = flagged(quiet(lab(), throttle_reasons=4))
    assert note(flags_table(windows)) is None


def test_a_row_has_the_flags_of_the_sessions_behind_it():
    who = pd.DataFrame({"session": ["a", "b"], "model": ["m", "n"], "workload": ["w", "w"]})
    made = {
        "by session": pd.DataFrame({"session": ["a", "b"]}),
        "by model": pd.DataFrame({"model": ["n", "m"], "workload": ["w", "w"]}),
        "of all": pd.DataFrame({"p": [1]}),
        "pooled": pd.DataFrame({"model": [""], "workload": ["w"]}),
        "beside": pd.DataFrame({"model": ["n"], "workload": ["x"], "reference": ["w"]}),
        "none": pd.DataFrame({"model": pd.Series(dtype="str")}),
    }
    found = with_session_flags(made, who, {"b": "disagreement"})
    assert list(found["by session"].session_flags) == ["", "disagreement"]
    assert list(found["by model"].session_flags) == ["disagreement", ""]
    assert list(found["of all"].session_flags) == ["disagreement"]
    # A blank stands for all, and what a row is compared with is behind it too.
    assert list(found["pooled"].session_flags) == ["disagreement"]
    assert list(found["beside"].session_flags) == ["disagreement"]
    assert list(found["none"].columns) == ["model", "session_flags"]


def test_strict_refuses_flagged_windows_in_one_line_and_writes_nothing(lab, run_program, known):

    one = disagreeing_lab(lab, known).write()
    out = one.campaign / "strict"
    arguments = ["--sessions", one.folder / "session.json", "--scores", one.score_file]
    arguments += ["--out", out]
    for strict in ("all", "disagreement"):
        with pytest.raises(FlaggedError) as refused:
            run_program(tables_phases, *arguments, "--strict", strict)
        assert "disagreement 18 of 18" in str(refused.value) and "\n" not in str(refused.value)
        assert not out.exists()
    run_program(tables_phases, *arguments, "--strict", "throttled")
    assert (out / "summary.parquet").exists()


def test_strict_looks_at_what_the_summary_is_built_on(lab):
    _, windows = flagged(quiet(lab(), temperature=lambda s: 50 if s < 14 else 60))
    refuse_flagged([], windows, ("generation",), "the summary")
    refuse_flagged(["all"], windows, ("idle",), "the summary")
    with pytest.raises(FlaggedError, match="temperature drift"):
        refuse_flagged(["all"], windows, ("generation",), "the summary")
    assert session_flags(flags_table(windows)) == {}


def test_old_raw_data_are_not_flagged_for_what_nobody_read(lab):
    one = lab().begin(seconds=SPAN_S)
    one.window("idle", 3.0)
    one.generation("T/0", prefill_s=0.4)
    session, windows = flagged(one)
    assert set(windows["flags"]) == {""}
    table = flags_table(windows)
    assert {"CPU contention", "temperature drift", "throttled"} <= set(table[~table.known].flag)
    assert json.loads((one.folder / "session.json").read_text())
    assert dataclasses.is_dataclass(session)


def repeated(lab, temperature, **changed):
    """Two cells in turns, five windows each, which heat the device as they do."""
    one = lab().begin(seconds=SPAN_S)
    one.window("idle", 2.0)
    spans = []
    for number in range(5):
        for task in ("cool", "hot"):
            spans.append((task, number, one.now, one.now + 2.0))
            one.generation(task, repetition=number, tokens=41, prefill_s=0.5, token_s=0.0375)
            one.now = spans[-1][3] + 0.1

    def at(second):
        return next((temperature(t, n) for t, n, a, b in spans if a <= second < b + 0.1), 50)

    states = {"temperature": at, "clock_sm": 1980, "throttle_reasons": 0, "foreign_processes": 0}
    for quantity, value in (states | changed).items():
        state(one, quantity, value)
    state(one, "machine_busy_s", lambda s: 100 + 1.0 * s, "host")
    state(one, "own_s", lambda s: 10 + 1.0 * s, "host")
    return one


def drifting(windows):
    rows = windows[(windows.kind == "generation") & (windows.domain == "total")]
    return set(rows.generation[rows["flags"].str.contains("temperature drift")])


def test_a_cell_that_heats_more_than_another_is_no_drift(lab):
    _, windows = flagged(repeated(lab, lambda task, n: 45 if task == "cool" else 65))
    assert drifting(windows) == set()


def test_a_window_unlike_the_others_of_its_cell_is_drift(lab):
    odd = {("hot", 2): 50}
    heat = {"cool": 45, "hot": 65}
    _, windows = flagged(repeated(lab, lambda task, n: odd.get((task, n), heat[task])))
    # Within what all the windows together show, and yet not like its own.
    assert drifting(windows) == {"hot:baseline:2"}


def unknown_of(session, windows):
    table = flags_table(windows)
    return {row.flag: (row.windows, row.of) for row in table[~table.known].itertuples(index=False)}


@pytest.mark.parametrize(
    ("quantity", "flag"),
    [
        ("temperature", "temperature drift"),
        ("throttle_reasons", "throttled"),
        ("clock_sm", "clock changed"),
        ("foreign_processes", "foreign process on the GPU"),
        ("own_s", "CPU contention"),
    ],
)
@pytest.mark.parametrize("lost", ["behind", "before", "within"])
def test_what_was_not_read_in_a_part_of_a_session_is_unknown_there(lab, quantity, flag, lost):
    one = quiet(lab())
    begins, ends = {"behind": (9, 99), "before": (-1, 9), "within": (7, 13)}[lost]
    one.samples = [
        s
        for s in one.samples
        if s[2]["quantity"] != quantity or not begins < (s[1] - 1e12) / 1e9 < ends
    ]
    session, windows = flagged(one)
    assert set(windows["flags"]) == {""}
    total = windows[(windows.domain == "total") & (windows.kind == "generation")]
    lacking = total["unknown"].str.contains(flag)
    assert 0 < lacking.sum() < len(total)
    told = unknown_of(session, windows)
    assert set(told) == {flag} and 0 < told[flag][0] < told[flag][1]
    (line,) = counts(flags_table(windows))["unknown"]
    assert (line["flag"], line["sessions"], line["partly"]) == (flag, 1, 1)
    # A window far from the hole is not concerned.
    far = total.iloc[0] if lost == "behind" else total.iloc[-1]
    assert far["unknown"] == ""


def test_what_is_always_read_is_never_unknown(lab):
    session, windows = flagged(quiet(lab()))
    assert unknown_of(session, windows) == {}
    assert counts(flags_table(windows))["unknown"] == []


def test_a_flag_is_raised_where_the_rest_is_unknown(lab):
    one = quiet(lab(), throttle_reasons=lambda s: 4)
    one.samples = [
        s for s in one.samples if s[2]["quantity"] != "throttle_reasons" or s[1] < 1e12 + 9e9
    ]
    _, windows = flagged(one)
    found = of(windows)
    assert found[0] == ["throttled"] and found[-1] == []


def test_one_flag_on_nearly_all_windows_is_common_and_no_reason_to_leave_out(lab):
    _, windows = flagged(quiet(lab(), throttle_reasons=4))
    assert common_flags(windows) == ["throttled"]
    told = counts(flags_table(windows))
    work = windows[(windows.domain == "total") & (windows.kind != "idle")]
    assert told["common"] == [{"flag": "throttled", "windows": len(work), "of": len(work)}]
    assert told["rows"] == []
    assert not clean(work).any() and clean(work, common_flags(windows)).all()
    _, windows = flagged(quiet(lab(round=2), throttle_reasons=lambda s: 4 if s > 10 else 0))
    told = counts(flags_table(windows))
    assert common_flags(windows) == [] and told["common"] == []
    assert [row["flag"] for row in told["rows"]] == ["throttled"]


def test_flags_that_are_no_doubt_leave_no_window_out():
    one = pd.DataFrame(
        {"flags": ["", "estimate", "unresolved, mirrored", "idle unstable", "throttled, estimate"]}
    )
    assert list(clean(one)) == [True, True, True, True, False]
    assert list(clean(one, above_idle=True)) == [True, True, True, False, False]
    assert list(clean(one, ["throttled"])) == [True] * 5


def test_a_conclusion_that_hangs_on_flagged_windows_says_so():
    one = pd.DataFrame({"j": [1.0, 1.0, 9.0, 9.0], "flags": ["", "", "throttled", "throttled"]})

    def conclude(rows):
        return "more" if rows.j.mean() > 3 else "not more"

    both = with_and_without(one, conclude)
    assert (both.all, both.clean, both.depends_on_flagged) == ("more", "not more", True)
    assert both.message == "not so without the 2 of 4 flagged windows: not more"
    firm = with_and_without(one.assign(j=9.0), conclude)
    assert not firm.depends_on_flagged and firm.message == "" and firm.flagged == 2
    assert with_and_without(one[2:], conclude).message == "rests on flagged windows only"
    assert not with_and_without(one, conclude, ["throttled"]).depends_on_flagged


def test_flags_are_joined_and_left_out_by_name():
    first = pd.Series(["", "throttled", "meter lost, estimate"], index=[3, 5, 9])
    second = pd.Series(["estimate", "throttled", "unresolved"], index=[3, 5, 9])
    joined = union_of_flags([first, second])
    assert list(joined) == ["estimate", "throttled", "unresolved, meter lost, estimate"]
    assert list(without_flags(joined, "estimate", "throttled")) == [
        "",
        "",
        "unresolved, meter lost",
    ]
    assert list(joined.index) == [3, 5, 9]


def test_idle_that_is_another_behind_the_work_is_unstable(lab, known):
    warmer = known.Truth(lambda t: np.where(t < 15, 100.0, 112.0), SPAN_S)
    one = quiet(lab((known.GPU, warmer, {})))
    assert not any("idle unstable" in words for words in of(flagged(one)[1]))
    one.now = 22.0
    one.window("idle", 3.0)
    assert all("idle unstable" in words for words in of(flagged(one)[1]))


def test_a_check_leaves_out_what_cannot_be_trusted_and_says_so(lab, known):
    still = (known.GPU, known.Truth(lambda t: np.full_like(t, 100.0), SPAN_S), {"until": 18.0})
    one = quiet(lab(still))
    for second in np.arange(0, SPAN_S, 0.05):
        one.samples.append((1, known.at(second), known.GPU_POWER, 100_000 / 1.2))
    session, _ = flagged(one)
    (row,) = checks_of(session)
    assert row["flagged"] and row["difference"] == pytest.approx(0.2, abs=0.01)
    assert 15 < row["seconds"] < 19 and "of" in row["unchecked"]


@pytest.mark.parametrize(("factor", "fails"), [(1.0, False), (1.2, True)])
def test_counters_in_any_unit_are_checked_against_their_power(lab, known, factor, fails):
    tick = {"rated_power_w": 20.0, "logical_cpus": 2, "resolution_s": 0.01}
    joules = {**known.GPU, "unit": "J", "kind": "gpu", "scale": 1.0, "period_s": 0.01}
    one = quiet(lab({**joules, "resolution": 0.1, "details": tick}))
    for second in np.arange(0, SPAN_S, 0.05):
        one.samples.append((1, known.at(second), known.GPU_POWER, 100 / factor))
    session, _ = flagged(one)
    (row,) = checks_of(session)
    assert row["flagged"] is fails
    assert row["second_j"] == pytest.approx(100 / factor * row["seconds"], rel=0.01)


@pytest.mark.parametrize("max_range", [3_000_000_000, None])
def test_a_second_counter_that_falls_costs_no_more_than_its_step(lab, known, max_range):
    package = {**known.RAPL, "max_range": max_range}
    times = np.arange(0, int(SPAN_S) - 1)
    raw = (50e6 * times).astype(int) % (3_000_000_000 // 3)
    one = quiet(lab((known.RAPL, known.Truth(lambda t: np.full_like(t, 50.0), SPAN_S), {})))
    named = {"domain": "cpu:package-0", "quantity": "energy_powercap", "unit": "uJ"}
    one.samples += [(1, known.at(s), named, int(v)) for s, v in zip(times, raw, strict=True)]
    session, _ = flagged(one)
    session.facts["segments"][0]["meters"]["found"][0] = package
    (row,) = checks_of(session)
    assert not row["flagged"] and row["difference"] == pytest.approx(0, abs=0.01)


def test_what_cannot_be_checked_says_why(lab, known):
    rows = checks_of(flagged(quiet(lab(known.RAPL)))[0])
    assert [(row["flagged"], row["unchecked"]) for row in rows] == [
        (False, "nothing is read beside its counter")
    ]
    promised = {**known.RAPL, "details": {"beside": ["energy_parts"]}}
    (row,) = checks_of(flagged(quiet(lab(promised, round=2)))[0])
    assert row["unchecked"] == "no energy_parts was read" and np.isnan(row["difference"])
