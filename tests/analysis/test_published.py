"""Published results are what the code at hand makes from their raw data."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from publication.campaigns import (
    LINKED,
    PublicationError,
    files_of,
    make,
    published_campaigns,
    scratch_copy,
)
from publication.differences import differences, page_difference, table_difference
from publication.digests import are_bytes_comparable

# Every campaign is analysed, with its figures.
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SNAKEMAKE = ROOT / ".venv" / "bin" / "snakemake"


@pytest.mark.parametrize("campaign", published_campaigns(ROOT))
def test_tables_and_pages_are_made_from_the_raw_data_as_they_are_published(campaign, tmp_path):
    here = ROOT / "results" / campaign
    there = make(scratch_copy(ROOT, campaign, tmp_path), campaign, sys.executable, SNAKEMAKE)
    # On another processor the last digits of some numbers are others.
    found = list(
        differences(here, there, exact=are_bytes_comparable(ROOT / "results/digests.csv", campaign))
    )
    assert not found, "\n".join([*found, "run `make republish`"])
    # What `make republish` would put there is what is there.
    assert all((here / file).is_file() for file in files_of(there))


def test_the_published_campaigns_are_those_that_results_readme_lists():
    page = (ROOT / "results/README.md").read_text()
    assert sorted(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)) == published_campaigns(ROOT)


def test_raw_data_that_are_torn_are_named_and_nothing_is_made(tmp_path):
    copy = scratch_copy(ROOT, "h100-metering", tmp_path)
    (copy / "results/h100-metering/meters/windows.jsonl").unlink()
    with pytest.raises(PublicationError, match=r"(?s)^h100-metering: .*windows\.jsonl"):
        make(copy, "h100-metering", sys.executable, SNAKEMAKE)


def test_a_program_that_fails_says_which_and_what_it_said(tmp_path):
    copy = scratch_copy(ROOT, "h100-metering", tmp_path)
    words = tmp_path / "python"
    words.write_text("#!/bin/sh\necho $1: no such luck\nexit 3\n")
    words.chmod(0o755)
    said = r"(?s)^h100-metering: .*scripts/tables_meters\.py: no such luck"
    with pytest.raises(PublicationError, match=said):
        make(copy, "h100-metering", str(words), SNAKEMAKE)


def test_a_scratch_copy_shares_what_is_read_and_nothing_that_is_written(tmp_path):
    copy = scratch_copy(ROOT, "h100-phases", tmp_path)
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
