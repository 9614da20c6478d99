#!/usr/bin/env python3
"""How often the product's intervals hold the truth, and how often its tests find what is not there.

Simulated data go through the functions that make the tables; writes the table of
docs/statistics.md."""

from __future__ import annotations

import argparse
import concurrent.futures
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

import pandas as pd
import quantities
from quantities import Case, Count

ROOT = Path(__file__).parents[3]
START, END = "<!-- coverage: made by `make statistics` -->", "<!-- end of coverage -->"
# What a share of so many seeds is known to: three standard deviations of a coverage of 95 %, since
# of sixty cells some lie beyond two by chance.
SLACK = 3 * math.sqrt(0.95 * 0.05)
FALSE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="data sets of each cell")
    parser.add_argument("--page", type=Path, help="docs/statistics.md, to write the table into")
    args = parser.parse_args()
    cases = quantities.cases()
    started_s, lines = time.monotonic(), []
    with concurrent.futures.ProcessPoolExecutor() as pool:
        jobs = pool.map(_counted, range(len(cases)), [args.seeds] * len(cases))
        for number, (case, count) in enumerate(zip(cases, jobs, strict=True), 1):
            lines.append(row(case, count))
            took_s = time.monotonic() - started_s
            print(f"[{number}/{len(cases)}, {took_s:.0f} s] {lines[-1]}", flush=True)
    text = "\n".join([*head(args.seeds), *lines, "", *intraclass(ROOT / "results")])
    if args.page:
        page = args.page.read_text()
        before, _, rest = page.partition(START)
        args.page.write_text(f"{before}{START}\n{text}\n{END}{rest.partition(END)[2]}")


def _counted(number: int, seeds: int) -> Count:
    return quantities.counted(quantities.cases()[number], seeds)


def head(seeds: int) -> Iterator[str]:
    """What stands above the rows."""
    yield f"{seeds:,} data sets a cell; a coverage is known to ± {SLACK / math.sqrt(seeds):.1%}."
    yield ""
    yield "| what | size | interval holds the truth | p < 0.05 where nothing is | within the goal |"
    yield "|---|---|---|---|---|"


def row(case: Case, count: Count) -> str:
    """One cell of the table."""
    coverage, found = count.coverage, count.false_positives
    held = "no interval is given" if math.isnan(coverage) else f"{coverage:.1%}"
    if math.isnan(coverage) and case.goal is None:
        held = ""
    false = "" if math.isnan(found) else f"{found:.1%}"
    return f"| {case.what} | {case.size} | {held} | {false} | {judged(case, count)} |"


def judged(case: Case, count: Count) -> str:
    """Whether a cell is within its goal, as far as so many seeds tell."""
    slack = SLACK / math.sqrt(count.drawn)
    if not math.isnan(count.false_positives) and count.false_positives > FALSE + slack:
        return "**no**"
    if case.goal is None or math.isnan(count.coverage):
        return "yes"
    least, most = case.goal
    if count.coverage < least - slack or count.coverage > most + slack:
        return "**no**"
    return f"at least: {case.why}" if case.why and count.coverage > 0.97 else "yes"


def intraclass(results: Path) -> Iterator[str]:
    """What windows of one round have in common, in the published campaigns."""
    yield "**Real intra-class correlations** (ICC(1) of energy: of a window's variance the part"
    yield "that is between processes), of the published campaigns:"
    yield ""
    yield "| campaign | what | cells | ICC, median | least to most |"
    yield "|---|---|---|---|---|"
    for file, what, rows, name in (
        (
            "runtimes",
            "windows of a runtime in rounds",
            {"metric": "energy per inference"},
            "intraclass",
        ),
        (
            "repeatability",
            "generations of a task in sessions",
            {"metric": "energy per generation"},
            "icc",
        ),
    ):
        for path in sorted(results.glob(f"*/tables/{file}.parquet")):
            table = pd.read_parquet(path)
            for column, value in rows.items():
                table = table[table[column] == value]
            if "domain" in table:
                table = table[table.domain == "total"]
            known = table[name].dropna()
            if len(known):
                span = f"{known.min():.2f} to {known.max():.2f}"
                cells = f"{len(known)} | {known.median():.2f} | {span}"
                yield f"| {path.parts[-3]} | {what} | {cells} |"


if __name__ == "__main__":
    main()
