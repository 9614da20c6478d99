"""The study of the meters: errors of windows whose work is known."""

import shutil

import numpy as np
import pandas as pd
import pytest

import figures
import report_meters
import tables_meters
from analysis.energy.raw import read_session
from analysis.figures import on_page
from analysis.meters.loads import DIFFERENCE, OURS, load_windows, loads_table

UNIT_S, IDLE_W, WORK_W = 0.25, 100.0, 300.0


@pytest.fixture
def session(lab, known):
    """Windows of 0.5 and 2 s of one load, a unit before each, rest between them; and a tool that
    says a tenth too much."""
    spans, now = [], 2.0
    plan = [(length, tool) for length in (0.5, 2.0) for tool in ("none",) * 4 + ("zeus",) * 2]
    for length, tool in plan:
        spans.append((now, now + UNIT_S, now + UNIT_S + length, length, tool))
        now += UNIT_S + length + 0.8

    def watts(t):
        busy = np.zeros_like(t, dtype=bool)
        for lead, _, end, _, _ in spans:
            busy |= (t >= lead) & (t < end)
        return np.where(busy, WORK_W, IDLE_W)

    one = lab((known.GPU, known.Truth(watts, now + 5), {}))
    one.begin(seconds=now + 4)
    for number, (lead, start, end, length, tool) in enumerate(spans):
        name = f"steady:{length}:{tool}:{number}"
        said = 1.1 * WORK_W * length if tool == "zeus" else None
        one.now = start
        one.window(
            "load",
            end - start,
            load=name,
            what="steady",
            length_s=length,
            tool=tool,
            repetition=number,
            units=round(length / UNIT_S),
            lead_ns=known.at(lead),
            tool_j=said,
        )
    one.segments[0]["tools"] = {"zeus": "1.2.3"}
    one.write()
    return one


def test_truth_is_taken_from_rest_to_rest_and_tools_are_held_against_it(session):
    table = loads_table(load_windows(read_session(session.folder), 2), 0.95)
    ours = table[table.tool == OURS].set_index("length_s")
    assert list(ours.windows) == [4, 4]
    assert ours.unit_j.to_numpy() == pytest.approx(WORK_W * UNIT_S, rel=0.02)
    assert ours.rms_off[2.0] < 0.03 and ours.coverage[2.0] >= 0.75
    zeus = table[table.tool == "Zeus"].set_index("length_s")
    assert zeus.bias[2.0] == pytest.approx(0.1, abs=0.02) and zeus.windows[2.0] == 2
    # Its moves are on no grid that these readings tell: there is no plain difference to show.
    assert DIFFERENCE not in set(table.tool)


@pytest.fixture
def study(run_program, tmp_path):
    """The study of the meters on a session, as the rules make it: tables, figures, page."""

    def make(session):
        folder = tmp_path / "campaign" / "meters"
        shutil.copytree(session.folder, folder)
        run_program(tables_meters, "--session", folder)
        for name in on_page("meters"):
            files = "--png", folder / f"{name}.png", "--pdf", folder / f"{name}.pdf"
            run_program(figures, name, "--campaign", folder.parent, *files)
        run_program(report_meters, "--session", folder, "--out", folder / "meters.md")
        return folder

    return make


def test_the_programs_write_tables_figure_and_page(session, study):
    folder = study(session)
    assert len(pd.read_parquet(folder / "loads.parquet")) == 4
    assert (folder / "loads.png").stat().st_size > 10_000
    assert (folder / "loads.pdf").read_bytes().startswith(b"%PDF")
    page = (folder / "meters.md").read_text()
    assert "**steady**" in page and "| Zeus |" in page and "zeus 1.2.3" in page
    assert "![Error against length](loads.png)" in page


def test_a_session_without_whole_windows_says_so_instead_of_nothing(lab, known, study):
    one = lab().begin(seconds=20)
    one.window(
        "load",
        1.0,
        load="x",
        what="steady",
        length_s=1.0,
        tool="none",
        repetition=0,
        units=4,
        lead_ns=known.at(0.5),
        tool_j=None,
    )
    one.segments[0]["tools"] = {}
    one.write()
    page = (study(one) / "meters.md").read_text()
    assert "Other tools in windows of their own: none" in page
    assert "Error against length, left out: no window was long enough" in page


def windows_of(energies_j, rests_w=0.0, u_j=0.01):
    """Windows of one load of one length whose energy above rest is given, as we read them too."""
    said = np.asarray(energies_j, float)
    return pd.DataFrame(
        {
            **{"what": "steady", "length_s": 1.0, "tool": "none", "units": 1, "status": "ok"},
            **{"above_j": 2 * said, "pooled_j": said, "pooled_u_j": u_j, "rest_w": rests_w},
            **{"duration_s": 1.0, "difference_j": np.nan, "tool_j": np.nan},
            **{"meter": "a meter", "estimate": False},
        }
    )


def test_no_window_is_judged_by_a_truth_that_it_defined():
    (row,) = loads_table(windows_of([10.0, 12.0]), 0.95).itertuples()
    # Of two, the other one is the truth: 10 against 12 and 12 against 10.
    assert row.rms_off == pytest.approx(np.sqrt(np.mean([(2 / 12) ** 2, (2 / 10) ** 2])))
    assert row.judged == 0 and np.isnan(row.coverage)
    # An odd one among equals is seen as it is, and does not hide in the mean.
    (row,) = loads_table(windows_of([10.0, 10.0, 10.0, 10.0, 15.0]), 0.95).itertuples()
    assert (row.judged, row.inside) == (5, 4)
    assert row.bias == pytest.approx((0.5 - 4 * (1 - 10 / 11.25)) / 5)


def test_good_windows_are_held_about_as_often_as_is_said():
    randoms = np.random.default_rng(3)
    counts = np.zeros(2)
    for _ in range(200):
        table = loads_table(windows_of(randoms.normal(100, 1, size=6), u_j=1.0), 0.95)
        counts += table[["inside", "judged"]].to_numpy()[0]
    assert 0.93 <= counts[0] / counts[1] <= 0.97
