"""Text in pieces, each of which knows where in an output it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Piece:
    """A run of text and the offset in the output of its first character; None where the text is
    not the output's."""

    text: str
    start: int | None

    def behind(self, characters: int) -> Piece:
        """Without so many characters at its beginning."""
        start = None if self.start is None else self.start + characters
        return Piece(self.text[characters:], start)

    def unindented(self, width: int) -> Piece:
        """Without blanks at its beginning, at most `width` of them."""
        return self.behind(len(self.text[:width]) - len(self.text[:width].lstrip(" \t")))


@dataclasses.dataclass(frozen=True)
class Code:
    """Source that was gathered from an output."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def reach(self, offset: int) -> int:
        """How far the output must have come for `text[:offset]`; 0 where nothing is of it."""
        reached, at = 0, 0
        for piece in self.pieces:
            taken = min(offset - at, len(piece.text))
            if taken > 0 and piece.start is not None:
                reached = max(reached, piece.start + taken)
            at += len(piece.text)
        return reached

    def part(self, begin: int, end: int) -> tuple[Piece, ...]:
        """The pieces of `text[begin:end]`."""
        found, at = [], 0
        for piece in self.pieces:
            low, high = max(begin - at, 0), min(end - at, len(piece.text))
            if low < high:
                start = None if piece.start is None else piece.start + low
                found.append(Piece(piece.text[low:high], start))
            at += len(piece.text)
        return tuple(found)


@dataclasses.dataclass(frozen=True)
class Program:
    """A proposed program and where in the output it stands.

    Attributes:
        pieces: The source: what the prompt gave, and what was taken from the output.
        end: Offset in the output behind which nothing belongs to the program; None while what
            follows could still be part of it.
        begin: What `start` is where nothing was taken.
    """

    pieces: tuple[Piece, ...]
    end: int | None = None
    begin: int = 0

    @property
    def source(self) -> str:
        return Code(self.pieces).text

    @property
    def given(self) -> int:
        """Characters at the start of `source` that the prompt gave."""
        given = 0
        for piece in self.pieces:
            if piece.start is not None:
                break
            given += len(piece.text)
        return given

    @property
    def start(self) -> int:
        """Offset in the output of the first character that was taken."""
        return min((p.start for p in self.pieces if p.start is not None), default=self.begin)

    def text_offset(self, source_offset: int) -> int:
        """How far the output must have come for `source[:source_offset]` (`start` if it was
        given)."""
        return max(self.start, Code(self.pieces).reach(source_offset))


def joined(parts: Iterable[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    """One text after the other, each from the start of a line on; neighbours in the output are
    one piece."""
    pieces: list[Piece] = []
    for part in parts:
        if part and pieces and pieces[-1].text[-1] not in "\r\n" and not _next(pieces[-1], part[0]):
            pieces.append(Piece("\n", None))
        for piece in part:
            if not piece.text:
                continue
            if pieces and _next(pieces[-1], piece):
                pieces[-1] = Piece(pieces[-1].text + piece.text, pieces[-1].start)
            else:
                pieces.append(piece)
    return tuple(pieces)


def _next(one: Piece, other: Piece) -> bool:
    if one.start is None or other.start is None:
        return False
    return one.start + len(one.text) == other.start
