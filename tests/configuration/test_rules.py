"""The files of rules: rules in some, what only Snakemake can say in others, none too long."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_of_rules_is_short_and_names_its_functions(file):
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert "lambda" not in text
    rules = re.findall(r"^(?:use )?rule ", text, re.M)
    functions = re.findall(r"^def ", text, re.M)
    assert not (rules and functions)


def test_every_file_is_included():
    included = re.findall(r'^include: "(.*)"$', FILES[0].read_text(encoding="utf-8"), re.M)
    assert sorted(included) == [f"rules/{file.name}" for file in FILES[1:]]
