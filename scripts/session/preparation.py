"""What comes before the first window and behind the last: warming up until the rate is stable,
rest, idle."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from session.specification import Protocol

# A rate is stable when so many stretches of work agree, each of which lasts so long at least.
STRETCHES = 3
STRETCH_S = 0.5


def is_settled(rates: Sequence[float], within: float) -> bool:
    """Whether the last rates agree: the fastest over the slowest is within so much of their mean,
    half as much where each is above, or each below, the one before: that looks like a trend."""
    last = rates[-STRETCHES:]
    if len(last) < STRETCHES:
        return False
    steps = [after - before for before, after in itertools.pairwise(last)]
    trend = all(step > 0 for step in steps) or all(step < 0 for step in steps)
    return _spread(last) <= (within / 2 if trend else within)


def warm_up(
    stretch: Callable[[], float],
    least_s: float,
    protocol: Protocol,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Works until the rate is stable.

    Args:
        stretch: Works for `STRETCH_S` at least and returns its rate, in units per second.
        least_s: Seconds of work at least, also where the rate is stable.
        protocol: Its `stable_within`, None for just so long, and `warmup_max_s`, after which it
            ends in any case (not before `least_s`).

    Returns:
        `rates_per_s` of the stretches, and whether they became `stable`; None where nobody asked.
    """
    within, rates = protocol.stable_within, []
    start_s = clock()
    while True:
        worked_s = clock() - start_s
        stable = None if within is None else is_settled(rates, within)
        enough = stable is not False or worked_s >= protocol.warmup_max_s
        if worked_s >= least_s and enough:
            return {"rates_per_s": rates, "stable": stable}
        rates.append(stretch())


def why_unsettled(warm: Mapping[str, Any], protocol: Protocol) -> str | None:
    """One line on a rate that did not settle; None where it did, or nobody asked."""
    if warm["stable"] is not False:
        return None
    last = warm["rates_per_s"][-STRETCHES:]
    how = f"too slow for {STRETCHES} stretches"
    if len(last) == STRETCHES:
        how = f"the last {STRETCHES} stretches vary by {_spread(last):.1%}"
    return (
        f"the rate did not settle within {protocol.stable_within:.1%} by the end of the warm-up"
        f" ({how}); it is measured as it is"
    )


def _spread(rates: Sequence[float]) -> float:
    return (max(rates) - min(rates)) / (sum(rates) / len(rates))


def rest_and_idle(
    settle_s: float, idle_s: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rests for so long, that idle is not the end of work, then records idle; both windows."""
    # What stands now stays: the collector need not walk it between windows.
    gc.collect()
    gc.freeze()
    windows = [_sleep("settle", settle_s)] if settle_s > 0 else []
    say(f"recording idle for {idle_s:g} s")
    return [*windows, _sleep("idle", idle_s)]


def idle_again(settle_s: float, idle_s: float, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rest and idle behind the last window, as long as before the first: between them idle drifts,
    with the temperature of the device. None where none was asked for."""
    if idle_s <= 0:
        return []
    say(f"recording idle once more, for {idle_s:g} s")
    rest = [_sleep("settle", settle_s)] if settle_s > 0 else []
    return [*rest, _sleep("idle", idle_s)]


def _sleep(kind: str, seconds: float) -> dict[str, Any]:
    start_ns = time.monotonic_ns()
    time.sleep(seconds)
    return {"kind": kind, "start_ns": start_ns, "end_ns": time.monotonic_ns()}
