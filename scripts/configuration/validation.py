"""Checks a document against its JSON schema and fills in the schema's defaults.

The schema is the documentation (`description`, `default`); this module turns what it refuses into
one line that names the key, what is allowed, and the nearest match.
"""

from __future__ import annotations

import copy
import datetime
import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

# Whole numbers end up in 64 bits, as seeds and sizes.
MOST = 2**63 - 1


def _is_number(checker: TypeChecker, value: Any) -> bool:
    # YAML can say .nan and .inf, which slip through every bound.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MOST if isinstance(value, int) else math.isfinite(value)


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    return isinstance(value, int) and _is_number(checker, value)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    # Python's $ lets a last line break pass, which would stand in a path.
    if isinstance(value, str) and ("\n" in value or not re.search(pattern, value)):
        yield ValidationError(f"{value!r} does not match {pattern}")


_Validator = extend(
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_number, "integer": _is_integer}
    ),
)


class ConfigurationError(ValueError):
    """A configuration that cannot be run; its message is one line."""


def suggestion(word: str, allowed: Iterable[str]) -> str:
    """'; did you mean X?' where something in `allowed` is close to `word`, else nothing."""
    spelt = {str(a).lower(): str(a) for a in allowed}
    match = difflib.get_close_matches(str(word).lower(), spelt, n=1, cutoff=0.5)
    return f"; did you mean '{spelt[match[0]]}'?" if match else ""


def choice(word: str, allowed: Iterable[str], what: str, where: str) -> str:
    """`word` if it is among `allowed`.

    Raises:
        ConfigurationError: it is not; the message lists what is.
    """
    allowed = list(allowed)
    if word in allowed:
        return word
    some = ", ".join(str(a) for a in allowed[:12]) + (", ..." if len(allowed) > 12 else "")
    raise ConfigurationError(
        f"{where}: no {what} {format_value(word)}{suggestion(word, allowed)} (there are: {some})"
    )


