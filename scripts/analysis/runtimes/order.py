"""The order in which tables, figures and pages name things; sessions are measured in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runtimes.providers import AUTO


def provider_rank(name: str) -> tuple[int, str]:
    """Those that the runtimes know in their order, then others by name."""
    return AUTO.index(name) if name in AUTO else len(AUTO), name


def rank(title: str, exported: bool, provider: str) -> tuple:
    """Frameworks before what engines make of their exports, then by name, then by provider."""
    return exported, title, provider_rank(provider)


def ordered(sessions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """session.json of each session: by model, runtime, provider and round."""

    def key(facts: Mapping[str, Any]) -> tuple:
        spec = facts["spec"]
        where = rank(spec["title"], spec["origin"] is not None, spec["provider"])
        return spec["model"], where, spec["round"]

    return sorted(sessions, key=key)
