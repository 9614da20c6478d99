"""Documents of JSON as frozen dataclasses and back: strict, with one line for what does not fit.

A document has exactly the keys of its dataclass. A field with a default may be left out, and is not
written where it has its default. Numbers stay as they were written (1 is no 1.0), so what is parsed
is written again byte for byte. The frameworks' environments have nothing but the standard library.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")

NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
}


class SpecificationError(ValueError):
    """A document that does not fit; the message is one line: where, what, what is allowed."""


def load(text: str, where: str) -> dict[str, Any]:
    """The mapping that a text of JSON is.

    Args:
        where: How a message calls the text.

    Raises:
        SpecificationError: It is no JSON, no mapping, or names a key twice.
    """
    try:
        document = json.loads(text, object_pairs_hook=lambda pairs: _mapping(pairs, where))
    except SpecificationError:
        raise
    except (ValueError, RecursionError) as error:
        raise SpecificationError(f"{where}: not JSON: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise SpecificationError(f"{where}: {_quote(document)} is not a mapping of keys to values")
    return document


def parse(cls: type[T], document: Mapping[str, Any], where: str) -> T:
    """A document as a dataclass.

    Args:
        cls: Frozen, its fields typed with text, numbers, `Literal`, `None`, other dataclasses,
            `tuple[X, ...]` for lists, `Mapping[str, Any]` for what is taken as it is, and unions of
            these. A static method `form` may give, for a document, the subclass that it is of; a
            `__post_init__` may raise ValueError for values that do not go together.
        where: How a message calls the document.

    Raises:
        SpecificationError: A key is missing, unknown, or has a value of another type.
    """
    return _value(cls, document, where, ())


def to_mapping(value: Any) -> Any:
    """The document that a parsed dataclass came from, of dicts and lists."""
    if dataclasses.is_dataclass(value):
        written = {field.name: getattr(value, field.name) for field in _written(value)}
        return {name: to_mapping(each) for name, each in written.items()}
    if isinstance(value, Mapping):
        return {name: to_mapping(each) for name, each in value.items()}
    return [to_mapping(each) for each in value] if isinstance(value, tuple | list) else value


def to_json(value: Any) -> str:
    """The same as one line of JSON: equal when the values are equal."""
    return json.dumps(to_mapping(value), sort_keys=True)


def _written(value: Any) -> Iterable[dataclasses.Field]:
    return (f for f in dataclasses.fields(value) if getattr(value, f.name) != f.default)


def _mapping(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SpecificationError(f"{where}: the key '{twice}' stands there twice; name it once")
    return found


def _value(kind: Any, value: Any, where: str, path: tuple[str, ...]) -> Any:
    """A value of a document as the type of its field has it."""
    fitting = next((each for each in _alternatives(kind) if _fits(each, value)), None)
    if fitting is None:
        place = ": ".join([where, ".".join(path)] if path else [where])
        raise SpecificationError(
            f"{place}: {_quote(value)} is not allowed (allowed: {_describe(kind)})"
        )
    if dataclasses.is_dataclass(fitting):
        return _dataclass(fitting, value, where, path)
    if typing.get_origin(fitting) is tuple:
        each = typing.get_args(fitting)[0]
        return tuple(_value(each, v, where, (*path, str(n))) for n, v in enumerate(value))
    return _frozen(value)


def _dataclass(cls: Any, document: Mapping[str, Any], where: str, path: tuple[str, ...]) -> Any:
    cls = getattr(cls, "form", lambda _: cls)(document)
    kinds = _kinds(cls)
    needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    allowed = ", ".join(sorted(kinds))
    # An unknown key explains more than the one that is missing because of it.
    if unknown := sorted(set(document) - set(kinds)):
        near = difflib.get_close_matches(unknown[0], kinds, n=1, cutoff=0.5)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        key = ".".join((*path, unknown[0]))
        raise SpecificationError(f"{where}: unknown key '{key}'{hint} (allowed here: {allowed})")
    if missing := [name for name in needed if name not in document]:
        key = ".".join((*path, missing[0]))
        raise SpecificationError(
            f"{where}: the key '{key}' is missing (needed: {', '.join(sorted(needed))})"
        )
    values = {name: _value(kinds[name], document[name], where, (*path, name)) for name in document}
    try:
        return cls(**values)
    except ValueError as error:
        raise SpecificationError(f"{where}: {'.'.join((*path, str(error)))}") from None


@functools.cache
def _kinds(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: _allowed(field, hints[field.name]) for field in dataclasses.fields(cls)}


def _allowed(field: dataclasses.Field, kind: Any) -> Any:
    """The type of a field in a document: one whose default is None is left out, and never null."""
    if field.default is not None:
        return kind
    return Union[tuple(each for each in _alternatives(kind) if each is not types.NoneType)]  # noqa: UP007


def _alternatives(kind: Any) -> tuple[Any, ...]:
    union = typing.get_origin(kind) in (types.UnionType, Union)
    return typing.get_args(kind) if union else (kind,)


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value is of a type, as far as is seen without looking into it."""
    origin = typing.get_origin(kind)
    if origin is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if origin is tuple:
        return isinstance(value, list | tuple)
    if origin is not None or dataclasses.is_dataclass(kind):
        return isinstance(value, Mapping)
    if kind in (int, float) and isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, kind)


def _describe(kind: Any) -> str:
    """A type in words."""
    words = [word for each in _alternatives(kind) for word in _words(each)]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _words(kind: Any) -> list[str]:
    origin = typing.get_origin(kind)
    if origin is Literal:
        return [f"'{word}'" for word in typing.get_args(kind)]
    if origin is tuple:
        return [f"a list, each of it {_describe(typing.get_args(kind)[0])}"]
    if dataclasses.is_dataclass(kind):
        return [f"a mapping of {', '.join(sorted(_kinds(kind)))}"]
    return [NAMES.get(kind, "a mapping")]


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return types.MappingProxyType({name: _frozen(each) for name, each in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _quote(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
