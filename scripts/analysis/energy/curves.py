"""From the readings of a meter to the cumulative energy of its domain. Pure arithmetic.

A domain's readings make a cumulative curve E(t); a window's energy is E(end) - E(start). So phases
add up to their whole by construction, and any estimator can be changed without measuring again.
What readings can be true tells `energy.cleaning`; what lies between them and how uncertain it is,
`energy.cumulative`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.energy.cleaning import Cleaned, clean_counter, clean_powers, credible_domain
from analysis.energy.cumulative import Curve, Energy, merge_spans
from analysis.energy.edges import Edges, locate_moves
from analysis.energy.fusion import fuse
from analysis.energy.integration import integrate, news_indices, typical_gap_s
from metering.meter import Domain, parse_domain

__all__ = ["Curve", "Energy", "curve"]

TO_WATTS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6}
# What NVML shows is so old, measured on an H100 against loads whose times are known; see
# docs/metering.md. On other boards that is what is supposed, in periods of the counter, and as
# uncertain as large.
NVML_DELAY_S, NVML_DELAY_U_S, OF_PERIOD_S = 0.008, 0.003, 0.1
HOPPER = re.compile(r"\bG?H(100|200|800|20)\b")
# A measured counter that stands still for so long counts no more, for no device draws no power;
# but where so little power takes longer for one step of it, or it is so many times slower.
FROZEN_S, LEAST_W, SLOW = 5.0, 0.05, 3.0
# Unread for so many usual gaps, and so long, nobody knows when a counter's energy was spent.
BLIND, BLIND_S = 5.0, 1.5
# A counter that moves by so few of its steps is as slow as its steps are great.
FEW_STEPS = 3.0


def curve(
    times_ns: Sequence[int],
    values: Sequence[float],
    domain: Mapping[str, Any],
    power: tuple[Sequence[int], Sequence[float]] | None = None,
) -> Curve | None:
    """The curve of a domain from its readings; None where they are too few to span any time.

    Args:
        times_ns: When each reading was taken.
        values: Raw counter values, or powers where the domain has no counter.
        domain: As the session recorded it; see `metering.meter.parse_domain`.
        power: (times, raw values) of the power of a domain with a counter, where they tell what
            it was at that time and not its mean over a second: how the energy was spread between
            two moves of the counter.
    """
    if len(times_ns) < 3:
        return None
    meter = parse_domain(domain)
    read = clean_powers if meter.quantity == "power" else clean_counter
    cleaned = read(times_ns, values, meter)
    if len(cleaned.times_ns) < 3:
        return _unknown(np.asarray(times_ns, np.int64), cleaned.notes)
    if meter.quantity == "power":
        return integrate(cleaned, None if meter.estimate else FROZEN_S)
    made = _of_counter(cleaned, credible_domain(meter)[0])
    if made is not None and power is not None:
        scale = getattr(meter, "power_scale", None) or TO_WATTS["mW"]
        beside = dataclasses.replace(meter, scale=scale, resolution=None, period_s=None)
        made = fuse(made, clean_powers(*power, beside), _known_board(meter))
    return made and _extended(made, int(cleaned.times_ns[-1]))


def _unknown(times_ns: np.ndarray, notes: tuple[str, ...]) -> Curve:
    """Where no reading can be true."""
    ends = np.asarray([times_ns.min(), max(times_ns.max(), times_ns.min() + 1)])
    span_s = float(np.ptp(ends)) / 1e9
    lost = ((int(ends[0]), int(ends[1])),)
    return Curve(ends, np.zeros(2), span_s, 0.0, 0.0, lost, notes=notes)


def _of_counter(cleaned: Cleaned, domain: Domain) -> Curve | None:
    times, joules = cleaned.times_ns, cleaned.values
    gap_s = float(np.median(np.diff(times))) / 1e9
    changes = np.flatnonzero(np.diff(joules) > 0) + 1
    typical_s = float(np.median(np.diff(times[changes]))) / 1e9 if len(changes) > 2 else None
    if domain.period_s is None and (edges := locate_moves(times, joules)) is not None:
        made = _on_grid(cleaned, edges, _known_board(domain))
        return _with_notes(made, cleaned, edges.at, domain)
    update_s = cleaned.update_s or gap_s
    moves_j = np.diff(joules)[changes - 1]
    coarse = (
        not domain.estimate
        and typical_s is not None
        and typical_s > 1.5 * max(gap_s, update_s)
        and float(np.median(moves_j)) <= FEW_STEPS * cleaned.step
    )
    if update_s <= 1.5 * gap_s and not coarse:
        # Every reading is news, at most one update old: half of one on average.
        shifted = times - round(update_s * 1e9 / 2)
        made = Curve(shifted, joules, gap_s, update_s / 12**0.5, cleaned.step)
        return _with_notes(made, cleaned, np.arange(len(times)), domain)
    if len(changes) < 3:
        return _unknown(times, cleaned.notes) if len(changes) and not domain.estimate else None
    # Readings between two updates repeat an old value: the changes say when it was true, which was
    # between the reading before and the one that shows it, and not more than an update ago. A
    # value that repeats for longer says that nothing was counted until then; but for a counter
    # whose steps are so great that it counts as slowly as that.
    known = changes
    if not coarse:
        news = news_indices(times, changes, update_s)
        great = np.diff(joules, append=joules[-1]) > FEW_STEPS * cleaned.step
        behind = changes[np.clip(np.searchsorted(changes, news, "right"), 0, len(changes) - 1)]
        holds = ~np.isin(news, changes) & (news > changes[0]) & (news < changes[-1])
        known = np.union1d(changes, news[holds & great[behind - 1]])
    late_s = np.diff(times)[known - 1] / 1e9
    late_s = np.minimum(late_s, update_s) if not coarse else late_s
    shifted = times[known] - np.round(late_s * 1e9 / 2).astype(np.int64)
    shifted = np.maximum.accumulate(shifted - np.arange(len(known))) + np.arange(len(known))
    period_s = max(gap_s, typical_s or 0.0)
    made = Curve(shifted, joules[known], period_s, late_s / 12**0.5, cleaned.step)
    return _with_notes(made, cleaned, known, domain)


def _with_notes(made: Curve, cleaned: Cleaned, at: np.ndarray, domain: Domain) -> Curve:
    """With what is lost, and where nobody looked.

    Args:
        at: Of the curve's points, the reading that shows each.
    """
    times = cleaned.times_ns
    ends = np.concatenate([times[:1], made.times_ns, times[-1:]])

    def spans(marked: np.ndarray) -> list[tuple[int, int]]:
        """Between the points around steps from a reading to the next."""
        step = np.flatnonzero(marked)
        before = np.searchsorted(at, step, "right")
        behind = np.searchsorted(at, step + 1, "left") + 1
        first, last = ends[before], ends[np.minimum(behind, len(ends) - 1)]
        return [(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True) if a < b]

    lost = spans(cleaned.broken)
    if not domain.estimate:
        # An estimate rightly stands still while nothing is busy.
        moved = np.concatenate([[0], np.flatnonzero(np.diff(cleaned.values) > 0) + 1])
        until = np.append(moved[1:] - 1, len(times) - 1)
        limit_s = max(FROZEN_S, cleaned.step / LEAST_W, SLOW * made.period_s)
        still = np.flatnonzero(times[until] - times[moved] > limit_s * 1e9)
        nexts = np.minimum(until + 1, len(times) - 1)
        lost += [(int(times[moved[i]]), int(times[nexts[i]])) for i in still]
    gaps_s = np.diff(times) / 1e9
    blind = gaps_s > max(BLIND_S, BLIND * max(typical_gap_s(times), made.period_s))
    return dataclasses.replace(
        made,
        lost_ns=merge_spans(lost),
        blind_ns=merge_spans(spans(blind)),
        notes=cleaned.notes,
    )


def _extended(made: Curve, last_ns: int) -> Curve:
    """Behind the last change the power goes on for as long as no news is none: one update."""
    times, joules = made.times_ns, made.joules
    update_s = made.grid_s or made.period_s
    end = min(last_ns, int(times[-1] + update_s * 1e9))
    by_power = made.anchors_ns is not None and made.anchors_ns[-1] < times[-1]
    if made.walked_j2 is not None or by_power or end <= times[-1]:
        return made
    rate = (joules[-1] - joules[-2]) / (times[-1] - times[-2])
    more = joules[-1] + rate * (end - times[-1])
    timing_s = made.timing_s
    if np.ndim(timing_s) and made.anchors_ns is None:
        timing_s = np.append(timing_s, timing_s[-1])
    return dataclasses.replace(
        made, times_ns=np.append(times, end), joules=np.append(joules, more), timing_s=timing_s
    )


def _on_grid(cleaned: Cleaned, edges: Edges, known_board: bool) -> Curve:
    """From moves whose times are known; between those that were not read the power is even."""
    delay_s = NVML_DELAY_S if known_board else NVML_DELAY_S * edges.period_s / OF_PERIOD_S
    known_t = edges.times_ns - round(delay_s * 1e9)
    period_s = max(edges.period_s, float(np.median(np.diff(known_t))) / 1e9)
    return Curve(
        *(known_t, cleaned.values[edges.at], period_s, 0.0, cleaned.step),
        delay_u_s=NVML_DELAY_U_S if known_board else delay_s,
        drift_u_s=edges.timing_s,
        drift_s=edges.together_s,
        grid_s=edges.period_s,
    )


def _known_board(domain: Domain) -> bool:
    """Whether a board is of the generation on which delay and blur were measured."""
    return bool(HOPPER.search(str(domain.details.get("name") or "")))
