"""The registry of figures. A figure is one module here, and its name is the module's:

    FIGURE = FigureSpec(title=..., page=..., order=..., category=..., tables=(...), caption=...)

    def draw(campaign: Campaign) -> Figure: ...

The workflow's own process has neither pandas nor matplotlib: the declaration is read from the
source, and so holds nothing but literals. What figures share stands in `drawing/`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.figures.drawing.campaign import Campaign

HERE = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]*")
SPEC = "FigureSpec"


class FigureError(ValueError):
    """A module that is no figure, or a figure that reads what it does not declare; one line."""


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that figures stand on.

    Attributes:
        file: Where it is in the campaign's folder.
        flags: The table of what is doubtful of its windows, which its figures say; None for none.
        tables: The folder of the tables that it is made from.
        figures: The folder of its figures.
    """

    file: str
    flags: str | None
    tables: str = "tables"
    figures: str = "figures"


# By study.
PAGES = {
    "phases": Page("report.html", "flags"),
    "runtimes": Page("runtimes.html", "runtime_flags"),
    "meters": Page("meters/meters.md", None, tables="meters", figures="meters"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """What the rules and the pages must know of a figure.

    Attributes:
        title: Its heading, on the page and in Snakemake's report.
        page: Which of `PAGES` it stands on.
        order: Where there: the smallest first, of equals by name.
        category: Under which head it stands in Snakemake's report.
        tables: The campaign's tables that it reads, without those of its page's flags.
        sessions: Whether it reads raw sessions.
        dpi: Dots per inch of the PNG.
        caption: What a reader must know of it, in reStructuredText.

    Raises:
        FigureError: A value is not what is allowed.
    """

    title: str
    page: str
    order: int
    category: str
    tables: tuple[str, ...]
    caption: str
    sessions: bool = False
    dpi: int = 160

    def __post_init__(self) -> None:
        for name in ("title", "category", "caption"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise FigureError(f"{name}: {value!r} is no text")
        if self.page not in PAGES:
            raise FigureError(f"page: {self.page!r} is none of {', '.join(PAGES)}")
        for name in ("order", "dpi"):
            if type(value := getattr(self, name)) is not int:
                raise FigureError(f"{name}: {value!r} is no whole number")
        if type(self.sessions) is not bool:
            raise FigureError(f"sessions: {self.sessions!r} is neither True nor False")
        of_names = isinstance(self.tables, tuple) and all(isinstance(t, str) for t in self.tables)
        if not of_names or not (self.tables or self.sessions):
            raise FigureError(f"tables: {self.tables!r} is no tuple of names of tables")

    @property
    def reads(self) -> tuple[str, ...]:
        """All tables that a drawing of it opens."""
        flags = PAGES[self.page].flags
        return tuple(dict.fromkeys((*self.tables, *([flags] if flags else []))))


def discover(folder: Path = HERE) -> dict[str, FigureSpec]:
    """Every figure by name, in the order of its page.

    Raises:
        FigureError: A module declares none, or a bad one; one line that names the file.
    """
    files = (file for file in folder.glob("*.py") if file.name != "__init__.py")
    found = {file.stem.replace("_", "-"): _parse(file) for file in sorted(files)}
    place = list(PAGES).index
    return dict(sorted(found.items(), key=lambda one: (place(one[1].page), one[1].order, one[0])))


@functools.cache
def figures() -> Mapping[str, FigureSpec]:
    """`discover`, once a process."""
    return discover()


def on_page(page: str) -> dict[str, FigureSpec]:
    """The figures of a page, in its order."""
    return {name: spec for name, spec in figures().items() if spec.page == page}


def module_of(name: str) -> str:
    """The module of a figure, relative to this package."""
    return name.replace("-", "_")


def source_of(name: str) -> str:
    """The file of a figure, as a reader of the repository knows it."""
    return _relative(HERE / f"{module_of(name)}.py")


def load(name: str) -> Callable[[Campaign], Figure]:
    """The function that draws a figure; imports what it draws with."""
    return importlib.import_module(f"{__name__}.{module_of(name)}").draw


def check_tables(found: Mapping[str, FigureSpec], made: Mapping[str, Collection[str]]) -> None:
    """Refuses a figure of a table that is not made for its page.

    Args:
        made: By page, the tables that the rules make.

    Raises:
        FigureError: One line that names the file, the table and those that there are.
    """
    for name, spec in found.items():
        for table in spec.reads:
            if table not in made[spec.page]:
                raise FigureError(
                    f"{source_of(name)}: tables: there is no table {table!r}; of {spec.page} there"
                    f" are {', '.join(sorted(made[spec.page]))}"
                )


def _parse(file: Path) -> FigureSpec:
    """The declaration of a module, without importing it."""
    try:
        if not NAME.fullmatch(file.stem):
            raise FigureError("the file of a figure is named in a-z, 0-9 and _")
        body = ast.parse(file.read_text(encoding="utf-8")).body
        declared = [node.value for node in body if "FIGURE" in _names(node)]
        if len(declared) != 1 or not _is_spec(declared[0]):
            raise FigureError(f"a figure declares itself once, as FIGURE = {SPEC}(...)")
        if not any("draw" in _names(node) for node in body):
            raise FigureError("a figure has a function draw(campaign)")
        return FigureSpec(**_literals(declared[0]))
    except SyntaxError as error:
        raise FigureError(f"{_relative(file)}: {error}") from None
    except (FigureError, ValueError) as error:
        raise FigureError(f"{_relative(file)}: {' '.join(str(error).split())}") from None


def _names(node: ast.stmt) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _is_spec(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == SPEC and not node.args


def _literals(call: ast.Call) -> dict[str, Any]:
    """The arguments of a declaration, all of them known and none missing."""
    fields = {field.name: field for field in dataclasses.fields(FigureSpec)}
    needed = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    found = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise FigureError(f"FIGURE: **{ast.unparse(keyword.value)} is no literal")
        if keyword.arg not in fields:
            raise FigureError(f"{keyword.arg}: no such thing; there are {', '.join(fields)}")
        try:
            found[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise FigureError(
                f"{keyword.arg}: {ast.unparse(keyword.value)} is no literal"
            ) from None
    if missing := [name for name in needed if name not in found]:
        raise FigureError(f"{', '.join(missing)}: missing")
    return found


def _relative(file: Path) -> str:
    root = HERE.parents[2]
    return str(file.relative_to(root) if file.is_relative_to(root) else file)
