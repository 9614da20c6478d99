"""The files that a program is made of: what it imports, followed through all of scripts/.

Programs of the analysis are inputs of their rules, so that mending one redoes what follows from it,
and only that. Nothing is imported for it: the files are read as text.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from configuration.validation import ConfigurationError

# Of a name that is made up, the parts that are only known at run time.
UNKNOWN = "{}"
IMPORTERS = ("import_module", "__import__")
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True)
class _Dependencies:
    """What one file says that it depends on.

    Attributes:
        files: Of modules that it imports, also within functions, of the packages around them, and
            of those that it starts by their file's name.
        families: The beginnings of modules' names that it makes up: `runtimes.backends.` of
            `import_module(f"runtimes.backends.{name}")`.
    """

    files: frozenset[Path]
    families: frozenset[str]


def program_files(scripts: Path, program: str, *named: str) -> list[str]:
    """The files under `scripts` that a program is made of, itself the first.

    They are the modules that it imports, directly or not; what stands beside one of them in its
    package and is no Python, as templates; and Python files that one of them starts as a process of
    its own. Where a module is imported by a name made up at run time, all that the name may mean
    count.

    Args:
        scripts: The folder of programs and packages; the files are named by paths from there.
        program: The name of a program, without `.py`.
        named: Of the modules whose names are made up at run time, those that this run imports:
            the others of their package do not count. One that is not there does not, either.

    Raises:
        FileNotFoundError: There is no such program.
        ConfigurationError: A file is no Python.
    """
    start = scripts / f"{program}.py"
    found, left = set(), {start}
    while left:
        found |= left
        dependencies = [_dependencies(file, scripts) for file in left]
        reached = set().union(*(each.files for each in dependencies))
        for family in set().union(*(each.families for each in dependencies)):
            chosen = [name for name in named if name.startswith(family)]
            for module in chosen or _members(family, scripts):
                reached |= _module_files(module, scripts)
        left = reached - found
    data = {path for folder in {file.parent for file in found} for path in _data(folder, scripts)}
    return [str(start), *sorted(map(str, (found | data) - {start}))]


@functools.cache
def _dependencies(file: Path, scripts: Path) -> _Dependencies:
    text = file.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text, str(file))
    except SyntaxError as error:
        raise ConfigurationError(f"{file}: line {error.lineno}: {error.msg}") from None
    module = ".".join(file.relative_to(scripts).with_suffix("").parts)
    package = module.rpartition(".")[0] if file.stem != "__init__" else module[: -len(".__init__")]
    modules, families, files = set(), set(), set()
    for node in _nodes(tree, text):
        match node:
            case ast.Import():
                modules.update(alias.name for alias in node.names)
            case ast.ImportFrom():
                origin = _origin(node, package)
                # An imported name may be a module, too.
                modules.update([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
            case ast.Call(args=[argument, *_]) if _name(node.func) in IMPORTERS:
                name = _literal(argument, package)
                name = f"{package}{name}" if name.startswith(".") else name
                known, made_up, _ = name.partition(UNKNOWN)
                if not made_up:
                    modules.add(name)
                elif "." in known:
                    families.add(known)
            case ast.Constant(value=str(name)) if name.endswith(".py") and "/" not in name:
                files.add(file.with_name(name))
    files = {file for file in files if file.is_file()}
    files = files.union(*(_module_files(module, scripts) for module in modules))
    return _Dependencies(frozenset(files), frozenset(families))


def _nodes(tree: ast.Module, text: str) -> Iterator[ast.AST]:
    """The statements; where an expression may matter, all nodes, which takes many times as long."""
    if any(word in text for word in (*IMPORTERS, '.py"', ".py'")):
        yield from ast.walk(tree)
        return
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        yield node
        for block in BLOCKS:
            left += getattr(node, block, ())


def _origin(node: ast.ImportFrom, package: str) -> str:
    above = package.split(".")[: 1 - node.level or None] if node.level else []
    return ".".join([*above, *([node.module] if node.module else [])])


def _name(function: ast.expr) -> str | None:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def _literal(node: ast.expr, package: str) -> str:
    """A text as far as its source tells."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(_literal(part, package) for part in node.values)
        case ast.BinOp(op=ast.Add()):
            return _literal(node.left, package) + _literal(node.right, package)
        case ast.FormattedValue():
            return _literal(node.value, package)
        # Within `__init__` they are the same.
        case ast.Name(id="__package__" | "__name__"):
            return package
    return UNKNOWN


@functools.cache
def _module_files(module: str, scripts: Path) -> frozenset[Path]:
    """The module's file and those of the packages around it; none of a library's."""
    package, _, name = module.rpartition(".")
    folder = scripts.joinpath(*package.split(".")) if package else scripts
    around = _module_files(package, scripts) if package else frozenset()
    for file in (folder / f"{name}.py", folder / name / "__init__.py"):
        if file.is_file():
            return around | {file}
    return around


def _members(family: str, scripts: Path) -> list[str]:
    """The modules that a name with this beginning may mean."""
    package, _, beginning = family.rpartition(".")
    folder = scripts.joinpath(*package.split("."))
    return [f"{package}.{file.stem}" for file in sorted(folder.glob(f"{beginning}*.py"))]


@functools.cache
def _data(folder: Path, scripts: Path) -> tuple[Path, ...]:
    """What stands in a package and is no Python."""
    if folder == scripts:
        return ()
    return tuple(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not path.name.startswith(".")
        and not path.name.endswith("~")
    )
