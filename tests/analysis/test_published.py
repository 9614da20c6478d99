"""Published results are what the code at hand makes from their raw data."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from publication.campaigns import LINKED, PublicationError, make, published, scratch, steps_of
from publication.differences import differences, page_difference, table_difference
from publication.digests import bytes_hold
from publication.rulebook import RuleError, read_rules

# Every campaign is analysed, with its figures.
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
RULES = ROOT / "rules"


@pytest.mark.parametrize("campaign", published(ROOT))
def test_tables_and_pages_are_made_from_the_raw_data_as_they_are_published(campaign, tmp_path):
    copy = scratch(ROOT, campaign, tmp_path)
    make(copy, campaign, sys.executable, RULES)
    # On another processor the last digits of some numbers are others.
    exact = bytes_hold(ROOT / "results/digests.csv", campaign)
    before, after = (root / "results" / campaign for root in (ROOT, copy))
    found = list(differences(before, after, exact=exact))
    assert not found, "\n".join([*found, "run `make republish`"])


def test_the_published_campaigns_are_those_that_results_readme_lists():
    page = (ROOT / "results/README.md").read_text()
    assert sorted(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)) == published(ROOT)


def test_every_output_of_the_rules_of_analysis_is_made():
    campaign = "h200-smollm2"
    (steps,) = steps_of(ROOT, campaign, "python", RULES)
    rules = read_rules(RULES / "report.smk")
    names = [name.removeprefix("figure_") for name in rules if name.startswith("figure_")]
    assert len(steps.figures) == len(names) > 1
    for name, command in zip(names, steps.figures, strict=True):
        assert f"figures.py {name} " in command
        assert f"--png results/{campaign}/figures/{name}.png" in command
    assert f"--out results/{campaign}/report.html" in steps.page


def test_commands_say_what_the_rules_say(tmp_path):
    rules = tmp_path / "some.smk"
    rules.write_text(
        "# A rule.\nrule tables:\n    output:\n"
        '        one="results/{campaign}/tables/one.parquet",\n'
        "    params:\n"
        '        python=interpreter("analysis"),\n'
        '        margin=config["analysis"]["margin"],\n'
        "        folder=subpath(output.one, parent=True),\n"
        "    shell:\n"
        '        "{params.python} tables.py --sessions {input.sessions:q}"\n'
        '        " --out {params.folder:q} --margin {params.margin} &> {log:q}"\n'
        "\n\n"
        "use rule tables as others with:\n    params:\n        python=1,\n"
        "        margin=2,\n        folder=3,\n"
    )
    given = {
        "campaign": "mine",
        "config": {"analysis": {"margin": 0.05}},
        "interpreter": lambda environment: f"{environment}/python",
        "subpath": lambda path, parent: str(Path(path).parent),
    }
    book = read_rules(rules)
    assert book["tables"].command({"sessions": ["a b", "c"]}, given) == (
        "analysis/python tables.py --sessions 'a b' c --out results/mine/tables --margin 0.05"
        " &> /dev/stdout"
    )
    assert (
        book["others"]
        .command({"sessions": []}, given)
        .endswith("--out 3 --margin 2 &> /dev/stdout")
    )
    del given["config"]
    with pytest.raises(RuleError, match="rule tables: params: name 'config' is not defined"):
        book["tables"].command({"sessions": []}, given)


def test_a_step_that_fails_says_which_and_what_its_program_said(tmp_path):
    copy = scratch(ROOT, "h100-metering", tmp_path)
    (copy / "results/h100-metering/meters/windows.jsonl").unlink()
    with pytest.raises(PublicationError, match=r"(?s)meter_tables\.py.*windows\.jsonl"):
        make(copy, "h100-metering", sys.executable, RULES)


def test_a_scratch_copy_shares_what_is_read_and_nothing_that_is_written(tmp_path):
    copy = scratch(ROOT, "h100-phases", tmp_path)
    links = {str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_symlink()}
    assert links == {*LINKED, "results/h100-phases/raw"}


def test_numbers_are_compared_to_their_ninth_digit_and_words_exactly():
    old = pd.DataFrame({"j": [1.0, None, 0.0], "n": [1, 2, 3], "who": ["a", None, "c"]})
    new = old.assign(j=[1 + 1e-10, None, 1e-15])
    assert table_difference(old, new) is None
    assert table_difference(old, old.assign(j=[1.0, 2.0, 0.0])) == (
        "column j, row 1: published np.float64(nan), made np.float64(2.0)"
    )
    assert "column j, row 0" in table_difference(old, old.assign(j=[1 + 1e-8, None, 0.0]))
    assert "column n, row 2" in table_difference(old, old.assign(n=[1, 2, 4]))
    assert "column who, row 2" in table_difference(old, old.assign(who=["a", None, "C"]))
    assert "column who, row 1" in table_difference(old, old.assign(who=["a", "b", "c"]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="n"), "columns: gone ['n'], new []"),
        (lambda t: t.assign(m=1), "columns: gone [], new ['m']"),
        (lambda t: t[["n", "j"]], "columns: in other order"),
        (lambda t: t[:1], "2 rows published, 1 made"),
        (lambda t: t.assign(n=["1", "2"]), "column n, row 0: published np.int64(1), made '1'"),
    ],
)
def test_the_first_difference_of_two_tables_is_named(change, says):
    table = pd.DataFrame({"j": [1.0, 2.0], "n": [1, 2]})
    assert table_difference(table, change(table)) == says


def test_pages_are_compared_without_their_images():
    old = '<p>a</p>\n<img src="data:image/png;base64,AAAA">\n<p>1.2 J</p>'
    assert page_difference(old, old.replace("AAAA", "BBBB")) is None
    assert page_difference(old, old.replace("1.2", "1.3")) == (
        "line 3: published '<p>1.2 J</p>', made '<p>1.3 J</p>'"
    )
    assert page_difference(old, old + "\nmore") == "3 lines published, 4 made"


def test_a_file_on_one_side_only_is_a_difference(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        (folder / "figures").mkdir(parents=True)
        (folder / "report.html").write_text("<p>\n")
    (old / "figures/law.png").write_bytes(b"1")
    (new / "figures/law.pdf").write_bytes(b"2")
    assert list(differences(old, new)) == [
        "figures/law.pdf: is made and not published",
        "figures/law.png: is published and not made",
    ]
    (new / "figures/law.png").write_bytes(b"3")
    (old / "figures/law.pdf").write_bytes(b"4")
    assert not list(differences(old, new))
