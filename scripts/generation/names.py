"""Which names of its module a statement binds, changes and uses. Syntax trees only."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import re
import symtable
import warnings
from collections.abc import Iterator

from generation.statements import UNPARSABLE

BUILTIN = frozenset(dir(builtins))
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPE = (*FUNCTION, ast.ClassDef, ast.Lambda)
DEFINING = (*FUNCTION, ast.ClassDef, ast.Import, ast.ImportFrom)
# Through these a program reaches names that it only has as texts.
INDIRECT = frozenset(("eval", "exec", "globals", "locals", "vars", "__import__"))


@dataclasses.dataclass(frozen=True)
class Names:
    """Of one statement.

    Attributes:
        binds: Names that it gives a value.
        changes: Names whose attributes or items it sets.
        uses: Names of the module that it or what it defines reads.
        decorations: Names in its decorators and base classes.
        declares: Names of the module that functions in it bind when they are called.
        star: Whether it imports names that it does not tell.
    """

    binds: frozenset[str]
    changes: frozenset[str]
    uses: frozenset[str]
    decorations: frozenset[str]
    declares: frozenset[str]
    star: bool


@functools.lru_cache(maxsize=256)
def names_of(source: str) -> Names:
    """The names of the statement whose text this is. An output that grows is read again and again:
    most of its statements are as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            node = ast.parse(source).body[0]
        except UNPARSABLE:
            # Its line went on behind a semicolon.
            node = ast.parse(source.rstrip(" \t\f\r\n\\;")).body[0]
    binds, changes, reads = set(), set(), set()
    for inner in _walk_without_bodies(node):
        binds.update(_bound(inner))
        if isinstance(inner, ast.AugAssign):
            reads.add(root(inner.target))
        if isinstance(inner, ast.Attribute | ast.Subscript) and not isinstance(inner.ctx, ast.Load):
            changes.add(root(inner))
    decorations = {
        inner.id
        for mark in [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        for inner in ast.walk(mark)
        if isinstance(inner, ast.Name)
    }
    declares = {
        name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names
    }
    star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    uses = _used(node, source) | decorations | reads - {None}
    return Names(
        frozenset(binds),
        frozenset(changes - {None}),
        frozenset(uses),
        frozenset(decorations),
        frozenset(declares),
        star,
    )


def root(node: ast.AST) -> str | None:
    """The name at the beginning of `name.a[0].b()`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _walk_without_bodies(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what it runs itself, without the bodies of what it defines."""
    below = [node]
    while below:
        inner = below.pop()
        yield inner
        if not isinstance(inner, SCOPE):
            below += ast.iter_child_nodes(inner)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (*FUNCTION, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _used(node: ast.stmt, source: str) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(source, "<output>", "exec")
    except UNPARSABLE:
        # Then any name in it counts, whichever its scope.
        return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    below = list(table.get_children())
    while below:
        inner = below.pop()
        below += inner.get_children()
        found.update(symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global())
    return found | _annotated(node) | _names_in_strings(node, found)


def _annotated(node: ast.stmt) -> set[str]:
    """Names in annotations, also in those that are texts."""
    found = set()
    for inner in ast.walk(node):
        for field in ("annotation", "returns"):
            annotation = getattr(inner, field, None)
            for part in ast.walk(annotation) if annotation else ():
                if isinstance(part, ast.Name):
                    found.add(part.id)
                elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.update(re.findall(r"[^\W\d]\w*", part.value))
    return found


def _names_in_strings(node: ast.stmt, uses: set[str]) -> set[str]:
    """Words in texts, where the program can take them for names."""
    if not uses & INDIRECT:
        return set()
    return {
        word
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        for word in re.findall(r"[^\W\d]\w*", inner.value)
    }
