"""Four estimators of a phase beside each other, and how far they agree. Pure functions on tables.

`repetition`: the same prefill, or the same decoding steps, over and over in one long window.
`attribution`: the phases of whole generations, split on the curve where the first token was known.
`difference`: a whole generation less the other phase by repetition; after the definition of
E_tok,dec = (E_total - E_prefill) / (N_out - 1) of Solovyeva and Castor (arXiv 2602.05712).
`pooling`: what both phases draw, from all generations of a prompt together (`energy.pooling`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.quality.flag_tables import with_and_without
from analysis.statistics import ranks, rounds
from analysis.statistics.estimate import Estimate, Spread, of_rounds
from analysis.tabular import table

ESTIMATORS = {
    "model": "str",
    "workload": "str",
    "benchmark": "str",
    "batch": "int",
    "task": "str",
    "prompt_tokens": "int",
    "output_tokens": "int",
    "phase": "str",
    "estimator": "str",
    "value": "float",
    "low": "float",
    "high": "float",
    "sampled": "str",
    "why": "str",
    "reading_u": "float",
    "within_u": "float",
    "rounds": "int",
    "windows": "int",
    "resolved": "bool",
    "headline": "bool",
    "meter": "str",
    "estimate": "bool",
    "confidence": "float",
}
AGREEMENT = {
    "model": "str",
    "workload": "str",
    "task": "str",
    "output_tokens": "int",
    "phase": "str",
    "spread": "float",
    "rounds": "int",
    **dict.fromkeys(("ratio", "ratio_low", "ratio_high"), "float"),
    **dict.fromkeys(("differ_p", "differ_p_holm", "equal_p", "equal_p_holm", "margin"), "float"),
    **dict.fromkeys(("family", "verdict"), "str"),
    "flagged": "int",
    "hangs": "str",
    **dict.fromkeys(("closure", "closure_low", "closure_high"), "float"),
}
PROMPT = ["model", "workload", "benchmark", "batch", "task", "prompt_tokens"]
PREFILL, TOKEN = PHASES = ("prefill", "decoded token")
ATTRIBUTION, REPETITION, DIFFERENCE, POOLING = NAMES = (
    *("attribution", "repetition", "difference"),
    "pooling",
)
FAMILY = "do repetition and attribution agree"
AGREE, APART, DIFFER = "equivalent", "not told apart", "differ"
UNTESTED, UNRESOLVED = "one round: not tested", "one is not resolved"


@dataclasses.dataclass(frozen=True)
class OfRound:
    """What one estimator says of one phase in one round.

    Attributes:
        energy_j: Of a prefill or of a decoded token.
        spread: What its windows and reading leave open; None where a single window says nothing of
            others.
        reading_u_j: Standard uncertainty of reading alone.
        windows: How many it rests on.
        resolved: Whether the meter can tell it.
    """

    energy_j: float
    spread: Spread | None
    reading_u_j: float
    windows: int
    resolved: bool


@dataclasses.dataclass(frozen=True)
class Probed:
    """The windows of one prompt and one length of the output.

    Attributes:
        facts: `PROMPT`, with output_tokens, meter and estimate.
        estimates: By round, then by (phase, name).
        parts_j, whole_j: By round, a prefill and the decoding steps by repetition, and a whole
            generation; only where all are known.
        closure_u: By round, the relative standard uncertainty of reading both.
        windows: The rows of the probes.
    """

    facts: dict[str, Any]
    estimates: dict[int, dict[tuple[str, str], OfRound]]
    parts_j: dict[int, float]
    whole_j: dict[int, float]
    closure_u: dict[int, float]
    windows: pd.DataFrame

    def of(self, phase: str, name: str) -> dict[int, OfRound]:
        """By round, what is resolved; where nothing is, what there is."""
        found = {number: each[phase, name] for number, each in self.estimates.items()}
        found = {n: one for n, one in found.items() if not math.isnan(one.energy_j)}
        resolved = {n: one for n, one in found.items() if one.resolved}
        return resolved or found

    def logs(self, phase: str) -> np.ndarray:
        """Logarithms of repetition over attribution, of each round in which both are resolved."""
        pair = [self.of(phase, name) for name in (REPETITION, ATTRIBUTION)]
        shared = [n for n in pair[0] if n in pair[1]]
        both = [[side[n] for n in shared] for side in pair]
        return np.array(
            [
                math.log(one.energy_j / other.energy_j)
                for one, other in zip(*both, strict=True)
                if one.resolved and other.resolved and one.energy_j > 0 and other.energy_j > 0
            ]
        )


def probed(probes: pd.DataFrame, confidence: float) -> Iterator[Probed]:
    """Every probed prompt with every length of its outputs.

    Args:
        probes: See `probes.probes_table`; of one session or of all.
        confidence: Below which a difference is not told from nothing.
    """
    for key, group in probes.groupby(PROMPT, sort=False):
        prefills = group[group.what == "prefill"]
        others = group[group.what != "prefill"]
        lengths = list(others.groupby("output_tokens", sort=False)) or [(1, others)]
        for output_tokens, part in lengths:
            facts = dict(zip(PROMPT, key, strict=True)) | {"output_tokens": output_tokens}
            facts |= {name: group[name].iloc[0] for name in ("meter", "estimate")}
            yield _probed(facts, pd.concat([prefills, part]), confidence)


def _probed(facts: dict[str, Any], windows: pd.DataFrame, confidence: float) -> Probed:
    estimates, parts_j, whole_j, closure_u = {}, {}, {}, {}
    steps = max(1, facts["output_tokens"] - 1)
    for number, part in windows.groupby("round"):
        prefill, token, whole = (
            _repeated(part[part.what == what]) for what in ("prefill", "decode", "generation")
        )
        wholes = part[part.what == "generation"]
        estimates[number] = {
            (PREFILL, ATTRIBUTION): _attributed(wholes, "prefill"),
            (PREFILL, REPETITION): prefill,
            (PREFILL, DIFFERENCE): _difference(whole, token, steps, 1, confidence),
            (PREFILL, POOLING): _pooled(wholes, "prefill", confidence),
            (TOKEN, ATTRIBUTION): _attributed(wholes, "token"),
            (TOKEN, REPETITION): token,
            (TOKEN, DIFFERENCE): _difference(whole, prefill, 1, steps, confidence),
            (TOKEN, POOLING): _pooled(wholes, "token", confidence),
        }
        parts = prefill.energy_j + steps * token.energy_j
        if not math.isnan(parts) and whole.energy_j > 0:
            parts_j[number], whole_j[number] = parts, whole.energy_j
            parts_u_j = math.hypot(prefill.reading_u_j, steps * token.reading_u_j)
            closure_u[number] = math.hypot(parts_u_j, whole.reading_u_j) / whole.energy_j
    return Probed(facts, estimates, parts_j, whole_j, closure_u, windows)


def _of(values: np.ndarray, u: np.ndarray, resolved: bool) -> OfRound:
    """The mean of windows of one round."""
    if not len(values):
        return OfRound(math.nan, None, math.nan, 0, False)
    made = of_rounds(values, u) if len(values) > 1 else None
    reading_u = math.sqrt(float(np.sum(np.square(u)))) / len(values)
    return OfRound(float(np.mean(values)), made, reading_u, len(values), resolved)


def _repeated(windows: pd.DataFrame) -> OfRound:
    known = windows[windows.status == "ok"]
    return _of(known.each_j.to_numpy(float), known.each_u_j.to_numpy(float), len(known) > 0)


def _attributed(windows: pd.DataFrame, phase: str) -> OfRound:
    """Where no window resolves the phase, what interpolation makes of it: not resolved."""
    status = windows[f"attributed_{phase}_status"]
    resolved = bool((status == "ok").any())
    known = windows[status == ("ok" if resolved else "unresolved")]
    values, u = (known[f"attributed_{phase}_{name}"].to_numpy(float) for name in ("j", "u_j"))
    return _of(values, u, resolved)


def _pooled(windows: pd.DataFrame, phase: str, confidence: float) -> OfRound:
    """Resolved where it is more than its own uncertainty."""
    known = windows.dropna(subset=[f"pooled_{phase}_j"])
    if known.empty:
        return OfRound(math.nan, None, math.nan, 0, False)
    values, u = (known[f"pooled_{phase}_{name}"].to_numpy(float) for name in ("j", "u_j"))
    value, reading_u = float(values.mean()), math.sqrt(float(np.sum(u**2))) / len(values)
    made = Spread.of(reading_u**2, math.inf)
    return OfRound(value, made, reading_u, len(windows), bool(value > made.half(confidence)))


def _difference(
    whole: OfRound, less: OfRound, times: int, units: int, confidence: float
) -> OfRound:
    """A whole generation less so many of the other phase, of each of its own units. Resolved where
    it is more than its own uncertainty: a small phase is lost in the noise of the whole."""
    value = (whole.energy_j - times * less.energy_j) / units
    windows = min(whole.windows, less.windows)
    reading_u = math.hypot(whole.reading_u_j, times * less.reading_u_j) / units
    if whole.spread is None or less.spread is None:
        return OfRound(value, None, reading_u, windows, False)
    made = (whole.spread + less.spread.times(times)).times(1 / units)
    resolved = whole.resolved and less.resolved and value > made.half(confidence)
    return OfRound(value, made, reading_u, windows, bool(resolved))


def _over_rounds(each: Sequence[OfRound], confidence: float, signed: bool) -> Estimate:
    values = np.array([one.energy_j for one in each])
    u = np.array([one.reading_u_j for one in each])
    return rounds.mean(
        values, np.arange(len(values)), confidence=confidence, reading_u=u, signed=signed
    )


def estimators_table(prompts: Sequence[Probed], confidence: float) -> pd.DataFrame:
    """One row a probed prompt, length of the output, phase and estimator: joules of a prefill or of
    a decoded token, of one sequence of the batch.

    The mean over rounds of each one's windows, with Student's interval over rounds; one round has
    none. `reading_u` is the standard uncertainty of reading the meter; `within_u` the mean one of a
    round, of its windows and of reading. `headline` is the one that the summary takes: attribution
    where it is resolved, else repetition.
    """
    rows = []
    for one in prompts:
        for phase in PHASES:
            resolved = any(each.resolved for each in one.of(phase, ATTRIBUTION).values())
            headline = ATTRIBUTION if resolved else REPETITION
            for name in NAMES:
                each = list(one.of(phase, name).values())
                signed = name in (DIFFERENCE, POOLING)
                found = _over_rounds(each, confidence, signed)
                spreads = [made.spread for made in each if made.spread is not None]
                within = [max(made.variance, made.least_u**2) for made in spreads]
                rows.append(
                    {
                        **one.facts,
                        "phase": phase,
                        "estimator": name,
                        "value": found.value,
                        "low": found.low,
                        "high": found.high,
                        "sampled": found.unit,
                        "why": found.why,
                        "reading_u": found.reading_u,
                        "within_u": math.sqrt(np.mean(within)) if within else math.nan,
                        "rounds": len(each),
                        "windows": sum(made.windows for made in each),
                        "resolved": any(made.resolved for made in each),
                        "headline": name == headline,
                        "confidence": confidence,
                    }
                )
    return table(rows, ESTIMATORS)


def agreement_table(
    prompts: Sequence[Probed],
    confidence: float,
    margin: float,
    common: Collection[str] = (),
) -> pd.DataFrame:
    """Whether the estimators of a probed prompt agree: one row a length of the output and phase.

    `spread`: the largest over the smallest of those that are resolved, less 1. `ratio`: repetition
    over attribution, paired by round. `verdict`: `equivalent` where two one-sided tests say that it
    is within `margin` of 1, `differ` where it is not 1, else `not told apart`; one round, or what
    the meter does not resolve, is not tested. p are adjusted over the `family` after Holm.
    `closure`: a prefill and the decoding steps by repetition over a whole generation, less 1, the
    same for both phases.
    """
    rows, tested = [], []
    for one in prompts:
        numbers = np.array(list(one.parts_j))
        closed = rounds.ratio(
            np.array(list(one.parts_j.values())),
            numbers,
            np.array(list(one.whole_j.values())),
            numbers,
            confidence=confidence,
        )
        for phase in PHASES:
            values = [
                float(np.mean([each.energy_j for each in found]))
                for name in NAMES
                if (found := [e for e in one.of(phase, name).values() if e.resolved])
            ]
            logs = one.logs(phase)
            found = rounds.of_logs(logs, confidence=confidence) if len(logs) else Estimate()
            tested.append((one, phase))
            rows.append(
                {
                    **one.facts,
                    "phase": phase,
                    "spread": max(values) / min(values) - 1 if len(values) > 1 else np.nan,
                    "rounds": len(logs),
                    "ratio": found.value,
                    "ratio_low": found.low,
                    "ratio_high": found.high,
                    "differ_p": found.p,
                    "equal_p": rounds.equivalent(logs, margin),
                    "margin": margin,
                    "closure": closed.value - 1,
                    "closure_low": closed.low - 1,
                    "closure_high": closed.high - 1,
                }
            )
    return _with_verdicts(rows, tested, confidence, margin, common)


def _with_verdicts(
    rows: list[dict[str, Any]],
    tested: Sequence[tuple[Probed, str]],
    confidence: float,
    margin: float,
    common: Collection[str],
) -> pd.DataFrame:
    for name in ("differ_p", "equal_p"):
        adjusted = ranks.holm([row[name] for row in rows])
        for row, p in zip(rows, adjusted, strict=True):
            row[f"{name}_holm"] = p
    count = sum(not math.isnan(row["equal_p"]) for row in rows)
    for row, (one, phase) in zip(rows, tested, strict=True):
        factors = [
            row[f"{name}_holm"] / row[name] if row[name] > 0 else 1.0
            for name in ("differ_p", "equal_p")
        ]

        def conclude(some: pd.DataFrame, one=one, phase=phase, factors=factors) -> str | None:
            logs = _probed(one.facts, some, confidence).logs(phase)
            return _verdict(logs, margin, confidence, factors)

        both = with_and_without(one.windows, conclude, common)
        untested = UNTESTED if row["rounds"] else UNRESOLVED
        row |= {"verdict": both.all or untested, "flagged": both.flagged, "hangs": both.message}
        row["family"] = f"{FAMILY}: {count} tests" if count else ""
    return table(rows, AGREEMENT)


def _verdict(
    logs: np.ndarray, margin: float, confidence: float, factors: Sequence[float]
) -> str | None:
    if len(logs) < 2:
        return None
    if rounds.equivalent(logs, margin) * factors[1] < 1 - confidence:
        return AGREE
    differs = rounds.of_logs(logs, confidence=confidence).p * factors[0]
    return DIFFER if differs < 1 - confidence else APART
