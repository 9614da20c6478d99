#!/usr/bin/env python3
"""Writes the figures of README and docs from the published tables, and the flags from their
vocabulary; --check only compares.

What a figure is says docs/figures.yaml.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from analysis.meters.published import blocks
from analysis.quality.flags import vocabulary
from publication.citations import Difference, update_citations
from publication.figures import Figures
from publication.markers import replace_marked
from publication.sources import Sources

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
    "results/README.md",
)
COMMAND = "make cite"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where text and table differ")
    args = parser.parse_args()
    stated = load_definitions()
    sources = Sources(ROOT, stated["kept"])
    figures = Figures(stated, sources)
    failed = args.check and bool(sources.missing())
    for line in sources.missing().values():
        print(line)
    for name in PAGES:
        page = ROOT / name
        before = page.read_text(encoding="utf-8")
        after, differences = update_page(before, figures, sources)
        wrong = [d for d in differences if args.check or d.table.startswith("–: ")]
        for difference in wrong:
            print(f"{name}:{difference}")
        failed = failed or bool(wrong)
        if not args.check and after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{name}: {len(differences)} figures or blocks were not their tables'")
    if failed:
        sys.exit(f"error: texts and tables differ; `{COMMAND}` writes what the tables say")


def load_definitions() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs" / "figures.yaml").read_text(encoding="utf-8"))


def update_page(page: str, figures: Figures, sources: Sources) -> tuple[str, list[Difference]]:
    """A page with its figures and blocks as the tables have them, and what differed."""
    after, differences = update_citations(page, figures.text)
    for mark, lines in _blocks(sources).items():
        begin = f"<!-- {mark}: made by `{COMMAND}` -->"
        if begin not in after:
            continue
        renewed = replace_marked(after, mark, "\n".join(lines()), COMMAND)
        if renewed != after:
            differences.append(_first_difference(after, renewed, mark))
        after = renewed
    return after, differences


def _blocks(sources: Sources) -> dict[str, Callable[[], Iterable[str]]]:
    """By mark, what makes the lines of a block."""
    tables = {
        mark: lambda one=one: one[2](sources.table(*one[:2])) for mark, one in blocks().items()
    }
    return {**tables, "vocabulary": vocabulary}


def _first_difference(before: str, after: str, mark: str) -> Difference:
    """The first line of a block that differs."""
    pairs = zip(before.split("\n"), after.split("\n"), strict=False)
    number, (old, new) = next((n, p) for n, p in enumerate(pairs, start=1) if p[0] != p[1])
    return Difference(number, mark, old, new)


if __name__ == "__main__":
    main()
