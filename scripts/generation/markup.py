"""What stands around code in an answer: fences, quotes, lists, and marks of the answer's end."""

from __future__ import annotations

import re

from generation.pieces import Code, Piece
from generation.statements import COMMENT, LONG_TEXT, TEXT

# A line with its break; a lone carriage return ends one, too.
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
QUOTE = r"[ \t]{0,3}>[ ]?"
OPENING = re.compile(
    rf"(?P<quote>(?:{QUOTE})*)(?P<indent>[ \t]*(?:(?:[-*+]|\d{{1,9}}[.)])[ \t]+)*)"
    r"(?P<fence>`{3,}|~{3,})(?P<info>[^`\r\n]*)(?=[\r\n]|\Z)"
)
CLOSING = re.compile(rf"(?:{QUOTE})*[ \t]*(?P<fence>`{{3,}}|~{{3,}})[ \t]*(?P<rest>[^\r\n]*)")
# What hides marks from whoever looks for them.
HIDING = f"{COMMENT}|{LONG_TEXT}|{TEXT}"
# Marks with which models end an answer, in the form in which no Python can hold them: <|im_end|>,
# </s>, [/INST]. A few others could be a comparison or a subscript: they must end the line.
ENDS = (
    r"<[|\uff5c]|</|\[/"
    r"|(?:<(?:eos|EOS|eot|EOT|pad|end|END|end_of_turn)>|\[(?P<name>DONE|END|EOS|EOT)\])"
    r"(?=[ \t]*(?:[\r\n]|\Z))"
)
# What an unfinished text may end in while such a mark, or a fence, is being written.
BEGUN = r"(?:<|\[(?:D|DO|DON|DONE)?|`{1,2})\Z"
MARK = re.compile(f"{HIDING}|(?P<mark>{ENDS}|{BEGUN})", re.DOTALL)
FENCED = re.compile(
    rf"{HIDING}|(?P<mark>(?:\r\n|\r|\n)[ \t]*(?:```|~~~)|```|{ENDS}|{BEGUN})", re.DOTALL
)
# A fence behind code, on its line.
INLINE = re.compile(rf"{HIDING}|(?P<mark>(?<=[^\s`>])[ \t]*```)", re.DOTALL)
OPENED = re.compile(rf"{COMMENT}|{LONG_TEXT}|(?P<quotes>\"\"\"|''')|{TEXT}", re.DOTALL)


def answer_end(text: str, fences: bool = False) -> int:
    """Where a mark of the end, or a fence, stands outside of texts and comments; else the end."""
    for match in (FENCED if fences else MARK).finditer(text):
        if match["mark"] is None:
            continue
        if match["name"] and re.search(rf"(?<![\[\w]){match['name']}\b", text):
            # It is a name of the program.
            continue
        return match.start("mark")
    return len(text)


def blocks(text: str) -> tuple[list[Code], Code]:
    """The fenced blocks of an answer, without what quotes and indents their fences, and what
    stands outside of them."""
    found, outside = [], []
    lines = [(match.start(), match.group()) for match in LINE.finditer(text) if match.group()]
    number = 0
    while number < len(lines):
        at, line = lines[number]
        number += 1
        opening = OPENING.match(line)
        if opening is None:
            outside.append(Piece(line, at))
            continue
        content: list[Piece] = []
        while number < len(lines):
            at, line = lines[number]
            if opening["quote"] and not re.match(QUOTE, line):
                break
            closing = _closing(line, opening)
            if closing and not _within_text(content, text[at:]):
                content[-1:] = [Piece(p.text.rstrip("\r\n"), p.start) for p in content[-1:]]
                if not re.match(r"[\w{]", closing["rest"]):
                    number += 1
                    outside.append(Piece(closing["rest"] + "\n", at + closing.start("rest")))
                # Else it names a language: it opens the next block, too.
                break
            content.append(_bare(line, at, opening))
            number += 1
        found.append(Code(tuple(content)))
    return found, Code(tuple(outside))


def _closing(line: str, opening: re.Match) -> re.Match | None:
    """A fence of the same kind that is no shorter."""
    closing = CLOSING.match(line)
    return closing if closing and closing["fence"].startswith(opening["fence"]) else None


def _within_text(content: list[Piece], following: str) -> bool:
    """Whether what stands here is part of a text in triple quotes that ends later."""
    for match in OPENED.finditer("".join(piece.text for piece in content)):
        if match["quotes"]:
            return match["quotes"] in following
    return False


def _bare(line: str, at: int, opening: re.Match) -> Piece:
    """A line without the quote's marks and the indentation of its block's fence."""
    marks = re.match(rf"(?:{QUOTE}){{0,{opening['quote'].count('>')}}}", line).end()
    return Piece(line, at).behind(marks).unindented(len(opening["indent"]))


def unindented(code: Code) -> Code:
    """Lines without the indentation of the first one that is not blank."""
    for piece in code.pieces:
        if stripped := piece.text.strip():
            width = piece.text.index(stripped[0])
            return Code(tuple(line.unindented(width) for line in code.pieces))
    return code


def without_fences(code: Code) -> Code:
    """What stands behind a fence on the line of code begins a line of its own."""
    text, parts, at = code.text, [], 0
    for match in INLINE.finditer(text):
        if match["mark"]:
            parts += [*code.part(at, match.start()), Piece("\n", None)]
            at = match.end()
    return Code((*parts, *code.part(at, len(text)))) if parts else code


def begun_anew(text: str, column: int) -> Code:
    """Lines without the indentation of the first one that is not blank, where the text goes on
    behind `column` blanks."""
    lines = [Piece(match.group(), match.start()) for match in LINE.finditer(text) if match.group()]
    for number, line in enumerate(lines):
        if line.text.strip():
            own = len(line.text) - len(line.text.lstrip(" \t"))
            width = own if number else column + own
            return Code(tuple(each.unindented(width) for each in lines))
    return Code(())
