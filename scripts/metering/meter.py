"""What a meter is: the words that every meter, the sampler and the attribution share."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class MeterError(RuntimeError):
    """A meter or the sampler failed; the message is one line: what, why, what to do."""


class MeterGoneError(MeterError):
    """The device says that it will not come back: there is no use in trying again."""


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


class MeterEvent(NamedTuple):
    """What a meter saw happen to itself: for the events of the session.

    ``kind`` is one of docs/meters.md; ``quantity`` names what it concerns, None the whole meter.
    """

    kind: str
    why: str
    quantity: str | None = None


@dataclass(frozen=True)
class Domain:
    """What a meter measures, and all that the analysis needs to know of it.

    Attributes:
        domain: Its name, as in the trace.
        meter, source: Which meter, and through what it was read.
        unit: Of its raw values.
        label: In words, for figures and pages.
        quantity: What its energy comes from: `energy` (a cumulative counter) or `power` (no
            counter: integrate it).
        estimate: Whether no meter stands behind it.
        max_range: The value at which the counter wraps around, in `unit`; None where it does not
            wrap or nobody says where.
        details: What else is known of the device.
        kind: Of device: `processor`, `memory`, `gpu`, or `system` (more than one of them).
        scale: Joules (of a counter) or watts (of a power) in one `unit`.
        period_s: How often the value moves; None where only its readings tell.
        resolution: The smallest change that it can show, in `unit`; None where only its readings
            tell.
        contains: Patterns (fnmatch) of other domains whose energy is in this one too: none of them
            is ever added to it.
        max_power_w: More than the device can draw: a step of the counter that asks for more did
            not happen. None where nobody can say.
        power_scale: Watts in one unit of the power that is read beside a counter, which may have
            another unit; None where there is none.
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
    kind: str = "system"
    scale: float = 1.0
    period_s: float | None = None
    resolution: float | None = None
    contains: tuple[str, ...] = ()
    max_power_w: float | None = None
    power_scale: float | None = None

    def as_dict(self) -> dict:
        """The same, ready for JSON."""
        return asdict(self)


# What the units of the first meters said without a word; those that came later declare it.
SCALES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "W": 1.0, "mW": 1e-3}
_KINDS = {"gpu:": "gpu", "cpu:dram": "memory", "cpu:": "processor"}
# No processor package and no board draws more.
MAX_POWER_W = {"processor": 1000.0, "memory": 1000.0, "gpu": 3000.0}


def parse_domain(record: Mapping[str, Any]) -> Domain:
    """A domain as a session recorded it, also one from before meters declared their kind and scale.

    Args:
        record: One of `meters.found` in session.json.
    """
    known = {name: value for name, value in record.items() if name in Domain.__dataclass_fields__}
    if "kind" not in record:
        name, unit = record["domain"], record["unit"]
        kind = next((k for start, k in _KINDS.items() if name.startswith(start)), "system")
        known |= {"kind": kind, "scale": SCALES[unit], "max_power_w": MAX_POWER_W.get(kind)}
        if record["quantity"] == "energy" and unit == "mJ":
            known["power_scale"] = 1e-3
        if unit == "uJ":
            # Intel SDM, volume 3, 15.10.1: moves about every millisecond, in units of 2^-14 J.
            known |= {"period_s": 1e-3, "resolution": 2.0**-14 / 1e-6}
        elif record["estimate"]:
            details = record["details"]
            tick_j = details["rated_power_w"] / details["logical_cpus"] * details["resolution_s"]
            known |= {"period_s": details["resolution_s"], "resolution": tick_j}
    return Domain(**{**known, "contains": tuple(known.get("contains", ()))})


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

    Any exception from ``read`` means that the device cannot be read now; it is asked again, and
    given up after some seconds, or at once on MeterGoneError.
    """

    name: str
    domain: Domain

    def read(self, everything: bool = False) -> list[Reading]:
        """Energy and power: what moves within a window. A meter that is dear to read gives only
        what is due, unless it is asked for `everything`."""
        ...

    def read_slow(self) -> list[Reading]:
        """What moves within seconds: temperature, clocks, limits, utilisation. A quantity that
        cannot be read is left out, and `new_events` says so."""
        ...

    def new_events(self) -> list[MeterEvent]:
        """What happened to the meter since the last call: lost and regained quantities, ways."""
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


def error_message(error: BaseException, limit: int | None = None) -> str:
    """An exception as one line for a record or a message, of at most ``limit`` characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:limit]
