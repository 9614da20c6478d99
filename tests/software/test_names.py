"""Names in the code are the words of the field; CONTRIBUTING says which of the house's own stay."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
PACKAGES = sorted(folder.name for folder in SCRIPTS.iterdir() if any(folder.rglob("*.py")))
# As the name of a function, class or module: `describe`, `message`, `download`, `render` say it.
RIDDLES = {
    *("alone", "apart", "asked", "beside", "brought", "doubtful", "doubts", "fitness", "hangs"),
    *("happened", "judged", "known", "lacking", "looks", "marks", "needs", "off", "one_line"),
    *("pieces", "rendered", "running", "said", "seen", "shown", "together", "told", "understood"),
    *("unfit",),
}
# As the name of a variable or argument as well, and at the end of a function's name.
VARIABLES = {"said", "told"}
RULE_FUNCTION = re.compile(r"^\s*def (\w+)\(", re.MULTILINE)


def is_riddle(name):
    plain = name.strip("_").lower()
    return plain in RIDDLES or plain.rpartition("_")[2] in VARIABLES


def riddles(source):
    """(line, name) of what a newcomer would stumble over."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if is_riddle(node.name):
                yield node.lineno, node.name
        elif isinstance(node, ast.arg) and node.arg in VARIABLES:
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and node.id in VARIABLES:
            yield node.lineno, node.id


def check_names(files):
    assert files
    found = [str(file.relative_to(SCRIPTS)) for file in files if is_riddle(file.stem)]
    found += [
        f"{file.relative_to(SCRIPTS)}:{line}: {name}"
        for file in files
        for line, name in riddles(file.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_words_of_the_field(package):
    check_names(sorted((SCRIPTS / package).rglob("*.py")))


def test_names_in_programs_are_words_of_the_field():
    check_names(sorted(SCRIPTS.glob("*.py")))


def test_names_in_rules_are_words_of_the_field():
    files = [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
    names = [
        (file.name, name)
        for file in files
        for name in RULE_FUNCTION.findall(file.read_text(encoding="utf-8"))
    ]
    assert len(names) > 20
    assert not [(file, name) for file, name in names if is_riddle(name)]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def told(holder): pass", ["told"]),
        ("class Looks:\n    def _seen(self): pass", ["Looks", "_seen"]),
        ("async def brought(said): pass", ["brought", "said"]),
        ("def verdicts_told(self): pass", ["verdicts_told"]),
        ("for told in x: print(f'{told}')", ["told", "told"]),
        ("def describe(holder):\n    '''What is told of it.'''\n    return row['told']", []),
        ("known = shown = {}\nknown.told\ndef told_apart(): pass", []),
    ],
)
def test_the_names_of_definitions_are_read(source, names):
    assert sorted(name for _, name in riddles(source)) == sorted(names)
