"""Figures in Markdown: each stands between two comments, of which the first says what it is.

`<!--=decoded:h200-7b-->3.93 J<!--/-->` shows a reader 3.93 J and is the figure `decoded` with the
argument `h200-7b`. Text in fences is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from publication.figures import FigureError, NotKeptError

CITATION = re.compile(r"<!--=(?P<what>[^>]*?)-->(?P<text>.*?)<!--/-->")
# Also within a list.
FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^(#+) ")
MADE = re.compile(r"<!-- (?P<mark>.+?): made by `.*?` -->\n.*?<!-- end of (?P=mark) -->", re.DOTALL)
BY_HAND = re.compile(r"<!-- by hand: .+? -->", re.DOTALL)
# What no figure is: other comments, code, and where links lead to.
NO_TEXT = re.compile(r"<!--.*?-->|`[^`\n]*`|\]\([^)]*\)|&\w+;", re.DOTALL)
# A number of its own: not a part of a name (H100, ResNet-50, 0-shot, r2).
NUMBER = re.compile(r"(?<![\w.\-/])\d[\d,]*(?:\.\d+)*(?!\w|-\w)")


@dataclass(frozen=True)
class Difference:
    """A citation whose text is not what its table says."""

    line: int
    name: str
    text: str
    table: str

    def __str__(self) -> str:
        return f"{self.line}: {self.name}: the text says '{self.text}', the table '{self.table}'"


def update_citations(page: str, figure: Callable[..., str]) -> tuple[str, list[Difference]]:
    """The page with every figure as its table has it, and where that differs from before.

    A figure that cannot be had stays as it is and is a difference, but for those of runs that were
    not kept yet.
    """
    differences: list[Difference] = []
    lines = []
    for number, line, prose in _lines(page):

        def update(match: re.Match, number: int = number) -> str:
            name, *arguments = (part.strip() for part in match["what"].split(":"))
            try:
                text = figure(name, arguments)
            except NotKeptError:
                return match[0]
            except FigureError as error:
                differences.append(Difference(number, match["what"], match["text"], f"–: {error}"))
                return match[0]
            if text != match["text"]:
                differences.append(Difference(number, match["what"], match["text"], text))
            return f"<!--={match['what']}-->{text}<!--/-->"

        lines.append(CITATION.sub(update, line) if prose else line)
    return "\n".join(lines), differences


def names(page: str) -> set[str]:
    """The figures that a page cites."""
    return {
        match["what"].split(":")[0].strip()
        for _, line, prose in _lines(page)
        if prose
        for match in CITATION.finditer(line)
    }


def unbound(page: str, allowed: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Line, number and line's text of every number that is neither cited, nor in a part that a
    program writes, nor allowed by a pattern, nor marked as written by hand.

    `<!-- by hand: why -->` at the head of a paragraph or table is for that one; alone, with an
    empty line behind it, for all up to the next heading.
    """
    # Blanks of the same shape keep the lines' numbers.
    page = MADE.sub(_blank, page)
    patterns = re.compile(
        "|".join(f"(?:{pattern})" for pattern in allowed) or r"(?!)", re.MULTILINE
    )
    section = False
    for first, block in _blocks(page):
        if HEADING.match(block):
            section = False
        if mark := BY_HAND.match(block):
            section = section or not block[mark.end() :].strip()
            continue
        if section:
            continue
        text = NO_TEXT.sub(_blank, CITATION.sub(_blank, block))
        text = patterns.sub(_blank, text)
        for match in NUMBER.finditer(text):
            at = text.count("\n", 0, match.start())
            yield first + at, match[0], block.splitlines()[at].strip()


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _lines(page: str) -> Iterator[tuple[int, str, bool]]:
    """Number and text of each line, and whether it is prose."""
    fence = None
    for number, line in enumerate(page.split("\n"), start=1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
            yield number, line, False
        else:
            yield number, line, fence is None


def _blocks(page: str) -> Iterator[tuple[int, str]]:
    """The paragraphs, tables and headings of a page, each with the number of its first line."""
    block: list[str] = []
    first = 1
    for number, line, prose in _lines(page):
        if not prose or not line.strip() or HEADING.match(line):
            if block:
                yield first, "\n".join(block)
            block = []
            if prose and line.strip():
                yield number, line
            continue
        if not block:
            first = number
        block.append(line)
    if block:
        yield first, "\n".join(block)