def validate(document: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of `document` with the schema's defaults filled in.

    Args:
        document: What a user wrote.
        schema: A JSON schema (draft 2020-12).
        where: The name by which a message calls the document.

    Raises:
        ConfigurationError: The document does not fit the schema.
    """
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{where}: must be a mapping of keys to values")
    filled = _with_defaults(copy.deepcopy(dict(document)), schema)
    errors = sorted(_Validator(schema).iter_errors(filled), key=_most_telling)
    if errors:
        raise ConfigurationError(_message(errors[0], where, schema))
    return filled


def _with_defaults(value: Any, schema: Mapping[str, Any]) -> Any:
    value = _number(value, schema)
    if isinstance(value, list):
        items = [s["items"] for s in (schema, *schema.get("anyOf", ())) if "items" in s]
        return [_number(each, items[0]) for each in value] if items else value
    if not isinstance(value, dict):
        return value
    several = (schema, *schema.get("anyOf", ()))
    properties = next((s["properties"] for s in several if "properties" in s), {})
    for key, sub in properties.items():
        if key not in value and "default" in sub:
            value[key] = copy.deepcopy(sub["default"])
    extra = next((s["additionalProperties"] for s in several if "additionalProperties" in s), None)
    for key, item in value.items():
        sub = properties.get(key, extra if isinstance(extra, Mapping) else {})
        value[key] = _with_defaults(item, sub)
    return value


def _number(value: Any, schema: Mapping[str, Any]) -> Any:
    """A number in one spelling, since 1, 1.0 and "1" are one experiment; all else as it is.

    Texts come from YAML, which finds no number in 1e-3, and from Snakemake, which finds none within
    `--config phases={rounds: 2}`.
    """
    types = {t for s in (schema, *schema.get("anyOf", ())) for t in _as_list(s.get("type", []))}
    if value == "null" and "null" in types:
        return None
    if isinstance(value, bool) or not types & {"integer", "number"}:
        return value
    if isinstance(value, str):
        try:
            value = int(value) if value.lstrip("+-").isdecimal() else float(value)
        except ValueError:
            return value
    if not isinstance(value, int | float):
        return value
    if "number" in types:
        if abs(value) > MOST:
            return value
        return schema["default"] if value == schema.get("default") else float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_list(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _most_telling(error: ValidationError) -> tuple[bool, int]:
    # An unknown key explains more than whatever else is wrong because of it.
    return error.validator != "additionalProperties", len(error.path)


def _message(error: ValidationError, where: str, root: Mapping[str, Any]) -> str:
    path = ".".join(str(p) for p in error.absolute_path)
    place = f"{where}: {path}" if path else where
    if error.instance is None:
        return f"{place}: nothing stands there; give it a value, or leave the key out"
    value = format_value(error.instance)
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            unknown = sorted(set(map(str, error.instance)) - set(known))[0]
            key = f"{path}.{unknown}" if path else unknown
            hint = _misplacement_hint(unknown, root) or suggestion(unknown, known)
            return f"{where}: unknown key '{key}'{hint} (allowed here: {', '.join(sorted(known))})"
        case "required":
            missing = [k for k in error.validator_value if k not in error.instance]
            needed = ", ".join(error.validator_value)
            return f"{place}: the key '{missing[0]}' is missing (needed here: {needed})"
        case "enum":
            allowed = [str(v) for v in error.validator_value]
            return (
                f"{place}: {value} is not allowed{suggestion(error.instance, allowed)}"
                f" (allowed: {', '.join(allowed)})"
            )
        case "anyOf":
            if meant := _intended_alternative(error):
                return _message(meant, where, root)
            return f"{place}: {value} is not allowed (allowed: {_alternatives(error)})"
        case "type":
            hint = _rewrite_hint(error.instance, error.validator_value)
            if "form" in error.schema and not hint:
                return f"{place}: {value} is not allowed (allowed: {error.schema['form']})"
            return f"{place}: {value} is not {_types(error.validator_value)}{hint}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            words = {
                "minimum": "at least",
                "exclusiveMinimum": "above",
                "maximum": "at most",
                "exclusiveMaximum": "below",
            }
            return f"{place}: {value} must be {words[error.validator]} {error.validator_value}"
        case "pattern":
            return f"{place}: {value} is not allowed (allowed: {_form(error.schema)})"
        case "uniqueItems":
            twice = next(v for n, v in enumerate(error.instance) if v in error.instance[:n])
            return f"{place}: {format_value(twice)} stands there twice; name each once"
        case "minItems" | "minProperties" | "minLength":
            return f"{place}: must not be empty"
    return f"{place}: {error.message.splitlines()[0]}"


def _misplacement_hint(unknown: str, root: Mapping[str, Any]) -> str:
    """Where a key belongs that stands on the wrong level, if that is what is wrong."""
    key = unknown.rpartition(".")[2]
    places = [".".join(parents) for parents, name in _keys(root) if name == key]
    if not places:
        return ""
    location = " or ".join(f"inside {place!r}" if place else "on the top level" for place in places)
    return f"; '{key}' belongs {location}"


def _keys(
    schema: Mapping[str, Any], parents: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, sub in schema.get("properties", {}).items():
        yield parents, name
        yield from _keys(sub, (*parents, name))


def _intended_alternative(error: ValidationError) -> ValidationError | None:
    """What is wrong in the one alternative whose type the value has, if there is one."""
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    for inners in branches.values():
        if not any(not e.path and e.validator in ("type", "const") for e in inners):
            return inners[0]
    return None


def _rewrite_hint(value: Any, types: str | list[str]) -> str:
    """How to write a value that YAML read as another type than was meant."""
    if "string" in types and not isinstance(value, dict | list):
        return "; put it into quotes"
    if "array" in types and isinstance(value, str):
        return f"; write [{value}]"
    return ""


def _form(schema: Mapping[str, Any]) -> str:
    # `form` is an annotation of these schemas: the pattern in words.
    return schema.get("form", schema["pattern"])


def _types(types: str | list[str]) -> str:
    names = {
        "object": "a mapping",
        "array": "a list",
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    return " or ".join(names[t] for t in _as_list(types))


def _alternatives(error: ValidationError) -> str:
    def describe(sub: Mapping[str, Any]) -> str:
        if "const" in sub:
            return f"'{sub['const']}'"
        text = _types(sub["type"])
        if "pattern" in sub:
            text += f" of {_form(sub)}"
        if "minimum" in sub:
            text += f" of at least {sub['minimum']}"
        return text

    return ", or ".join(describe(sub) for sub in error.validator_value)


def format_value(value: Any, limit: int = 60) -> str:
    """`value` as a message shows it: on one line, and cut where it is long."""
    try:
        text = str(value) if isinstance(value, datetime.date) else repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."
