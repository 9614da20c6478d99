"""The figures of README and docs are those of the published tables."""

import re

import pandas as pd
import pytest

import cite
from analysis.rounding import Form
from publication.citations import names, unbound, update_citations
from publication.figures import FigureError, Figures, NotKeptError
from publication.sources import Sources

STATED = cite.load_definitions()
PAGES = {name: (cite.ROOT / name).read_text(encoding="utf-8") for name in cite.PAGES}


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_of_a_page_is_its_tables(page):
    sources = Sources(cite.ROOT, STATED["kept"])
    after, differences = cite.update_page(PAGES[page], Figures(STATED, sources), sources)
    assert not differences, "\n".join(f"{page}:{difference}" for difference in differences)
    assert after == PAGES[page]


@pytest.mark.parametrize("picture", STATED["pictures"])
def test_the_pictures_of_the_pages_are_the_published_figures(picture):
    figure = cite.ROOT / STATED["pictures"][picture]
    assert (cite.ROOT / picture).read_bytes() == figure.read_bytes()


@pytest.mark.parametrize("run", STATED["kept"])
def test_the_tables_of_runs_that_are_not_in_git_were_kept(run):
    missing = Sources(cite.ROOT, STATED["kept"]).missing()
    assert run not in missing, missing.get(run)


@pytest.mark.parametrize("page", PAGES)
def test_every_number_of_a_page_is_cited_or_known_to_be_no_figure(page):
    found = [
        f"{page}:{n}: {what}, in: {line}"
        for n, what, line in unbound(PAGES[page], STATED["allowed"])
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_no_line_begins_with_a_citation(page):
    """There Markdown begins a block of HTML, and so breaks the paragraph."""
    begins = re.compile(r"^[\s>*-]*<!--=", re.MULTILINE)
    assert not begins.findall(PAGES[page])


def test_every_figure_that_is_defined_is_cited():
    used = set().union(*(names(page) for page in PAGES.values()))
    assert Figures(STATED, None).names == used


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        # From the full value, once: 20.46 by way of 20.5 would be 21, 1.1445 by way of 1.145 1.15.
        ({"digits": 2}, 20.46, "20"),
        ({"digits": 2}, 2.746, "2.7"),
        ({"places": 1, "unit": "%"}, 0.07857, "7.9 %"),
        ({"places": 2}, 1.1445, "1.14"),
        # Half-way cases to the even digit, of the number as it is written.
        ({"places": 1}, 0.25, "0.2"),
        ({"places": 1}, 0.35, "0.4"),
        ({"places": 0}, 2.5, "2"),
        ({"places": 0}, 3.5, "4"),
        ({"places": 2}, 2.675, "2.68"),
        ({"places": 2}, -0.125, "−0.12"),
        # The factor brings no digits of its own: 0.145 * 100 is 14.499999999999998 in floats.
        ({"places": 0, "unit": "%"}, 0.145, "14 %"),
        ({"places": 0, "unit": "%"}, 0.155, "16 %"),
        ({"places": 1, "scale": 1e6}, 6.25e-7, "0.6"),
        # Significant digits: carried over, and before the point.
        ({"digits": 2}, 9.96, "10"),
        ({"digits": 2}, 0.0996, "0.10"),
        ({"digits": 2}, 1234, "1,200"),
        ({"digits": 3}, 0.0, "0.00"),
        ({"digits": 3}, 2.8, "2.80"),
        ({"places": 1}, -0.04, "0.0"),
        ({"places": 0, "sign": True}, 430, "+430"),
        ({"places": 0}, None, "–"),
        ({"places": 0}, float("nan"), "–"),
        ({"places": 0}, "as it is", "as it is"),
    ],
)
def test_a_figure_is_rounded_once(form, value, text):
    assert Form(**form).text(value) == text


def test_an_interval_has_its_values_places_and_is_said_to_be_missing():
    form = Form(digits=3, unit="J", interval=True)
    assert form.text(2.81446, 2.542178, 13.1356) == "2.81 J [2.54, 13.14]"
    assert form.text(2.81446, float("nan"), 3.1) == "2.81 J (no interval)"
    with pytest.raises(ValueError, match="either places or digits"):
        Form()


class Tables:
    table_ = pd.DataFrame(
        {
            "model": ["a", "a", "b"],
            "batch": [1, 64, 1],
            "energy_j": [2.0, 3.0, 5.0],
            "low": [1.5, float("nan"), 4.0],
            "high": [2.5, float("nan"), 6.0],
        }
    )

    def table(self, campaign, name):
        if campaign == "later":
            raise NotKeptError("docs/data/later.json is not there")
        assert (campaign, name) == ("one", "energies")
        return self.table_


