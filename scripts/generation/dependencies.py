"""The dependencies of a function among the statements around it: the names that it uses, and
the names that those use."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence

from generation.names import BUILTIN, DEFINING, Names, names_of, root
from generation.statements import Statement, statements
from generation.target import wraps

# What a statement does that is no preparation: it asks, tells or ends.
INTERACTION = frozenset(("print", "input", "exit", "quit", "breakpoint", "help"))
INPUT_OR_EXIT = INTERACTION - {"print"}
# What sets up the interpreter, wherever it stands.
SETTINGS = frozenset(("setrecursionlimit", "set_int_max_str_digits"))


class ParsedText:
    """One text of an output, parsed as a program.

    Attributes:
        source: The text.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    @functools.cached_property
    def statements(self) -> list[Statement]:
        """Those of it that compile."""
        return statements(self.source)

    @functools.cached_property
    def names(self) -> list[Names]:
        return [
            names_of(self.source[statement.start : statement.stop]) for statement in self.statements
        ]

    @functools.cached_property
    def bound(self) -> frozenset[str]:
        """Names that the statements bind, or what they define when it is called."""
        return frozenset().union(*(names.binds | names.declares for names in self.names))


Place = tuple[int, int]  # the view's number, and the statement's in it


class Dependencies:
    """The dependencies of one statement among others.

    A name is looked up in the target's own view, then in what was given, then in the views before
    it, the nearest first, then in those behind. What runs but gives or changes nothing that is
    needed is left out: example calls, prints, input, tests. Behind the target a name that was
    given a value before gets no other: there, a model goes on when it should have ended.

    Args:
        views: In the order of the output.
        target: Where the target stands.
        name: Of the target.
        given: Names that are there without any of the views.
    """

    def __init__(
        self, views: Sequence[ParsedText], target: Place, name: str, given: frozenset[str]
    ) -> None:
        self._views, self._target, self._name, self._given = views, target, name, given
        own = target[0]
        self._order = [own, *range(own - 1, -1, -1), *range(own + 1, len(views))]

    def closure(self) -> list[Place]:
        """The target and all that it depends on, in the order of the output."""
        kept = {self._target}
        while True:
            needed = frozenset().union(*(self._names(place).uses for place in kept))
            more = {
                place for place in self._places(needed) if self._is_needed(place, needed)
            } | kept
            if more == kept:
                return sorted(kept)
            kept = more

    def _places(self, needed: frozenset[str]) -> Iterator[Place]:
        """Where something can stand that is needed: other views are only read for what is
        missing."""
        views = {self._provider(name) for name in needed - {self._name}} - {None}
        if any(map(self._is_missing, needed)):
            views.update(self._order)
        views.add(self._target[0])
        return ((v, s) for v in sorted(views) for s in range(len(self._views[v].statements)))

    def _is_missing(self, name: str) -> bool:
        return self._provider(name) is None and name not in self._given | BUILTIN

    def _names(self, place: Place) -> Names:
        return self._views[place[0]].names[place[1]]

    def _node(self, place: Place) -> ast.stmt:
        return self._views[place[0]].statements[place[1]].node

    @functools.cache  # noqa: B019 - lives as long as the selection
    def _provider(self, name: str) -> int | None:
        """The view that a name comes from."""
        for view in self._order:
            if name in self._views[view].bound:
                return view
            if view == self._target[0] and (name in self._given or name in BUILTIN):
                return None
        return None

    def _is_needed(self, place: Place, needed: frozenset[str]) -> bool:
        view = place[0]
        names, node = self._names(place), self._node(place)
        here = {name for name in needed if self._provider(name) == view} - {self._name}
        if view == self._target[0]:
            if wraps(node, self._name) and place > self._target:
                return True
            if self._name in names.changes | names.decorations and self._name not in names.binds:
                return place > self._target and not names.uses & INTERACTION
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                return True
            if self._sets_up(place):
                return True
        if names.star:
            return any(map(self._is_missing, needed))
        if bound := names.binds & here:
            return place < self._target or any(self._binds_first(place, name) for name in bound)
        if names.changes & here:
            return not _is_guard(node) and not self._interacts(place)
        if names.decorations & here & self._defined(view):
            return True
        return self._prepares(place, here - self._defined(view))

    def _binds_first(self, place: Place, name: str) -> bool:
        """Whether no statement above binds the name, or this one makes it of what it was."""
        if name in self._names(place).uses and not isinstance(self._node(place), DEFINING):
            return True
        return not any(name in self._views[place[0]].names[s].binds for s in range(place[1]))

    def _defined(self, view: int) -> frozenset[str]:
        """Names of functions, classes and modules: what has no value that a call could change."""
        return frozenset().union(
            *(
                names.binds
                for names, statement in zip(
                    self._views[view].names, self._views[view].statements, strict=True
                )
                if isinstance(statement.node, DEFINING)
            )
        )

    def _prepares(self, place: Place, variables: set[str]) -> bool:
        """Whether a statement works on needed variables, or calls what does, and nothing else."""
        node = self._node(place)
        if _is_guard(node) or isinstance(node, (*DEFINING, ast.Assert, ast.Assign, ast.AnnAssign)):
            return False
        reached = self._transitive_uses(place)
        return bool(reached & variables) and not self._interacts(place)

    def _interacts(self, place: Place) -> bool:
        """Whether a statement reads input, prints, ends the program, or calls the target."""
        reached = self._transitive_uses(place)
        return bool(
            self._names(place).uses & INTERACTION
            or reached & INPUT_OR_EXIT
            or self._name in reached
        )

    def _sets_up(self, place: Place) -> bool:
        """Whether a statement sets up an imported module, above the target: a seed, a limit."""
        node = self._node(place)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            called = node.targets[0]
        else:
            return False
        if getattr(called, "attr", getattr(called, "id", None)) in SETTINGS:
            return True
        imported = {
            name
            for names, statement in zip(
                self._views[place[0]].names, self._views[place[0]].statements, strict=True
            )
            if isinstance(statement.node, ast.Import | ast.ImportFrom)
            for name in names.binds
        }
        return place < self._target and root(called) in imported and not self._interacts(place)

    @functools.cache  # noqa: B019 - lives as long as the selection
    def _transitive_uses(self, place: Place) -> frozenset[str]:
        """Names that a statement uses, and those that what it calls does."""
        found, new = set(), set(self._names(place).uses)
        while new:
            found |= new
            new = {
                used
                for name in new
                if (view := self._provider(name)) is not None
                for names in self._views[view].names
                if name in names.binds
                for used in names.uses
            } - found
        return frozenset(found)


def _is_guard(node: ast.stmt) -> bool:
    """Whether it only runs as a program of its own."""
    return isinstance(node, ast.If) and any(
        isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(node.test)
    )
