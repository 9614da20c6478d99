"""The registry of figures: a figure is one file, which says what it is, and says it truly."""

import ast
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import figures as program
from analysis.figures import (
    HERE,
    PAGES,
    FigureError,
    check_tables,
    discover,
    figures,
    module_of,
    on_page,
)

ROOT = Path(__file__).parents[2]
GOOD = '''"""A figure."""

from analysis.figures import FigureSpec

FIGURE = FigureSpec(
    title="Mine",
    page="phases",
    order=25,
    category="Phases",
    tables=("law",),
    caption="""
What it shows.
""",
)


def draw(campaign):
    """Not called here."""
'''


def test_it_is_read_without_the_libraries_that_figures_are_drawn_with():
    code = (
        "import sys; sys.modules |= dict.fromkeys(['numpy', 'pandas', 'matplotlib']);"
        "from analysis.figures import discover; print(*discover())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [*figures()], done.stderr


def test_every_module_is_a_figure_and_every_figure_stands_on_one_page():
    modules = {file.stem for file in HERE.glob("*.py")} - {"__init__"}
    assert {module_of(name) for name in figures()} == modules
    assert [name for page in PAGES for name in on_page(page)] == [*figures()]
    assert all(on_page(page) for page in PAGES)


@pytest.mark.parametrize("name", figures())
def test_a_figure_reads_what_it_declares_and_nothing_else(name):
    spec = figures()[name]
    tree = ast.parse((HERE / f"{module_of(name)}.py").read_text(encoding="utf-8"))
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "campaign"
    }
    assert asked - {"session"} == set(spec.tables)
    assert ("session" in asked) == spec.sessions


def test_a_new_figure_is_one_file(tmp_path):
    (tmp_path / "first.py").write_text(GOOD.replace("25", "30"))
    (tmp_path / "my_own.py").write_text(GOOD)
    (tmp_path / "of_runtimes.py").write_text(GOOD.replace('"phases"', '"runtimes"'))
    (tmp_path / "of_meters.py").write_text(GOOD.replace('"phases"', '"meters"'))
    found = discover(tmp_path)
    assert [*found] == ["my-own", "first", "of-runtimes", "of-meters"]
    own = found["my-own"]
    assert own.reads == ("law", "flags") and own.caption == "\nWhat it shows.\n"
    assert found["of-runtimes"].reads == ("law", "runtime_flags")
    assert found["of-meters"].reads == ("law",)


BAD = {
    "no declaration": (GOOD.replace("FIGURE =", "OTHER ="), "declares itself once, as FIGURE ="),
    "two": (GOOD + "\nFIGURE = FigureSpec()\n", "declares itself once"),
    "no call": (GOOD + "\nFIGURE = 3\n", "declares itself once"),
    "another call": (GOOD.replace("= FigureSpec(", "= dict("), "declares itself once"),
    "empty": ("", "declares itself once"),
    "no Python": ("def draw(:\n", "invalid syntax"),
    "nothing that draws": (GOOD.replace("def draw", "def drawn"), "has a function draw(campaign)"),
    "no such page": (GOOD.replace('page="phases"', 'page="mine"'), "page: 'mine' is none of"),
    "no such key": (GOOD.replace("title=", "titel="), "titel: no such thing; there are title,"),
    "a key is missing": (GOOD.replace("    order=25,\n", ""), "order: missing"),
    "no literal": (GOOD.replace('"Mine"', "TITLE"), "title: TITLE is no literal"),
    "no text": (GOOD.replace('"Mine"', '" "'), "title: ' ' is no text"),
    "no number": (GOOD.replace("25", '"25"'), "order: '25' is no whole number"),
    "no dots": (GOOD.replace("order=25", "order=25, dpi=1.5"), "dpi: 1.5 is no whole number"),
    "sessions": (GOOD.replace("order=25", "order=25, sessions=1"), "sessions: 1 is neither"),
    "one table as text": (GOOD.replace('("law",)', '"law"'), "tables: 'law' is no tuple of names"),
    "no table": (GOOD.replace('("law",)', "()"), "tables: () is no tuple of names of tables"),
    "spread": (GOOD.replace('title="Mine",', "**MINE,"), "FIGURE: **MINE is no literal"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_declaration_is_refused_in_one_line_that_names_the_file(tmp_path, case):
    text, why = BAD[case]
    (tmp_path / "fine.py").write_text(GOOD)
    (tmp_path / "odd.py").write_text(text)
    with pytest.raises(FigureError) as refused:
        discover(tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path}/odd.py: ") and why in said and "\n" not in said


def test_a_file_whose_name_would_be_none_of_a_figure_is_refused(tmp_path):
    (tmp_path / "My-Figure.py").write_text(GOOD)
    with pytest.raises(FigureError, match="named in a-z, 0-9 and _"):
        discover(tmp_path)


def test_a_table_that_no_rule_makes_is_refused():
    made = {page: {t for spec in on_page(page).values() for t in spec.reads} for page in PAGES}
    check_tables(figures(), made)
    # Of another study it is of no use.
    made["runtimes"].add("pairs")
    with pytest.raises(FigureError, match=r"^scripts/analysis/figures/savings\.py: .* 'pairs'"):
        check_tables(figures(), made | {"phases": made["phases"] - {"pairs"}})


def test_a_figure_that_reads_more_than_it_declares_fails_in_one_line(
    lab, known, tabulate, run_program, monkeypatch, tmp_path
):
    one = lab()
    one.begin(seconds=60)
    one.window("idle", 3)
    one.generation("T/0", 0, answer=9, prefill_s=0.1)
    campaign = tabulate(one)
    arguments = ("phases", "--campaign", campaign.folder)
    arguments += ("--png", tmp_path / "a.png", "--pdf", tmp_path / "a.pdf")
    run_program(program, *arguments)
    less = dataclasses.replace(figures()["phases"], tables=("generations",))
    monkeypatch.setattr(program, "figures", lambda: {"phases": less})
    with pytest.raises(SystemExit) as refused:
        run_program(program, *arguments)
    assert str(refused.value) == (
        "error: scripts/analysis/figures/phases.py: tables: 'summary' is read and not declared"
    )
