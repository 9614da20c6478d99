"""Text in spans, each of which knows its offset in an output: a source map of gathered code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Span:
    """A run of text and the offset in the output of its first character; None where the text is
    not the output's."""

    text: str
    start: int | None

    def skip(self, characters: int) -> Span:
        """Without so many characters at its beginning."""
        start = None if self.start is None else self.start + characters
        return Span(self.text[characters:], start)

    def dedented(self, width: int) -> Span:
        """Without blanks at its beginning, at most `width` of them."""
        return self.skip(len(self.text[:width]) - len(self.text[:width].lstrip(" \t")))


@dataclasses.dataclass(frozen=True)
class Code:
    """Source that was gathered from an output."""

    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)

    def output_offset(self, offset: int) -> int:
        """How far the output must have come for `text[:offset]`; 0 where nothing is of it."""
        reached, at = 0, 0
        for span in self.spans:
            taken = min(offset - at, len(span.text))
            if taken > 0 and span.start is not None:
                reached = max(reached, span.start + taken)
            at += len(span.text)
        return reached

    def slice(self, begin: int, end: int) -> tuple[Span, ...]:
        """The spans of `text[begin:end]`."""
        found, at = [], 0
        for span in self.spans:
            low, high = max(begin - at, 0), min(end - at, len(span.text))
            if low < high:
                start = None if span.start is None else span.start + low
                found.append(Span(span.text[low:high], start))
            at += len(span.text)
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Program:
    """A proposed program and where in the output it stands.

    Attributes:
        spans: The source: what the prompt gave, and what was taken from the output.
        end: Offset in the output behind which nothing belongs to the program; None while what
            follows could still be part of it.
        begin: What `start` is where nothing was taken.
    """

    spans: tuple[Span, ...]
    end: int | None = None
    begin: int = 0

    @property
    def source(self) -> str:
        return Code(self.spans).text

    @property
    def given(self) -> int:
        """Characters at the start of `source` that the prompt gave."""
        given = 0
        for span in self.spans:
            if span.start is not None:
                break
            given += len(span.text)
        return given

    @property
    def start(self) -> int:
        """Offset in the output of the first character that was taken."""
        return min((p.start for p in self.spans if p.start is not None), default=self.begin)

    def text_offset(self, source_offset: int) -> int:
        """How far the output must have come for `source[:source_offset]` (`start` if it was
        given)."""
        return max(self.start, Code(self.spans).output_offset(source_offset))


def join(parts: Iterable[tuple[Span, ...]]) -> tuple[Span, ...]:
    """One text after the other, each from the start of a line on; neighbours in the output are
    one span."""
    spans: list[Span] = []
    for part in parts:
        if (
            part
            and spans
            and spans[-1].text[-1] not in "\r\n"
            and not _are_adjacent(spans[-1], part[0])
        ):
            spans.append(Span("\n", None))
        for span in part:
            if not span.text:
                continue
            if spans and _are_adjacent(spans[-1], span):
                spans[-1] = Span(spans[-1].text + span.text, spans[-1].start)
            else:
                spans.append(span)
    return tuple(spans)


def _are_adjacent(one: Span, other: Span) -> bool:
    if one.start is None or other.start is None:
        return False
    return one.start + len(one.text) == other.start
