"""What a total is made of: the worker's own energy, each joule once, and never a substitute. Pure.

A meter declares what kind of device it measures and which other domains are within it
(`metering.meter.Domain`); nothing here asks for a meter's name, unit or source.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from analysis.energy.curves import Curve
from metering.meter import Domain, parse_domain

# Of which socket a processor's meter is, where it does not say: as the kernel numbers packages.
_SOCKET = re.compile(r"-(\d+)(?:-die-\d+)?$")
_PACKAGE = re.compile(r"package-\d+")
# A package that could not be read, in the words of why (`metering.rapl`).
_UNREAD = re.compile(r"the counter of (\S+) ")
# Two counters are held against each other at so many times; over all of them they must tell a
# difference of this part of the energy, or nothing is said.
TIMES, TELLING = 60, 0.001
# How often of their standard uncertainty they may be apart.
APART = 4.0


@dataclasses.dataclass(frozen=True)
class Total:
    """What stands for the energy of the work.

    Attributes:
        parts: The domains to add up; none where there is no total.
        mirrored: Those left out, since one of the parts shows the same counter.
        why: Where there is no total, what was not measured; empty where there is one.
    """

    parts: tuple[str, ...]
    mirrored: tuple[str, ...] = ()
    why: str = ""


def total_of(
    segment: Mapping[str, Any],
    curves: Mapping[str, Curve],
    mirrors: Mapping[str, str] | None = None,
) -> Total:
    """What to add up for the work of a segment.

    The worker, `cuda:N` or all processors, must be measured: what another board or the processor
    beside it took says nothing of it. For work on a GPU the processors and the memory that were
    measured are added. A domain that contains the worker stands in for it alone where the worker
    itself was not read. Only where nothing is measured, an estimate of the worker is the total.

    Args:
        segment: As in session.json: `device`, `meters`, `host`.
        curves: By domain, what could be read; empty where nothing is known yet.
        mirrors: By domain, an earlier one whose counter it shows; see `mirrors_of`.
    """
    mirrors = mirrors or {}
    domains = [parse_domain(record) for record in segment["meters"]["found"]]
    device = segment["device"]
    boards, named = _workers(device)
    measured = [d for d in domains if not d.estimate]
    own = [d for d in measured if _is_worker(d, device)]
    lacking = _why_unmetered(segment, own, boards)
    silent = bool(curves) and not any(d.domain in curves for d in own)
    if (lacking or silent) and (whole := _enclosing(measured, own, segment, curves)):
        return Total((whole.domain,))
    if not lacking:
        beside = [d for d in measured if _is_beside(d, boards)]
        parts = _addable([*own, *beside], domains, mirrors)
        left = [d.domain for d in [*own, *beside] if _is_mirrored(d, parts, mirrors)]
        return Total(tuple(d.domain for d in domains if d in parts), tuple(left))
    estimated = [d for d in domains if d.estimate and _is_worker(d, device)]
    if estimated and not own:
        return Total(tuple(d.domain for d in _addable(estimated, domains, mirrors)))
    return Total((), why=f"{named}: {lacking}")


def _workers(device: str) -> tuple[bool, str]:
    """Whether boards do the work, and the worker in words."""
    return (True, board_of(device)) if device != "cpu" else (False, "processors")


def board_of(device: str) -> str:
    """The domain of a board by the name under which the frameworks know it."""
    _, _, number = device.partition(":")
    return f"gpu:{number or 0}"


def _is_worker(domain: Domain, device: str) -> bool:
    if device == "cpu":
        return domain.kind == "processor"
    return domain.kind == "gpu" and domain.domain == board_of(device)


def _is_beside(domain: Domain, boards: bool) -> bool:
    """What the work needs besides the worker."""
    return domain.kind in (("processor", "memory") if boards else ("memory",))


def _why_unmetered(segment: Mapping[str, Any], own: Sequence[Domain], boards: bool) -> str:
    """Why the worker is not measured; empty where it is."""
    if not own:
        return "no meter"
    if boards:
        return ""
    read = [d.domain for d in own]
    unread = [
        n for n in _unreadable(segment) if n not in read and not any(_matches(d, n) for d in own)
    ]
    if unread:
        return f"no meter of {', '.join(unread)}"
    sockets = segment.get("host", {}).get("sockets") or 1
    whole = [d for d in own if not any(_matches(other, d.domain) for other in own)]
    there = len({_socket(d, place) for place, d in enumerate(whole)})
    # One meter may be of all sockets, and then says so.
    there = max([there, *(d.details.get("sockets") or 1 for d in own)])
    return f"{there} of {sockets} packages measured" if there < sockets else ""


def _unreadable(segment: Mapping[str, Any]) -> list[str]:
    """The processors that were there and could not be read at the start."""
    names = []
    for missing in segment["meters"].get("missing", ()):
        match = _UNREAD.search(missing["why"])
        name = missing.get("domain") or (match[1] if match else "")
        if missing.get("kind") == "processor" or _PACKAGE.search(name):
            names += [name] if name else []
    return names


def _socket(domain: Domain, place: int) -> Any:
    """The socket of a processor; each a socket of its own where nobody says."""
    if (socket := domain.details.get("socket")) is not None:
        return socket
    match = _SOCKET.search(domain.domain)
    return int(match[1]) if match else f"meter {place}"


def _enclosing(
    measured: Sequence[Domain],
    own: Sequence[Domain],
    segment: Mapping[str, Any],
    curves: Mapping[str, Curve],
) -> Domain | None:
    """The smallest domain that contains all of the worker, whether or not that was found."""
    if segment["device"] == "cpu":
        workers = [d.domain for d in own] + _unreadable(segment) or ["cpu:package-0"]
    else:
        workers = [board_of(segment["device"])]
    around = [
        d
        for d in measured
        if all(_matches(d, name) for name in workers) and (not curves or d.domain in curves)
    ]
    inner = [d for d in around if not any(_matches(d, o.domain) for o in around if o is not d)]
    if len(inner) > 1:
        # As of several modules that all say so: nobody knows which one the worker is in.
        return None
    return (inner or around or [None])[0]


def _matches(domain: Domain, name: str) -> bool:
    return name != domain.domain and any(fnmatchcase(name, p) for p in domain.contains)


def overlapping(first: Domain, second: Domain, known: Iterable[Domain] = ()) -> bool:
    """Whether two domains have energy in common: one contains the other, or both a third, or they
    are two meters of one socket."""
    if _matches(first, second.domain) or _matches(second, first.domain):
        return True
    if first.kind == second.kind == "processor" and first.meter != second.meter:
        sockets = _socket(first, 0), _socket(second, 1)
        if sockets[0] == sockets[1]:
            return True
    return any(_matches(first, d.domain) and _matches(second, d.domain) for d in known)


def _addable(
    candidates: Sequence[Domain], known: Sequence[Domain], mirrors: Mapping[str, str]
) -> list[Domain]:
    """Those of the candidates that can be added up. Of two that overlap the larger stays, which
    holds all of the other; of two that show one counter the first."""
    larger_first = sorted(
        candidates,
        key=lambda d: not any(_matches(d, other.domain) for other in candidates),
    )
    chosen: list[Domain] = []
    for domain in larger_first:
        if any(overlapping(domain, other, known) for other in chosen):
            continue
        if _is_mirrored(domain, chosen, mirrors):
            continue
        chosen.append(domain)
    return chosen


def _is_mirrored(domain: Domain, chosen: Sequence[Domain], mirrors: Mapping[str, str]) -> bool:
    """Whether another of the chosen shows the counter of this domain."""
    counter = mirrors.get(domain.domain, domain.domain)
    return any(
        other.domain != domain.domain and mirrors.get(other.domain, other.domain) == counter
        for other in chosen
    )


def mirrors_of(domains: Sequence[Domain], curves: Mapping[str, Curve]) -> dict[str, str]:
    """By domain, the first one of its kind whose counter it shows too.

    Two devices may draw about the same; never the same to a part in a thousand at each of many
    times of a session. So counters are one if since the session's begin they have gone on by the
    same, within what reading them is uncertain by, wherever one looks; and if that is little enough
    to tell.
    """
    found: dict[str, str] = {}
    measured = [d for d in domains if not d.estimate and d.domain in curves]
    for place, domain in enumerate(measured):
        for other in measured[:place]:
            if other.kind != domain.kind or other.domain in found:
                continue
            if _same_counter(curves[other.domain], curves[domain.domain]):
                found[domain.domain] = other.domain
                break
    return found


def _same_counter(first: Curve, second: Curve) -> bool:
    start = max(first.times_ns[0], second.times_ns[0])
    end = min(first.times_ns[-1], second.times_ns[-1])
    slowest_s = max(first.period_s, second.period_s)
    times = min(TIMES, int((end - start) / 1e9 / (2 * slowest_s)))
    if times < 3:
        return False
    edges = np.linspace(start, end, times + 1).astype(np.int64)
    since, until = np.full(times, edges[0]), edges[1:]
    one, two = first.energy(since, until), second.energy(since, until)
    known = ~np.isnan(one.joules) & ~np.isnan(two.joules)
    if known.sum() < 3 or not one.joules[known][-1] > 0:
        return False
    unsure_j = np.hypot(one.uncertainty_j, two.uncertainty_j)[known]
    unsure_j += first.step_j + second.step_j
    apart_j = np.abs(one.joules - two.joules)[known]
    telling = unsure_j[-1] < TELLING * one.joules[known][-1]
    return bool(telling and (apart_j <= APART * unsure_j).all())
