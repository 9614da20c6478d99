"""Which room of scripts/ may know which: no import runs from a lower floor to a higher one.

Read from the source, so that imports within functions count, and none has to be installed.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
PROGRAMS = "programs"
# From low to high. Rooms of one floor do not know each other; a room knows itself. What is in no
# list is a kind of session, on the floor of those that are.
FLOORS = (
    ("metering",),
    ("analysis",),
    ("session",),
    ("runtimes", "loads"),
    ("weights",),
    ("generation",),
    ("configuration", "publication"),
    (PROGRAMS,),
)
OF_SESSIONS = 3
# The same within analysis, where each has its floor.
OF_ANALYSIS = (
    ("tabular", "rounding", "parallel", "statistics"),
    ("energy",),
    ("quality",),
    ("phases", "runtimes", "meters"),
    ("figures",),
    # The latter are the programs' command lines.
    ("pages", "options"),
)
# In the environment of the analysis alone, and the programs that run there.
LIBRARIES = {"pandas", "scipy", "statsmodels", "matplotlib", "jinja2", "pyarrow"}
OF_TABLES = ("tables_*", "report_*", "figures", "cite", "republish")


class Import(NamedTuple):
    """One import: where it stands, and of what. It is optional where code goes on without it."""

    line: int
    name: str
    optional: bool


def imports(source: str, package: str = "") -> Iterator[Import]:
    """Every import of a module, wherever in it, `importlib.import_module` and `__import__` of a
    name that is written there too.

    Args:
        package: The package that the module is in, dotted.
    """
    tree = ast.parse(source)
    tried = {
        id(node)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try) and any(map(_of_imports, attempt.handlers))
        for statement in attempt.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        for name in _imported(node, package):
            yield Import(node.lineno, name, id(node) in tried)


def _of_imports(handler: ast.ExceptHandler) -> bool:
    caught = "" if handler.type is None else ast.unparse(handler.type)
    return "ImportError" in caught or "ModuleNotFoundError" in caught


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        # What is imported may be a module itself.
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args:
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__"):
            first = node.args[0]
            first = first.values[0] if isinstance(first, ast.JoinedStr) else first
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value.rstrip(".")


class House:
    """The modules under a folder, by dotted name."""

    def __init__(self, root: Path):
        self.root = root
        self.files = {}
        self._imports: dict[str, list[Import]] = {}
        for file in sorted(root.rglob("*.py")):
            *rooms, name = file.relative_to(root).with_suffix("").parts
            self.files[".".join(rooms if name == "__init__" else [*rooms, name])] = file

    def imports(self, module: str) -> list[Import]:
        if module not in self._imports:
            file = self.files[module]
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            self._imports[module] = list(imports(file.read_text(encoding="utf-8"), package))
        return self._imports[module]

    def module(self, name: str) -> str | None:
        """The module that an imported name is, or is in; None of what stands elsewhere."""
        while name and name not in self.files:
            name = name.rpartition(".")[0]
        return name or None

    def room(self, module: str, within: str = "") -> str | None:
        """The room of a module, within a package; None where it is not in that."""
        if within:
            first = module.removeprefix(within + ".").partition(".")[0]
            return first if module.startswith(within + ".") else None
        first = module.partition(".")[0]
        return first if (self.root / first).is_dir() else PROGRAMS

    def closure(self, module: str) -> set[str]:
        """A module and all that it imports, directly or not."""
        found, left = set(), [module]
        while left:
            one = left.pop()
            if one in found:
                continue
            found.add(one)
            # Importing a module imports the packages around it.
            names = [found.name for found in self.imports(one)] + [one.rpartition(".")[0]]
            left += [known for known in map(self.module, names) if known]
        return found


def climbing(
    house: House,
    floors: tuple[tuple[str, ...], ...],
    within: str = "",
    others: int | None = None,
) -> list[str]:
    """A line an import that runs to a higher floor, or to another room of the same, and one for
    each room that has no floor.

    Args:
        others: The floor of rooms that are not listed; None where none may be.
    """
    rooms = {room for module in house.files if (room := house.room(module, within))}
    level = {} if others is None else dict.fromkeys(rooms, others)
    level |= {room: at for at, listed in enumerate(floors) for room in listed}
    lines = []
    for module, file in house.files.items():
        own = house.room(module, within)
        if own is None:
            continue
        if own not in level:
            lines.append(f"{module}: '{own}' has no floor in {Path(__file__).name}")
            continue
        for line, name, _ in house.imports(module):
            known = house.module(name)
            other = known and house.room(known, within)
            if other and other != own and level.get(other, -1) >= level[own]:
                where = f"{file.relative_to(house.root.parent)}:{line}"
                how = "beside" if level[other] == level[own] else "above"
                lines.append(f"{where}: {own} imports {known}, which stands {how} it")
    return list(dict.fromkeys(lines))


@pytest.fixture(scope="module")
def house():
    return House(SCRIPTS)


def test_no_import_runs_from_a_lower_floor_to_a_higher_one(house):
    assert "loads" in FLOORS[OF_SESSIONS]
    found = climbing(house, FLOORS, others=OF_SESSIONS)
    assert not found, "\n".join(found)


def test_no_import_within_the_analysis_does(house):
    found = climbing(house, OF_ANALYSIS, "analysis")
    assert not found, "\n".join(found)


def test_every_floor_is_there(house):
    rooms = {room for floor in FLOORS for room in floor} - {PROGRAMS}
    assert rooms <= {house.room(module) for module in house.files} - {PROGRAMS}
    inside = {room for floor in OF_ANALYSIS for room in floor}
    assert inside == {house.room(m, "analysis") for m in house.files} - {None}


def test_scripts_holds_programs_only(house):
    for file in SCRIPTS.glob("*.py"):
        assert '\nif __name__ == "__main__":\n' in file.read_text(encoding="utf-8"), file.name


def test_nothing_imports_snakemake(house):
    found = [
        f"{house.files[module].name}:{one.line}"
        for module in house.files
        for one in house.imports(module)
        if one.name.partition(".")[0].startswith("snakemake")
    ]
    assert not found, "snakemake is imported in " + ", ".join(found)


def test_what_runs_in_the_environments_of_frameworks_needs_no_library_of_the_analysis(house):
    tables = {file.stem for pattern in OF_TABLES for file in SCRIPTS.glob(f"{pattern}.py")}
    programs = {file.stem for file in SCRIPTS.glob("*.py")} - tables
    assert {"measure_phases", "measure_runtimes", "measure_meters"} <= programs
    found = {line for program in sorted(programs) for line in needing(house, program, LIBRARIES)}
    assert not found, "\n".join(sorted(found))


def needing(house: House, program: str, libraries: set[str]) -> Iterator[str]:
    """A line an import of such a library by a program or what it imports; one that the module can
    do without is none."""
    for module in house.closure(program):
        made = house.imports(module)
        optional = {one.name.partition(".")[0] for one in made if one.optional}
        for one in made:
            library = one.name.partition(".")[0]
            if library in libraries - optional:
                yield f"{house.files[module].relative_to(house.root.parent)}:{one.line}: {library}"


# Of a house that is made for them: the low room, the high one, two side by side, a program.
TRIAL = (("low",), ("one", "other"), ("high",), (PROGRAMS,))
CLIMBS = {
    "import high": "from the head",
    "import high.inner": "of an inner module",
    "import os, high.inner as inner": "with another, and by another name",
    "from high import inner": "of a module by its package",
    "from high.inner import thing": "of a name",
    "from high import *": "of all",
    "def f():\n    from high import inner": "within a function",
    "class C:\n    def f(self):\n        import high": "within a method",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import high": "for types only",
    "try:\n    import high\nexcept ImportError:\n    high = None": "that may fail",
    "import importlib\nimportlib.import_module('high.inner')": "by its name",
    "from importlib import import_module\nimport_module(f'high.{1}')": "by a part of its name",
    "__import__('high')": "by the builtin",
    "import main": "of a program",
    "from main import work": "of a program's function",
    "async def f():\n    with open('x'):\n        import high": "deep within",
}
STAYS = (
    *("import os", "import lower", "from low import inner", "from . import inner"),
    *("from .inner import thing", "import low.inner", "import highest", "'import high'"),
    *("# import high", "high = 1", "import importlib\nimportlib.import_module(name)"),
)


def built(folder: Path, **sources: str) -> House:
    """A house of low, one, other and high, and a program, with a source for some of them."""
    for room in ("low", "one", "other", "high"):
        (folder / room).mkdir()
        (folder / room / "__init__.py").write_text("")
        (folder / room / "inner.py").write_text(sources.get(room, ""))
    (folder / "main.py").write_text(sources.get("main", "import low, one, other, high.inner\n"))
    return House(folder)


@pytest.mark.parametrize("source", CLIMBS, ids=CLIMBS.values())
def test_an_import_that_climbs_is_named(tmp_path, source):
    (line,) = climbing(built(tmp_path, low=source), TRIAL)
    number = next(n for n, text in enumerate(source.splitlines(), 1) if _names(text))
    assert line.startswith(f"{tmp_path.name}/low/inner.py:{number}: low imports ")
    assert line.endswith("which stands above it")


def _names(text: str) -> bool:
    return ("high" in text or "main" in text) and "TYPE_CHECKING" not in text


@pytest.mark.parametrize("source", STAYS)
def test_what_does_not_climb_is_left_alone(tmp_path, source):
    assert not climbing(built(tmp_path, low=source), TRIAL)


def test_rooms_of_one_floor_do_not_know_each_other(tmp_path):
    house = built(tmp_path, one="from other import inner", other="import low", high="import one")
    (line,) = climbing(house, TRIAL)
    assert line.endswith("one/inner.py:1: one imports other.inner, which stands beside it")


def test_a_relative_import_may_climb_within_a_package(tmp_path):
    for room in ("low", "high"):
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").write_text("")
    (tmp_path / "house/__init__.py").write_text("")
    (tmp_path / "house/low/inner.py").write_text("from ..high import thing\nfrom .. import low\n")
    (line,) = climbing(House(tmp_path), (("low",), ("high",)), "house")
    assert line.endswith("low/inner.py:1: low imports house.high, which stands above it")


def test_a_room_without_a_floor_is_named(tmp_path):
    house = built(tmp_path)
    (tmp_path / "cellar").mkdir()
    (tmp_path / "cellar/wine.py").write_text("")
    assert climbing(House(tmp_path), TRIAL) == [
        "cellar.wine: 'cellar' has no floor in test_floors.py"
    ]
    assert not climbing(house, TRIAL)


def test_a_new_kind_of_session_stands_beside_the_others(tmp_path):
    house = built(tmp_path)
    (tmp_path / "cellar").mkdir()
    wine = tmp_path / "cellar/wine.py"
    for source, how in {"low": "", "one": "beside", "high": "above"}.items():
        wine.write_text(f"import {source}.inner\n")
        found = climbing(House(tmp_path), TRIAL, others=1)
        assert [line.endswith(f"stands {how} it") for line in found] == ([True] if how else [])
    wine.write_text("")
    (tmp_path / "one/inner.py").write_text("import cellar.wine\n")
    (line,) = climbing(House(tmp_path), TRIAL, others=1)
    assert line.endswith("one imports cellar.wine, which stands beside it")
    assert not climbing(house, TRIAL, others=1)


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("import pandas as pd", True),
        ("def f():\n    from pandas import DataFrame", True),
        ("try:\n    import pandas\nexcept ImportError:\n    pandas = None", False),
        ("try:\n    import pandas\nexcept ValueError:\n    pandas = None", True),
        ("import numpy", False),
    ],
)
def test_a_library_is_found_through_all_that_a_program_imports(tmp_path, source, needed):
    house = built(tmp_path, main="from high import inner", high="import low.inner", low=source)
    found = list(needing(house, "main", {"pandas"}))
    assert bool(found) == needed
    assert all("low/inner.py:" in line and line.endswith(": pandas") for line in found)
