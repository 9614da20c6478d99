"""What a session of any study is told: its specification, parsed once at the program's edge.

A study has a dataclass of its own (`generation.specification`, `runtimes.specification`,
`loads.specification`). The names of the attributes are the keys of the JSON.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from metering.specification import Metering
from session.parsing import SpecificationError, load, parse, to_json, to_mapping

__all__ = [
    "ByWidth",
    "Cooldown",
    "Metering",
    "ModelSpecification",
    "Protocol",
    "Repetitions",
    "Specification",
    "SpecificationError",
    "load",
    "parse",
    "to_json",
    "to_mapping",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cooldown:
    """Rest before each block of work until the device is as cool as when idle was recorded.

    Attributes:
        within_c: Kelvin above the temperature of idle that are near enough.
        max_s: Seconds after which the block begins in any case.
    """

    within_c: float
    max_s: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a session is prepared, and kept as it was.

    Attributes:
        stable_within: The share within which the last rates agree when warming up ends; None warms
            up for a fixed time.
        warmup_max_s: Seconds after which warming up ends in any case.
        settle_s: Seconds of rest before idle.
        cooldown: None for none.
    """

    stable_within: float | None
    warmup_max_s: float
    settle_s: float
    cooldown: Cooldown | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ByWidth:
    """As many windows of a cell as make the interval of its mean narrow; see `stopping`.

    Attributes:
        within: Half of the interval, as a share of the mean.
        at_least: Windows that come first and say how many there are.
        at_most: Windows after which it ends in any case.
        confidence: Of the interval.
        resolve_periods: Update periods of its meter that a window lasts at least, to have an
            energy.
    """

    within: float
    at_least: int
    at_most: int
    confidence: float
    resolve_periods: float


Repetitions = int | ByWidth


@dataclasses.dataclass(frozen=True, kw_only=True)
class Specification:
    """What every session is told.

    Attributes:
        session: Its name.
        device: Where it computes: `auto`, `cpu`, `cuda`, `cuda:N`.
        seed: Of the order of its windows, and of whatever else is drawn.
    """

    session: str
    device: str
    seed: int
    metering: Metering
    protocol: Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpecification(Specification):
    """What a session that measures a model of the registry is told.

    Attributes:
        model: Its name in the registry.
        entry: The whole of its entry: other weights under that name are another experiment.
        round: Which of the sessions alike it is, from 1.
        threads: CPU threads; `auto` is one for each CPU that it may use.
        warmup_s: Seconds of warming up at least.
    """

    campaign: str
    model: str
    entry: Mapping[str, Any]
    round: int
    threads: Literal["auto"] | int
    warmup_s: float
