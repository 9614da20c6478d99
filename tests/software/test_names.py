"""Names in the code are the words of the field; CONTRIBUTING says which of the house's own stay."""

import ast
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PACKAGES = ("configuration", "generation", "metering", "runtimes", "weights")
# As the name of a function, class or module: `describe`, `message`, `download`, `render` say it.
RIDDLES = {
    *("brought", "doubtful", "doubts", "fitness", "happened", "judged", "known", "looks", "needs"),
    *("one_line", "pieces", "rendered", "said", "seen", "shown", "told", "understood", "unfit"),
}
# As the name of a variable or argument as well.
VARIABLES = {"said", "told"}


def riddles(source):
    """(line, name) of what a newcomer would stumble over."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.strip("_").lower() in RIDDLES:
                yield node.lineno, node.name
        elif isinstance(node, ast.arg) and node.arg in VARIABLES:
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and node.id in VARIABLES:
            yield node.lineno, node.id


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_words_of_the_field(package):
    files = sorted((SCRIPTS / package).rglob("*.py"))
    assert files
    found = [str(file.relative_to(SCRIPTS)) for file in files if file.stem in RIDDLES]
    found += [
        f"{file.relative_to(SCRIPTS)}:{line}: {name}"
        for file in files
        for line, name in riddles(file.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def told(holder): pass", ["told"]),
        ("class Looks:\n    def _seen(self): pass", ["Looks", "_seen"]),
        ("async def brought(said): pass", ["brought", "said"]),
        ("for told in x: print(f'{told}')", ["told", "told"]),
        ("def describe(holder):\n    '''What is told of it.'''\n    return row['told']", []),
        ("known = shown = {}\nknown.told", []),
    ],
)
def test_the_names_of_definitions_are_read(source, names):
    assert sorted(name for _, name in riddles(source)) == sorted(names)
