"""What the page of the study of runtimes shows, as rows of its tables. Pure functions on tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.energy.raw import TOTAL
from analysis.runtimes import wording
from analysis.runtimes.columns import CELL

SIDES = ["model", "batch", "first", "first_provider", "second", "second_provider"]
# How the metrics of a pair are called in a row.
NAMES = {wording.ENERGY: "energy", wording.ABOVE_IDLE: "above_idle", wording.TIME: "time"}
# What can be said, as it is counted.
COUNTED = {
    "told": "told apart",
    wording.EQUIVALENT: "equivalent",
    wording.NOT_TOLD: "not told apart",
    "none": "without a verdict",
    "not compared": "not compared",
}


def blank(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Records in which a missing word is none and a missing number stays missing."""
    names = table.select_dtypes("str").columns
    return table.assign(**{name: table[name].fillna("") for name in names}).to_dict("records")


def verdicts(comparisons: pd.DataFrame, question: str) -> list[dict[str, Any]]:
    """Of each metric: its family, how many comparisons say what, and those that say something."""
    found = []
    for metric in NAMES:
        rows = blank(
            comparisons[(comparisons.question == question) & (comparisons.metric == metric)]
        )
        if not rows:
            continue
        kinds = [_kind(row) for row in rows]
        counts = [f"{kinds.count(kind)} {text}" for kind, text in COUNTED.items() if kind in kinds]
        lines = [
            {"said": _sentence(row), **{name: row[name] for name in ("flags_words", "order_words")}}
            for row, kind in zip(rows, kinds, strict=True)
            if kind in ("told", wording.EQUIVALENT)
        ]
        common = {
            name: lines[0][name]
            for name in ("flags_words", "order_words")
            if len(lines) > 1 and len({line[name] for line in lines}) == 1
        }
        lines = [line | dict.fromkeys(common, "") for line in lines]
        family = next((row["family"] for row in rows if row["family"]), f"{question}, {metric}")
        shared = [text for text in common.values() if text]
        row = {"family": family, "counts": ", ".join(counts), "lines": lines}
        found.append(row | {"common": "; ".join(shared)})
    return found


def _kind(row: dict[str, Any]) -> str:
    if row["reason"]:
        return "not compared"
    concluded = wording.conclusion(row)
    return "told" if concluded in (wording.MORE, wording.LESS) else concluded or "none"


def _sentence(row: dict[str, Any]) -> str:
    first, second = (
        f"{row[side]} on {wording.provider(row[f'{side}_provider'])}"
        for side in ("first", "second")
    )
    where = f"{row['model']}, batch {row['batch']}"
    if wording.conclusion(row) == wording.EQUIVALENT:
        return f"{where}: {first} and {second}: {row['verdict']}"
    joint = "of" if wording.is_multiple(row) else "than"
    return f"{where}: {first} {row['verdict']} {joint} {second}"


def pairs(comparisons: pd.DataFrame, question: str) -> list[dict[str, Any]]:
    """One row a pair and batch that can be compared: energy, energy above idle and time beside each
    other, what can be said of each, in words, and why one of them has nothing."""
    rows = []
    table = comparisons[comparisons.question == question]
    for key, group in table.groupby(SIDES, sort=False):
        if (group.reason != "").all():
            continue
        of = {NAMES[row["metric"]]: row for row in blank(group)}
        remarks = [row["flags_words"] and _of(name, row["flags_words"]) for name, row in of.items()]
        why = dict.fromkeys(row["reason"] for row in of.values() if row["reason"])
        drift = [row["order_words"] and _of(name, row["order_words"]) for name, row in of.items()]
        rows.append(
            {
                **dict(zip(SIDES, key, strict=True)),
                **of,
                "said": {name: row["verdict"] for name, row in of.items()},
                "opposite": next(filter(None, (row["opposite"] for row in of.values())), ""),
                "flags": [text for text in remarks if text],
                "drift": [text for text in drift if text],
                "reasons": list(why),
            }
        )
    return rows


def in_common(rows: list[dict[str, Any]]) -> list[str]:
    """The remarks that all rows of several have, which are then said once and not in each."""
    if len(rows) < 2:
        return []
    found = []
    for name in ("reasons", "flags", "drift"):
        common = [text for text in rows[0][name] if all(text in row[name] for row in rows)]
        for row in rows:
            row[name] = [text for text in row[name] if text not in common]
        found += common
    return found


def not_compared(comparisons: pd.DataFrame, question: str) -> list[dict[str, Any]]:
    """The pairs of which nothing can be compared: one row a reason, with how many they are and of
    which models and batches."""
    table = comparisons[comparisons.question == question]
    found: dict[str, list[tuple]] = {}
    for key, group in table.groupby(SIDES, sort=False):
        if (group.reason != "").all():
            # Its metrics may lack figures for reasons of their own: that of its time is of all.
            time = group[group.metric == wording.TIME]
            (row,) = (time if len(time) else group).tail(1).to_dict("records")
            for who, why in wording.sides(row):
                found.setdefault(why, []).append((who, *key))
    return [
        {
            "why": why,
            "who": ", ".join(dict.fromkeys(who for who, *_ in those if who)),
            "pairs": len({tuple(key) for _, *key in those}),
            "models": ", ".join(dict.fromkeys(key[0] for _, *key in those)),
            "batches": ", ".join(map(str, sorted({int(key[1]) for _, *key in those}))),
        }
        for why, those in found.items()
    ]


def _of(name: str, text: str) -> str:
    return f"{name.replace('_', ' ')}: {text}"


def cells(runtimes: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a cell: who, and each metric of the total."""
    rows = []
    shown = runtimes[runtimes.domain.isin([TOTAL, ""])]
    keys = [key for key in CELL if key not in ("system", "origin")]
    for key, group in shown.groupby(keys, sort=False):
        values = {row["metric"]: row for row in group.to_dict("records")}
        time, energy = values[wording.TIME], values[wording.ENERGY]
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                **{name: time[name] for name in ("windows", "rounds")},
                "flagged": max(time["flagged"], energy["flagged"]),
                "values": values,
                "with_energy": energy["windows"],
                "estimate": energy["estimate"],
            }
        )
    return rows


def spreads(runtimes: pd.DataFrame) -> list[dict[str, Any]]:
    """Of energy and of time: by how much rounds and windows of a round differ, and which part of a
    window's variance is between rounds; medians over cells, and how many cells tell."""
    found = []
    for metric in (wording.ENERGY, wording.TIME):
        table = runtimes[(runtimes.metric == metric) & runtimes.domain.isin([TOTAL, ""])]
        known = table.dropna(subset=["intraclass"])
        names = ("between_cv", "within_cv", "intraclass")
        middles = {name: float(known[name].median()) for name in names} if len(known) else {}
        if middles:
            found.append({"metric": metric, "cells": len(known), **middles})
    return found


def busy(total: pd.DataFrame) -> dict[str, str]:
    """By session during which the machine was not its own: in how many windows, and the worst."""
    found = {}
    for session, group in total[total.flagged].groupby("session", sort=False):
        worst = group.sort_values("others_share").flag.iloc[-1]
        windows = int((total.session == session).sum())
        found[session] = f"{len(group)} of {windows} windows; the worst: {worst}"
    return found
