"""Which statement of a program is the function that was asked for."""

from __future__ import annotations

import ast

from generation.names import FUNCTION

# What a value may be that is a function: `target = solve`, `target = lambda x: x`.
CALLABLE = (ast.Name, ast.Attribute, ast.Call, ast.Lambda, ast.IfExp, ast.Subscript)


def implements(node: ast.stmt, name: str) -> bool:
    """Whether a statement gives the function a body: a definition, perhaps under a condition, or
    another function's name. Definitions that only declare it do not."""
    if isinstance(node, FUNCTION):
        return node.name == name and not declares(node)
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        return named and isinstance(node.value, CALLABLE) and not _mentions(node.value, name)
    if isinstance(node, ast.ClassDef):
        return False
    return any(
        implements(child, name)
        for field in ("body", "orelse", "handlers", "finalbody", "cases")
        for part in getattr(node, field, ())
        for child in (part.body if isinstance(part, ast.ExceptHandler | ast.match_case) else [part])
    )


def declares(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a definition has no body of its own: an overload, a stub, or nothing but itself once
    more, as where a completion repeats the signature."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if any(text.rpartition(".")[2] == "overload" for text in decorators):
        return True
    return not decorators and all(_is_nothing(part, node.name) for part in node.body)


def wraps(node: ast.stmt, name: str) -> bool:
    """Whether a statement makes the function anew of itself: `target = cache(target)`."""
    if not isinstance(node, ast.Assign):
        return False
    named = any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    called = any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == name
        for inner in ast.walk(node.value)
    )
    return named and isinstance(node.value, ast.Call) and _mentions(node.value, name) and not called


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
        return "NotImplemented" in ast.unparse(node)
    return isinstance(node, ast.Pass | ast.Import | ast.ImportFrom) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))
