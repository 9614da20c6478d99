"""What a running session reads of its own raw data, between windows and never within one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from analysis.energy.raw import RawSession, read_unfinished
from analysis.energy.repeated import repeated
from metering.recording import Recording
from metering.tail import wait_for
from session.cooling import Cooling, temperatures_of
from session.specification import ByWidth, Repetitions, Specification
from session.stopping import Stopping

# While the sampler goes on, a dear counter and the driver's samples come about once a second.
COVERED_S = 1.5


def stopping_of(
    spec: Specification, recording: Recording, rules: Mapping[str, Repetitions]
) -> Stopping:
    """What leaves out windows of a session that are not needed; `rules` by cell."""
    periods = next((r.resolve_periods for r in rules.values() if isinstance(r, ByWidth)), None)
    return Stopping(rules, lambda: energies(spec, recording, periods))


def cooling_of(spec: Specification, recording: Recording, say: Callable[[str], None]) -> Cooling:
    """The cool-down of the segment that has begun, by the domains that its total sums."""
    segment = recording.segments[-1]
    session = RawSession({"segments": [segment]}, [], {}, [])
    domains = {domain["domain"] for domain in session.headline(recording.segment)}
    period_s = spec.metering.period_s
    temperatures = temperatures_of(recording.trace, recording.segment, period_s, domains)
    return Cooling(spec.protocol.cooldown, temperatures, say)


def energies(
    spec: Specification, recording: Recording, resolve_periods: float
) -> dict[str, list[float | None]]:
    """By cell, the energy per unit of each window so far, in joules; see `energy.repeated`.

    Waits until the sampler has written what covers the last window.
    """
    last_ns = recording.last_end_ns
    if last_ns is not None:
        wait_for(
            recording.trace,
            recording.segment,
            spec.metering.period_s,
            lambda samples: bool(samples) and samples[-1].t_ns >= last_ns + COVERED_S * 1e9,
        )
    found: dict[str, list[float | None]] = defaultdict(list)
    session = read_unfinished(recording.partial, recording.segments)
    for each in repeated(session, resolve_periods):
        found[each.cell].append(each.unit_j)
    return found
