"""What the doctor found, as one screen of text."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from metering.counters import PACKAGE_POWER_BOUND_W

WIDTH = 100
# More rows of meters, and more that is missing, stand in the JSON only.
ROWS, MISSING = 8, 4
# Throttle reasons of NVML that are no loss: idle, and clocks that an application or a display set
# (nvml.h, nvmlClocksEventReasons).
NO_THROTTLE = 0x1 | 0x2 | 0x100


def render(found: Mapping[str, Any]) -> Iterator[str]:
    """Its lines; `found` is what is kept as JSON."""
    host = found["host"]
    memory = host["memory_bytes"] and f"{host['memory_bytes'] / 2**30:.0f} GiB"
    virtual = "virtual machine" if host["virtualisation"]["hypervisor"] else None
    facts = [host["cpu_model"] or "unknown processor", f"{host['logical_cpus']} CPUs", memory]
    yield _truncate("machine   " + ", ".join(word for word in (*facts, virtual) if word))
    for gpu, domains in _group_domains(_gpus(host["gpus"] or [])):
        yield _truncate(f"          {_format_domains(domains)}, {gpu}")
    yield ""
    yield from _table(found)
    yield ""
    yield from _windows(found)
    for lack in found["missing"][:MISSING]:
        yield _truncate(f"missing   {lack['meter']}: {lack['why']}")
        yield from _wrap(f"do: {lack['remedy']}", 10, 14)
    yield from _omitted(len(found["missing"]) - MISSING, "missing   ")
    yield from _warnings(found)


def _gpus(gpus: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for gpu in gpus:
        limit = gpu.get("power_limit_mw")
        words = [gpu.get("name"), f"driver {gpu.get('driver_version')}"]
        words += [f"limit {limit / 1000:.0f} W"] if limit else []
        yield ", ".join(filter(None, words)), gpu["domain"]


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    form = "{:<14} {:<9} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}"
    yield form.format(
        *("meter", "read", "update", "late", "step", "read", "of CPU", "at rest", "noise")
    )
    rows = []
    for record in found["meters"]:
        if record["lost"]:
            rows.append(
                _truncate(f"{record['domain']:<14} lost while it was read: {record['lost']}")
            )
        for q in record["quantities"]:
            unit = "J" if q["quantity"] == "energy" else "W"
            cells = (
                _format_number(q["update_s"], 1e3, "ms"),
                _format_number(q["late_s"], 1e3, "ms"),
                _format_number(q["step"], 1, unit),
                _format_number(q["read_wall_s"], 1e3, "ms"),
                _format_number(q["read_cpu_s"], 1e3, "ms"),
                _format_number(q["power_w"], 1, "W"),
                _format_number(q["noise_w"], 1, "W"),
            )
            rows.append(form.format(record["domain"], q["quantity"], *cells))
    yield from rows[:ROWS] or ["no meter was found"]
    yield from _omitted(len(rows) - ROWS, "")


def _windows(found: Mapping[str, Any]) -> Iterator[str]:
    """One answer for the meters of a kind that have one: that of the slowest."""
    kinds: dict[tuple[str, bool], list[Mapping[str, Any]]] = {}
    for record in found["meters"]:
        if not record["lost"]:
            kind = record["domain"].rstrip("0123456789"), record["interval_s"] is None
            kinds.setdefault(kind, []).append(record)
    for records in kinds.values():
        slowest = max(records, key=lambda r: r["interval_s"] or 0.0)
        yield from _window(
            slowest, _format_domains([r["domain"] for r in records]), found["period_s"]
        )
    sampler = found["sampler"]
    if "why" in sampler:
        yield _truncate(f"sampler   does not run: {sampler['why']}")
    else:
        yield (
            f"sampler   {sampler['core_share']:.2%} of one core at a period of"
            f" {found['period_s']:g} s; first sample after {sampler['first_sample_s']:.1f} s"
        )


def _window(record: Mapping[str, Any], name: str, period_s: float) -> Iterator[str]:
    if record["estimate"]:
        yield f"windows   {name}: an estimate follows how long the CPUs were busy;"
        yield "          it resolves time, not energy: quote no joule of it"
    elif record["interval_s"] is None:
        yield f"windows   {name}: none, the counter did not move while it was read"
    else:
        lengths = [
            f"to {float(share):.0%} from {_format_duration(seconds)}"
            for share, seconds in record["resolved_s"].items()
        ]
        shortest = _format_duration(record["shortest_s"])
        yield from _wrap(
            f"windows   {name}: resolved from {shortest}; known " + ", ".join(lengths), 0, 10
        )
    if (wraps_s := record.get("wraps_at_bound_s")) is not None:
        missed = "unseen: sample more often" if period_s >= wraps_s else "and no wrap is missed"
        wraps = f"wraps around every {wraps_s:.0f} s at {PACKAGE_POWER_BOUND_W:g} W"
        powers = [q["power_w"] for q in record["quantities"] if q["power_w"]]
        now = f" ({wraps_s * PACKAGE_POWER_BOUND_W / powers[0]:.0f} s now)" if powers else ""
        yield f"          {wraps}{now}, {missed}"


def _warnings(found: Mapping[str, Any]) -> Iterator[str]:
    """What would spoil a measurement now."""
    host, words = found["host"], []
    load = host["load_average"]
    if load and load[0] > 0.3 * (host["logical_cpus"] or 1):
        words.append(f"load average {load[0]:.1f}: other programs use the processors")
    if host["governors"] and host["governors"] != ["performance"]:
        words.append(f"CPU governor {', '.join(host['governors'])}: clocks follow the load")
    if host["cgroup_cpu_limit"] is not None:
        words.append(f"CPU limit of this container: {host['cgroup_cpu_limit']:g} CPUs")
    for fact, why in (host.get("unread") or {}).items():
        words.append(f"{fact} of this machine is not known: {why}")
    if host["boost"]:
        words.append("CPU boost is on: clocks follow load and temperature")
    for word, domains in _group_domains(_states(found["meters"])):
        words.append(f"{_format_domains(domains)}: {word}")
    if found["cuda_visible_devices"] is not None:
        words.append(f"CUDA_VISIBLE_DEVICES={found['cuda_visible_devices']}")
    for word in words:
        yield _truncate(f"mind      {word}")


def _states(records: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for record in records:
        state = record["state"]
        if count := state.get("foreign_processes"):
            yield f"{count} other process(es) on the GPU", record["domain"]
        if int(state.get("throttle_reasons", 0)) & ~NO_THROTTLE:
            yield "throttled now", record["domain"]


def _group_domains(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, list[str]]]:
    """Equal words of several domains as one entry: the words, and the domains that have them."""
    together: dict[str, list[str]] = {}
    for word, domain in pairs:
        together.setdefault(word, []).append(domain)
    return together.items()


def _format_domains(domains: Sequence[str]) -> str:
    """Several domains in few letters: `gpu:0 to gpu:7` where they follow each other."""
    numbers = [int("0" + d[len(d.rstrip("0123456789")) :]) for d in domains]
    if len(domains) > 2 and all(b == a + 1 for a, b in itertools.pairwise(numbers)):
        return f"{domains[0]} to {domains[-1]}"
    return ", ".join(domains)


def _omitted(count: int, start: str) -> Iterator[str]:
    if count > 0:
        yield f"{start}and {count} more, in doctor.json"


def _format_number(value: float | None, scale: float, unit: str) -> str:
    return "-" if value is None else f"{value * scale:.3g} {unit}"


def _format_duration(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2g} s"


def _truncate(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _wrap(text: str, first: int, others: int) -> list[str]:
    indents = {"initial_indent": " " * first, "subsequent_indent": " " * others}
    return textwrap.wrap(text, WIDTH, **indents, break_on_hyphens=False)
