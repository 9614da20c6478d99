"""The order in which tables, figures and pages name things; sessions are measured in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.runtimes.wording import PROVIDERS


def provider_rank(name: str) -> tuple[int, str]:
    """Those that have a name of their own in its order, then others by theirs."""
    return list(PROVIDERS).index(name) if name in PROVIDERS else len(PROVIDERS), name


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
