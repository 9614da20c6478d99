"""Which statement of a program is the function that was asked for."""

from __future__ import annotations

import ast

from generation.names import FUNCTION

# What a value may be that is a function: `target = solve`, `target = lambda x: x`.
CALLABLE = (ast.Name, ast.Attribute, ast.Call, ast.Lambda, ast.IfExp, ast.Subscript)
BLOCK = (ast.stmt, ast.ExceptHandler, ast.match_case)


def implements(node: ast.stmt, name: str) -> bool:
    """Whether a statement gives the function a body: a definition, perhaps under a condition, or
    another function's name. Definitions that only declare it do not."""
    below = [node]
    while below:
        inner = below.pop()
        if isinstance(inner, FUNCTION):
            found = inner.name == name and not declares(inner)
        elif isinstance(inner, ast.Assign | ast.AnnAssign):
            found = _named(inner, name) and isinstance(inner.value, CALLABLE)
            found = found and not _mentions(inner.value, name)
        else:
            found = False
            if isinstance(inner, BLOCK) and not isinstance(inner, ast.ClassDef):
                below += ast.iter_child_nodes(inner)
        if found:
            return True
    return False


def declares(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a definition has no body of its own: an overload, a stub, or nothing but itself once
    more, as where a completion repeats the signature."""
    if any(_last_name(decorator) == "overload" for decorator in node.decorator_list):
        return True
    return not node.decorator_list and all(_is_nothing(part, node.name) for part in node.body)


def wraps(node: ast.stmt, name: str) -> bool:
    """Whether a statement makes the function anew of itself: `target = cache(target)`."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
        return False
    called = any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == name
        for inner in ast.walk(node.value)
    )
    return _named(node, name) and _mentions(node.value, name) and not called


def method_of(node: ast.stmt, name: str) -> str | None:
    """How to call the function where it is a class's method; None where it is not."""
    for inner in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(inner, FUNCTION) and inner.name == name and not declares(inner):
            arguments = [*inner.args.posonlyargs, *inner.args.args]
            bound = bool(arguments) and arguments[0].arg == "self"
            return f"{node.name}().{name}" if bound else f"{node.name}.{name}"
    return None


def _is_nothing(node: ast.stmt, name: str) -> bool:
    if isinstance(node, FUNCTION):
        return node.name == name
    if isinstance(node, ast.Raise):
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return (_last_name(raised) or "").startswith("NotImplemented")
    return isinstance(node, ast.Pass | ast.Import | ast.ImportFrom) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _named(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _last_name(node: ast.AST | None) -> str | None:
    """`overload` of `typing.overload`."""
    return getattr(node, "attr", getattr(node, "id", None))


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))
