"""Which engines a campaign measured: each runtime on its provider, what it runs and which version
of it ran. Pure functions on session.json and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.runtimes.columns import SYSTEMS
from analysis.runtimes.providers import place
from analysis.tabular import table

FROM = " from "
OWN = "its own network"


def systems_table(sessions: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a runtime and provider, in the order of the sessions: `engine` and `version` as the
    session read them back (several versions by " and "; none where nothing was measured), what it
    `runs`, the `place` of its provider, and how many sessions were `measured` and `excluded`."""
    found: dict[tuple, list[Mapping[str, Any]]] = {}
    for facts in sessions:
        spec = facts["spec"]
        key = spec["title"], spec["system"], spec["origin"], spec["provider"]
        found.setdefault(key, []).append(facts)
    rows = []
    for (title, system, origin, provider), those in found.items():
        segments = [segment for facts in those for segment in facts["segments"]]
        frameworks = [segment["framework"] for segment in segments]
        rows.append(
            {
                "runtime": title,
                "system": system,
                "origin": origin,
                "provider": provider,
                "place": place(provider),
                "engine": _joined(f["name"] for f in frameworks) or engine(title),
                "version": _joined(f["version"] for f in frameworks),
                "runs": runs(title, origin),
                "device": _joined(segment["device"] for segment in segments),
                "models": ", ".join(dict.fromkeys(facts["spec"]["model"] for facts in those)),
                "measured": sum(not facts["excluded"] for facts in those),
                "excluded": sum(bool(facts["excluded"]) for facts in those),
            }
        )
    return table(rows, SYSTEMS)


def engine(title: str) -> str:
    """The engine of a runtime's title: ONNX Runtime, of ONNX Runtime from PyTorch."""
    return title.partition(FROM)[0]


def runs(title: str, origin: str | None) -> str:
    """What a runtime runs, in words."""
    if origin is None:
        return OWN
    made = title.partition(FROM)[2] or origin
    # A file that came with the model was exported by nobody that is known here.
    return f"the export of {made}" if origin != "file" else "the model's own file"


def versions(systems: pd.DataFrame) -> str:
    """The engines that were measured, with their versions, once each, in words."""
    known = systems[systems.measured > 0]
    pairs = dict.fromkeys(zip(known.engine, known.version, strict=True))
    return ", ".join(f"{name} {version}".strip() for name, version in pairs)


def _joined(names: Iterable[Any]) -> str:
    return " and ".join(dict.fromkeys(str(name) for name in names if name))
