"""Waits between blocks of work until the meter's device is as cool as when idle was recorded.

Temperatures are those of the trace, which has them about once a second: no meter is read here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from metering.tail import wait_for
from metering.trace import Sample
from session.specification import Cooldown


def excess_k(now_c: Mapping[str, float], reference_c: Mapping[str, float]) -> float:
    """Kelvin of the domain that is furthest above its reference."""
    return max(now_c[domain] - reference_c[domain] for domain in reference_c)


class Cooling:
    """The cool-down of one session.

    Args:
        cooldown: How near and how long at most; None waits for nothing.
        temperatures: Gives, for a time of the session's clock in ns, by domain the temperatures in
            degrees Celsius that were read since then.
        say: Takes a line for the user.
    """

    def __init__(
        self,
        cooldown: Cooldown | None,
        temperatures: Callable[[int], Mapping[str, float]],
        say: Callable[[str], None],
    ) -> None:
        self._cooldown = cooldown
        self._temperatures = temperatures
        self._say = say
        self._reference_c: Mapping[str, float] = {}

    def remember(self) -> None:
        """Takes what it is now for the reference: call it when idle was recorded."""
        if self._cooldown is None:
            return
        self._reference_c = self._temperatures(time.monotonic_ns())
        if not self._reference_c:
            self._say("no cool-down between blocks: no meter of this session has a temperature")

    def wait(self, before: str) -> list[dict[str, Any]]:
        """Waits before a block of work; the window that it took, none where none is asked for.

        The window says what was read last, and whether it was `reached`: near enough to the
        reference, or below it.
        """
        if not self._reference_c:
            return []
        start_ns = now_ns = time.monotonic_ns()
        limit_ns = start_ns + self._cooldown.max_s * 1e9
        while True:
            # What was read while there was work says nothing of how hot it made the device.
            now_c = self._temperatures(now_ns)
            now_ns = time.monotonic_ns()
            known = self._reference_c.keys() <= now_c.keys()
            reached = known and excess_k(now_c, self._reference_c) <= self._cooldown.within_c
            if reached or not known or now_ns >= limit_ns:
                break
        if not reached:
            seconds = (now_ns - start_ns) / 1e9
            where = (
                f"{excess_k(now_c, self._reference_c):.0f} K above" if known else "not known to be"
            )
            self._say(f"{before}: after {seconds:.0f} s of cooling {where} what it was when idle")
        return [
            {
                "kind": "cooldown",
                "before": before,
                "start_ns": start_ns,
                "end_ns": now_ns,
                "reached": reached,
                "temperatures_c": dict(now_c),
                "reference_c": dict(self._reference_c),
            }
        ]


def temperatures_of(
    trace: Path, segment: int, period_s: float, domains: Collection[str]
) -> Callable[[int], dict[str, float]]:
    """What `Cooling` takes: from the segment's trace, read every `period_s`, of these domains. A
    domain that has no temperature, or none since then, is left out."""

    def temperatures(samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.quantity == "temperature" and s.domain in domains]

    def read_since(since_ns: int) -> dict[str, float]:
        def is_complete(samples: list[Sample]) -> bool:
            found = temperatures(samples)
            fresh = {s.domain for s in found if s.t_ns >= since_ns}
            return fresh == {s.domain for s in found}

        found = temperatures(wait_for(trace, segment, period_s, is_complete))
        return {s.domain: s.value for s in found if s.t_ns >= since_ns}

    return read_since