FIGURES = {
    "energy": {
        "args": ["model", "batch"],
        "table": "one/energies",
        "where": {"model": "$model", "batch": "$batch"},
        "value": "energy_j",
        "low": "low",
        "high": "high",
        "form": {"places": 1, "unit": "J", "interval": True},
    },
    "sum": {
        "table": "one/energies",
        "where": {"model": ["a", "b"]},
        "value": "(energy_j * batch).sum()",
        "form": "whole",
    },
    "more": {
        "args": ["model"],
        "table": "one/energies",
        "where": {"batch": 1},
        "let": {
            "this": {"where": {"model": "$model"}, "value": "energy_j"},
            "plain": {"where": {"model": "a"}, "value": "energy_j"},
        },
        "value": "this / plain - 1",
        "form": {"places": 0, "unit": "%"},
    },
    "absent": {
        "table": "one/energies",
        "where": {"model": "z"},
        "value": "energy_j",
        "form": "whole",
        "absent": "no law found",
    },
    "unknown column": {"table": "one/energies", "value": "watts", "form": "whole"},
    "wrong where": {"table": "one/energies", "where": {"x": 1}, "value": "low", "form": "whole"},
    "many rows": {"table": "one/energies", "value": "energy_j", "form": "whole"},
    "wrong key": {"table": "one/energies", "values": "energy_j", "form": "whole"},
    "wrong form": {"table": "one/energies", "value": "energy_j", "form": "half"},
    "later": {"table": "later/energies", "value": "energy_j", "form": "whole"},
}
OWN = Figures({"forms": {"whole": {"places": 0}}, "figures": FIGURES}, Tables())


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("energy", ["a", "1"], "2.0 J [1.5, 2.5]"),
        ("energy", ["a", "64"], "3.0 J (no interval)"),
        ("sum", [], "199"),
        ("more", ["b"], "150 %"),
        ("absent", [], "no law found"),
    ],
)
def test_a_figure_is_a_column_or_an_expression_of_the_rows_that_match(name, arguments, text):
    assert OWN.text(name, arguments) == text


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("none", [], "no such figure"),
        ("energy", ["a"], r"takes 2 arguments \(model, batch\)"),
        ("energy", ["c", "1"], "no such row with model = c"),
        ("unknown column", [], "'watts': name 'watts' is not defined"),
        ("wrong where", [], "one/energies has no column 'x'"),
        ("many rows", [], "of 3 rows, not of one"),
        ("wrong key", [], "unknown key 'values'"),
        ("wrong form", [], "no form 'half'; there are whole"),
    ],
)
def test_a_figure_that_cannot_be_had_says_why(name, arguments, says):
    with pytest.raises(FigureError, match=says):
        OWN.text(name, arguments)


def test_a_text_that_is_not_its_tables_is_named_with_its_line_and_mended():
    page = (
        "It takes <!--=energy:a:1-->2.1 J [1.5, 2.5]<!--/--> and <!--=sum-->199<!--/-->.\n\n"
        "| <!--=more:b-->150 %<!--/--> | <!--=gone-->7<!--/--> | <!--=later-->8<!--/--> |\n"
        "```\n<!--=sum-->left alone<!--/-->\n```\n"
    )
    after, differences = update_citations(page, OWN.text)
    assert list(map(str, differences)) == [
        "1: energy:a:1: the text says '2.1 J [1.5, 2.5]', the table '2.0 J [1.5, 2.5]'",
        "3: gone: the text says '7', the table '–: no such figure in docs/figures.yaml'",
    ]
    assert after == page.replace("2.1 J", "2.0 J")
    assert names(page) == {"energy", "sum", "more", "gone", "later"}


def test_numbers_that_nothing_says_the_source_of_are_found():
    page = (
        "# Of 12 tasks\n\n<!-- by hand: a setting -->\nPeriods of 5 s.\n\n"
        "On an H100, ResNet-50 took 2.81 J,\nnot <!--=sum-->199<!--/-->, in `r2 3` and 0-shot;"
        " [a page](docs/2.md) of 2026-11-27.\n\n"
        "```\n44 W\n```\n"
        "<!-- rows: made by `make cite` -->\n| 7 |\n<!-- end of rows -->\n\n"
        "## Next\n\n<!-- by hand: all of it -->\n\nIt was 3 %.\n\n- And 4.\n\n"
        "## Last\n\nSo 51.4 %.\n\n- As in a list:\n  ```python\n  limit_w = 7\n  ```\n"
    )
    found = list(unbound(page, [r"\b20\d\d-\d\d-\d\d\b"]))
    assert [(line, number) for line, number, _ in found] == [(1, "12"), (6, "2.81"), (26, "51.4")]


def test_a_run_that_is_not_in_git_says_what_makes_its_tables(tmp_path):
    sources = Sources(tmp_path, {"run": "`make`"})
    assert sources.missing() == {"run": "docs/data/run.json is not there; `make` makes it"}
    with pytest.raises(NotKeptError, match="is not there"):
        sources.table("run", "summary")
    (tmp_path / "docs/data").mkdir(parents=True)
    (tmp_path / "docs/data/run.json").write_text('{"summary": [{"value": 1.5}]}')
    assert sources.table("run", "summary").value[0] == 1.5
    with pytest.raises(FigureError, match="holds no table 'of another study'"):
        sources.table("run", "of another study")
