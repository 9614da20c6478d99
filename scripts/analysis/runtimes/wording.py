"""What tables, figures and pages say of a comparison, and of what has no figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from analysis.quality.flag_tables import Sensitivity

# By name, as their makers write them, and in the order of tables and figures.
PROVIDERS = {
    **{"cpu": "CPU", "cuda": "CUDA", "tensorrt": "TensorRT", "nvtensorrtrtx": "TensorRT for RTX"},
    **{"openvino": "OpenVINO", "dnnl": "oneDNN", "xnnpack": "XNNPACK", "acl": "ACL"},
    **{"armnn": "Arm NN", "rocm": "ROCm", "migraphx": "MIGraphX", "coreml": "Core ML"},
    **{"dml": "DirectML", "webgpu": "WebGPU", "webnn": "WebNN", "qnn": "QNN", "nnapi": "NNAPI"},
    **{"vitisai": "Vitis AI", "cann": "CANN", "vsinpu": "VSI NPU", "rknpu": "RKNPU", "js": "JS"},
}
ENERGY, ABOVE_IDLE = "energy per inference", "energy per inference above idle"
TIME = "time per inference"
# Metric to what is said to be done with what.
THINGS = {
    ENERGY: ("uses", "energy"),
    ABOVE_IDLE: ("uses", "energy above idle"),
    TIME: ("takes", "time"),
}
# What a comparison of clean windows has of its own, under `clean_`.
CLEAN = ("ratio", "ratio_low", "ratio_high", "difference", "difference_low", "difference_high")
CLEAN += ("p", "equivalence_p", "rounds", "why")
ADJUSTED = ("p_holm", "equivalence_p_holm")
ONE_ROUND, NOT_TOLD = "one round: no verdict", "not told apart"
MORE, LESS, EQUIVALENT = "more", "less", "equivalent"


def provider(name: str) -> str:
    """A provider as its makers write it."""
    return PROVIDERS.get(name, name)


def conclusion(row: Mapping[str, Any]) -> str | None:
    """What one comparison says: more, less, equivalent or not told apart; None where nothing can be
    said. A difference and an equivalence are both asked of p that are adjusted for their number."""
    if row["reason"] or pd.isna(row["p_holm"]):
        return None
    alpha = 1 - row["confidence"]
    if row["p_holm"] < alpha:
        return MORE if _direction(row) > 0 else LESS
    return EQUIVALENT if row["equivalence_p_holm"] < alpha else NOT_TOLD


def verdict(row: Mapping[str, Any]) -> str:
    """One comparison in words."""
    verb, thing = THINGS[row["metric"]]
    if row["reason"]:
        return f"{thing} not compared"
    concluded = conclusion(row)
    if concluded is None:
        return ONE_ROUND if row["rounds"] == 1 else row["why"] or "no scatter to test against"
    within = f"equivalent within {100 * row['margin']:g} %"
    if concluded == NOT_TOLD:
        return concluded
    if concluded == EQUIVALENT:
        return within
    words = f"{verb} {_amount(row)} {thing}"
    both = row["equivalence_p_holm"] < 1 - row["confidence"]
    return f"{words}, {within}" if both else words


def _direction(row: Mapping[str, Any]) -> float:
    """Above zero where the first takes more."""
    return row["difference"] if pd.isna(row["ratio"]) else row["ratio"] - 1


def is_multiple(row: Mapping[str, Any]) -> bool:
    """Whether a comparison is said as so many times."""
    return row["ratio"] >= 2


def _amount(row: Mapping[str, Any]) -> str:
    """How much more or less, from the full value at once."""
    ratio = row["ratio"]
    if is_multiple(row):
        return f"{ratio:.3g} times the"
    if pd.isna(ratio):
        size = f"{abs(row['difference']):.3g} {row['unit']}"
    else:
        percent = 100 * abs(ratio - 1)
        size = f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.2g} %"
    return f"{size} {'more' if _direction(row) > 0 else 'less'}"


def clean(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same comparison by its windows without a flag."""
    return {**row, **{name: row[f"clean_{name}"] for name in (*CLEAN, *ADJUSTED)}}


def sensitivity(row: Mapping[str, Any]) -> str:
    """Whether what is said hangs on flagged windows, in words; empty where it does not."""
    concluded, other = conclusion(row), clean(row)
    if concluded is None or (concluded == NOT_TOLD and conclusion(other) is None):
        return ""
    both = Sensitivity(concluded, conclusion(other), row["windows"], row["flagged"])
    if both.clean is not None:
        both = dataclasses.replace(both, clean=verdict(other)) if both.depends_on_flagged else both
    return both.message


def reasons(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why pairs have no figures, each reason once, with the sides that it is of."""
    whom: dict[str, dict[str, None]] = {}
    for row in rows:
        for who, why in sides(row):
            whom.setdefault(why, {})[who] = None
    return [f"{', '.join(names)}: {why}" if all(names) else why for why, names in whom.items()]


def sides(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of each side of a pair that lacks something, who it is and why; of both together, nobody."""
    first, second = (
        f"{row[side]} on {provider(row[f'{side}_provider'])}" for side in ("first", "second")
    )
    parts = [row["reason"]] if row["reason"] else []
    for start in (f"{second}: ", f"no {second}"):
        before, found, behind = row["reason"].partition(f"; {start}")
        if found:
            parts = [before, start + behind]
    split = []
    for part in parts:
        who = next((name for name in (first, second) if part.startswith(f"{name}: ")), "")
        split.append((who, part.removeprefix(f"{who}: ") if who else part))
    return split


def opposite(energy: Mapping[str, Any], above_idle: Mapping[str, Any]) -> str:
    """Where energy and energy above idle point in opposite directions, and whether each is told
    apart; empty where they do not."""
    ways = [_direction(row) for row in (energy, above_idle)]
    if not ways[0] * ways[1] < 0:
        return ""
    values = [
        f"{row['difference']:+.3g} {row['unit']}"
        if pd.isna(row["ratio"])
        else f"{row['ratio']:.3g}"
        for row in (energy, above_idle)
    ]
    told_apart = [conclusion(row) in (MORE, LESS) for row in (energy, above_idle)]
    how = {
        (True, True): "both are told apart",
        (True, False): "only the total is told apart",
        (False, True): "only that above idle is told apart",
        (False, False): "neither is told apart",
    }[tuple(told_apart)]
    return f"opposite: {values[0]} in total, {values[1]} above idle; {how}"


def exclusions(excluded: pd.DataFrame) -> list[str]:
    """What has no figures and why, one line a reason: whom it concerns, rounds together, and the
    models and the providers of which the same runtimes are out."""
    reasons: dict[tuple, dict[tuple, dict[str, None]]] = {}
    for row in excluded.itertuples():
        whom = reasons.setdefault((row.stage, row.why), {})
        whom.setdefault((row.model, row.provider), {})[row.runtime] = None
    return [f"{_whom(whom)} ({stage}): {why}" for (stage, why), whom in reasons.items()]


def _whom(whom: Mapping[tuple, Mapping[str, None]]) -> str:
    """Runtimes by (model, provider), in words: models and providers with the same ones together."""
    models: dict[tuple, list[str]] = {}
    for (model, where), runtimes in whom.items():
        models.setdefault((where, tuple(runtimes)), []).append(model)
    places: dict[tuple, list[str]] = {}
    for (where, runtimes), names in models.items():
        places.setdefault((runtimes, tuple(names)), []).append(provider(where))
    return "; ".join(
        f"{', '.join(names)}: {', '.join(runtimes)} on {', '.join(where)}"
        for (runtimes, names), where in places.items()
    )
