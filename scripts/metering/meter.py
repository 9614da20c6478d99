"""What a meter is: the words that every meter, the sampler and the attribution share."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class MeterError(RuntimeError):
    """A meter or the sampler failed; the message is one line: what, why, what to do."""


class Reading(NamedTuple):
    """One value as a meter gave it, unscaled and uncorrected.

    ``t_ns`` is CLOCK_MONOTONIC in nanoseconds, half-way between before and after the read.
    """

    t_ns: int
    domain: str
    quantity: str
    value: int | float
    unit: str
    source: str


@dataclass(frozen=True)
class Domain:
    """What a meter measures, and how far to trust it.

    ``quantity`` is what the domain's energy comes from: ``energy`` (a cumulative counter) or
    ``power`` (no counter: integrate it). ``max_range`` is the value at which the counter wraps
    around, in ``unit``; None where it does not wrap or nobody says where.
    """

    domain: str
    meter: str
    source: str
    unit: str
    label: str
    quantity: str = "energy"
    estimate: bool = False
    max_range: int | None = None
    details: dict = field(default_factory=dict)

    def as_dict(self) -> dict:
        """The same, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Missing:
    """Something that could not be measured: why, and what to do about it."""

    meter: str
    why: str
    remedy: str

    def as_dict(self) -> dict:
        """The same, ready for JSON."""
        return asdict(self)


class Meter(Protocol):
    """One device behind one domain, so that losing it loses nothing else.

    Any exception from ``read`` or ``read_slow`` means that the device can no longer be read.
    """

    name: str
    domain: Domain

    def read(self, everything: bool = False) -> list[Reading]:
        """Energy and power: what moves within a window. A meter that is dear to read gives only
        what is due, unless it is asked for `everything`."""
        ...

    def read_slow(self) -> list[Reading]:
        """What moves within seconds: temperature, clocks, limits, utilisation."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class Watcher(Protocol):
    """Sees what may spoil a measurement, and measures no energy itself."""

    domain: str

    def read_slow(self) -> list[Reading]:
        """What it sees, about once a second."""
        ...


def timed(read: Callable[[], T]) -> tuple[int, T]:
    """The value of ``read()`` and the moment half-way through it, in CLOCK_MONOTONIC nanoseconds.

    Half-way, because one NVML read can take milliseconds and the value was taken somewhere inside.
    """
    before_ns = time.monotonic_ns()
    value = read()
    return (before_ns + time.monotonic_ns()) // 2, value


def one_line(error: BaseException, limit: int | None = None) -> str:
    """An exception as one line for a record or a message, of at most ``limit`` characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:limit]
