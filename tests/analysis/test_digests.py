"""Published tables are compared byte for byte, and what they are is written down."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from publication import digests
from publication.campaigns import published_campaigns
from publication.differences import differences
from publication.digests import (
    DigestError,
    are_bytes_comparable,
    digest,
    processor,
    read_digests,
    record,
)

ROOT = Path(__file__).parents[2]
DIGESTS = ROOT / "results" / "digests.csv"
TABLE = pd.DataFrame({"j": [1.0, np.nan, 0.1], "n": [1, 2, 3], "who": ["a", None, "c"]})


def campaign(folder, table=TABLE, **how):
    """A folder with that table twice."""
    for place in ("tables", "meters"):
        (folder / place).mkdir(parents=True)
        table.to_parquet(folder / place / "one.parquet", index=False, **how)
    return folder


def test_the_digests_are_those_of_the_published_tables():
    written = read_digests(DIGESTS)
    assert sorted(written) == published_campaigns(ROOT)
    for name, one in written.items():
        made = digest(ROOT / "results" / name)
        assert (made.tables, made.sha256) == (one.tables, one.sha256), name


def test_a_digest_is_what_the_shell_says(tmp_path):
    folder = campaign(tmp_path / "mine")
    (folder / "tables/notes.txt").write_text("no table")
    command = "sha256sum meters/*.parquet tables/*.parquet | sha256sum"
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True)
    assert str(digest(folder)) == f"mine: 2 tables, sha256 {done.stdout.split()[0]}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t, None),
        # The last digit of a double.
        (lambda t: t.assign(j=np.nextafter(t.j, 2)), "column j, row 0: published"),
        (lambda t: t.assign(j=t.j.fillna(0.0)), "column j, row 1: published"),
        (lambda t: t.assign(n=t.n.astype("int32")), "column n, row 0"),
        (lambda t: t.assign(who=["a", "", "c"]), "column who, row 1"),
        (lambda t: t.iloc[::-1], "column j, row 0"),
    ],
)
def test_tables_are_compared_to_the_last_digit(tmp_path, change, says):
    old, new = campaign(tmp_path / "old"), campaign(tmp_path / "new", change(TABLE))
    found = list(differences(old, new))
    if says is None:
        assert not found and digest(old).sha256 == digest(new).sha256
        return
    assert [line.partition(": ")[0] for line in found] == [
        "meters/one.parquet",
        "tables/one.parquet",
    ]
    assert all(says in line for line in found)
    assert digest(old).sha256 != digest(new).sha256


def test_other_bytes_of_the_same_values_are_a_difference(tmp_path):
    old, new = campaign(tmp_path / "old"), campaign(tmp_path / "new", compression="gzip")
    found = list(differences(old, new))
    assert len(found) == 2
    assert "other bytes of the same values: published by parquet-cpp-arrow" in found[0]
    assert not list(differences(old, new, exact=False))


def test_where_sums_are_taken_in_another_order_last_digits_may_differ_and_no_others(tmp_path):
    old = campaign(tmp_path / "old")
    last = campaign(tmp_path / "last", TABLE.assign(j=np.nextafter(TABLE.j, 2)))
    more = campaign(tmp_path / "more", TABLE.assign(j=TABLE.j * (1 + 1e-8)))
    assert not list(differences(old, last, exact=False))
    assert len(list(differences(old, more, exact=False))) == 2


def test_a_campaign_that_is_made_again_has_its_own_line_written_and_no_other(tmp_path, monkeypatch):
    file, first = tmp_path / "digests.csv", campaign(tmp_path / "b")
    record(file, first)
    monkeypatch.setattr(digests, "processor", lambda: "another")
    record(file, campaign(tmp_path / "a", TABLE[:2]))
    monkeypatch.undo()
    written = read_digests(file)
    assert list(written) == ["a", "b"]
    assert written["b"] == digest(first)
    assert are_bytes_comparable(file, "b") and not are_bytes_comparable(file, "a")
    assert (written["a"].processor, written["b"].processor) == ("another", processor())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "has no digest of mine; `make republish` writes it"),
        ("campaign,tables,sha256,processor\n", "has no digest of mine"),
        ("campaign,tables\nmine,1\n", "its columns are not campaign, tables, sha256, processor"),
        ("campaign,tables,sha256,processor\nmine,many,a,b\n", "line 2 is no digest"),
        ("campaign,tables,sha256,processor\nmine,1,a,b,c\n", "line 2 is no digest"),
    ],
)
def test_digests_that_are_not_there_or_damaged_are_one_line(tmp_path, text, says):
    file = tmp_path / "digests.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DigestError) as error:
        are_bytes_comparable(file, "mine")
    assert says in str(error.value) and "\n" not in str(error.value)
