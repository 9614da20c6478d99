#!/usr/bin/env python3
"""Writes the tables of keys in config/README.md from the schemas; --check only compares."""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from publication.markers import replace_marked

CONFIG = Path(__file__).parents[1] / "config"
TABLES = {"config.schema.yaml": "configuration", "models.schema.yaml": "registry"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the page is out of date")
    args = parser.parse_args()
    page = CONFIG / "README.md"
    before = after = page.read_text(encoding="utf-8")
    for name, mark in TABLES.items():
        schema = yaml.safe_load((CONFIG / "schemas" / name).read_text(encoding="utf-8"))
        if mark == "registry":
            schema = schema["additionalProperties"]
        after = replace_marked(after, mark, "\n".join(table(schema)), "make docs")
    if args.check and after != before:
        sys.exit("error: config/README.md differs from the schemas; run `make docs`")
    page.write_text(after, encoding="utf-8")


def table(schema: Mapping[str, Any]) -> Iterator[str]:
    """A Markdown table of a schema's keys, nested ones with dots."""
    yield "| key | default | allowed | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", [])
    for key, sub in _keys(schema):
        default = f"`{json.dumps(sub['default'])}`" if "default" in sub else ""
        if key in required:
            default = "*required*"
        yield f"| `{key}` | {default} | {_allowed(sub)} | {' '.join(sub['description'].split())} |"


def _keys(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, sub in schema["properties"].items():
        if "properties" in sub and "additionalProperties" in sub:
            if "null" in sub.get("type", []):
                yield f"{path}{key}", sub
            yield from _keys(sub, f"{path}{key}.")
        else:
            yield f"{path}{key}", sub


def _allowed(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_allowed(sub) for sub in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "form" in schema:
        return schema["form"].replace("|", "\\|")
    if schema["type"] == "array":
        items = schema["items"]
        if items.get("type") == "integer":
            return "list of whole numbers"
        return "list of " + (_allowed(items) if "enum" in items else "names")
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "object": "mapping",
        "boolean": "`true`, `false`",
    }
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    text = " or ".join("`null`" if name == "null" else words[name] for name in types)
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return text + "".join(f", {sign} {schema[k]:g}" for k, sign in signs.items() if k in schema)


if __name__ == "__main__":
    main()
