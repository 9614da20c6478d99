"""Parity as a gate: from the records of conversion to what may be measured. Pure.

A record says what was computed; whether that is near enough is decided here, against the
tolerance of the experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARITY_KEYS = ("exporter", "opset", "notes")


def judge(
    pair: str,
    record: Mapping[str, Any],
    tolerance: float,
    **facts: Any,
) -> dict[str, Any]:
    """A checked pair, with its verdict.

    Args:
        pair: `framework` (against PyTorch), `onnx` (against its source), or `device` (a session's
            own output against the reference, of PyTorch on the CPU).
        record: `batch_sizes`, `relative_error` (None where nothing could be compared), `why`.
        facts: What else the table tells: model, subject, against, where, exporter, opset, notes.
    """
    errors = record["relative_error"]
    passed = bool(errors) and all(e is not None and e <= tolerance for e in errors)
    why = record.get("why")
    if not passed and why is None:
        worst = max((e for e in errors if e is not None), default=None)
        why = (
            "the outputs differ in shape or are no numbers"
            if worst is None or None in errors
            else f"relative error {worst:.1e}, above {tolerance:g}"
        )
    blank = dict.fromkeys(PARITY_KEYS)
    return {
        "pair": pair,
        **blank,
        **facts,
        "batch_sizes": list(record["batch_sizes"]),
        "relative_error": list(errors),
        "tolerance": tolerance,
        "passed": passed,
        "why": why,
    }


def judge_conversion(conversion: Mapping[str, Any], tolerance: float) -> dict[str, Any]:
    """The framework against PyTorch, from conversion.json."""
    return judge(
        "framework",
        conversion["parity"],
        tolerance,
        model=conversion["model"],
        subject=conversion["title"],
        against="PyTorch",
        where="cpu",
        notes=conversion.get("notes"),
    )


def judge_export(
    conversion: Mapping[str, Any], verified: Mapping[str, Any], tolerance: float
) -> dict[str, Any]:
    """The ONNX file, run by ONNX Runtime, against the framework that it comes from, or if it comes
    from elsewhere, against the reference."""
    export = conversion["export"]
    return judge(
        "onnx",
        verified["parity"],
        tolerance,
        model=conversion["model"],
        subject=f"ONNX Runtime from {conversion['title']}",
        against=conversion.get("against", conversion["title"]),
        where="cpu",
        **{key: export.get(key) for key in PARITY_KEYS},
    )


def pairs(
    conversion: Mapping[str, Any], verified: Mapping[str, Any] | None, tolerance: float
) -> list[dict[str, Any]]:
    """The pairs that a session rests on, with their verdicts.

    Args:
        verified: Of an export; None for a framework's own network.
    """
    if conversion.get("absent"):
        return []
    found = [] if conversion["parity"] is None else [judge_conversion(conversion, tolerance)]
    if verified is not None:
        found.append(judge_export(conversion, verified, tolerance))
    return found


def absence(conversion: Mapping[str, Any]) -> dict[str, str] | None:
    """Why a framework has no such network; None where it can build it."""
    why = conversion.get("absent")
    return {"stage": "absent", "why": why} if why else None


def exclusion(parity: list[Mapping[str, Any]]) -> dict[str, str] | None:
    """Why a session must not be measured; None where every pair passed."""
    for pair in parity:
        if not pair["passed"]:
            stage = "parity" if any(e is not None for e in pair["relative_error"]) else "conversion"
            what = f"{pair['subject']} against {pair['against']}"
            return {"stage": stage, "why": f"{what}: {pair['why']}"}
    return None
