"""The order in which tables, figures and pages name things; sessions are measured in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runtimes.base import PROVIDERS


def rank(title: str, exported: bool, provider: str) -> tuple:
    """Frameworks before what ONNX Runtime makes of them, then by name, then by provider."""
    return exported, title, PROVIDERS.index(provider)


def ordered(sessions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """session.json of each session: by model, runtime, provider and round."""

    def key(facts: Mapping[str, Any]) -> tuple:
        spec = facts["spec"]
        where = rank(spec["title"], spec["origin"] is not None, spec["provider"])
        return spec["model"], where, spec["round"]

    return sorted(sessions, key=key)
