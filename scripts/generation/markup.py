"""What stands around code in an answer: fences, quotes, lists, and marks of the answer's end."""

from __future__ import annotations

import re

from generation.spans import Code, Span
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
# Marks with which models end an answer. Those that could be a comparison or a subscript must end
# the line.
ENDS = (
    r"<[|\uff5c]|</s>|\[/INST\]"
    r"|(?:<(?:eos|EOS|eot|EOT|pad|end|END|end_of_turn)>|\[(?P<name>DONE|END|EOS|EOT)\])"
    r"(?=[ \t]*(?:[\r\n]|\Z))"
)
# What an unfinished text may end in while such a mark, or a fence, is being written.
BEGUN = r"(?:</?s?|\[(?:D|DO|DON|DONE|/\w*)?|(?<!`)`{1,2})\Z"
# What separates code from what follows on its line: tags that close, fences. No Python has them.
CLOSED = r"</\w+>|\[/\w+\]|(?<=[^\s`>])[ \t]*```"
MARK = re.compile(f"{HIDING}|(?P<mark>{ENDS}|{BEGUN})", re.DOTALL)
FENCED = re.compile(
    rf"{HIDING}|(?P<mark>(?:\r\n|\r|\n)[ \t]*(?:```|~~~)|```|{ENDS}|{CLOSED}|{BEGUN})", re.DOTALL
)
SEPARATED = re.compile(rf"{HIDING}|(?P<mark>{CLOSED})", re.DOTALL)
# What may stand before an answer: a byte order mark, marks of the turn, thoughts.
TURN = re.compile(
    r"\ufeff?(?:\s*(?:<[|\uff5c][^>\r\n]*[|\uff5c]>(?:assistant|system|user)?|<s>|\[INST\]))*"
)
THOUGHT = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
THINKING = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
PROMPTED = re.compile(r"(?:>>>|\.\.\.)(?:[ ]|(?=[\r\n]|\Z))")
OPENED = re.compile(rf"{COMMENT}|{LONG_TEXT}|(?P<quotes>\"\"\"|''')|{TEXT}", re.DOTALL)


def answer_begin(text: str) -> int:
    """Where an answer begins behind thoughts and marks of the turn; at the end while a model
    thinks."""
    begin = TURN.match(text).end()
    thoughts = [match.end() for match in THOUGHT.finditer(text)]
    if not thoughts and THINKING.match(text, begin):
        return len(text)
    return max([begin, *thoughts])


def answer_end(text: str, begin: int = 0, fences: bool = False) -> int:
    """Where a mark of the end, or a fence, stands outside of texts and comments; else the end."""
    for match in (FENCED if fences else MARK).finditer(text, begin):
        if match["mark"] is None:
            continue
        if match["name"] and re.search(rf"(?<![\[\w]){match['name']}\b", text):
            # It is a name of the program.
            continue
        return match.start("mark")
    return len(text)


def fenced_blocks(text: str, begin: int = 0) -> tuple[list[Code], Code]:
    """The fenced blocks of an answer, without what quotes and indents their fences, and what
    stands outside of them."""
    lines = _lines(text, begin, len(text))
    if "```" not in text and "~~~" not in text:
        return [], Code(tuple(lines))
    found, outside = [], []
    number = 0
    while number < len(lines):
        outer = lines[number]
        number += 1
        opening = OPENING.match(outer.text)
        if opening is None:
            outside.append(outer)
            continue
        content: list[Span] = []
        while number < len(lines):
            line = lines[number]
            if opening["quote"] and not re.match(QUOTE, line.text):
                break
            closing = _closing(line.text, opening)
            if closing and not _within_text(content, text[line.start :]):
                content[-1:] = [Span(p.text.rstrip("\r\n"), p.start) for p in content[-1:]]
                if not re.match(r"[\w{]", closing["rest"]):
                    number += 1
                    outside.append(line.skip(closing.start("rest")))
                # Else it names a language: it opens the next block, too.
                break
            content.append(_strip_quote(line, opening))
            number += 1
        found.append(dedent(Code(tuple(content)), len(opening["indent"])))
    return found, Code(tuple(outside))


def _closing(line: str, opening: re.Match) -> re.Match | None:
    """A fence of the same kind that is no shorter."""
    closing = CLOSING.match(line)
    return closing if closing and closing["fence"].startswith(opening["fence"]) else None


def _within_text(content: list[Span], following: str) -> bool:
    """Whether what stands here is part of a text in triple quotes that ends later."""
    for match in OPENED.finditer("".join(span.text for span in content)):
        if match["quotes"]:
            return match["quotes"] in following
    return False


def _lines(text: str, begin: int, end: int) -> list[Span]:
    return [
        Span(match.group(), match.start())
        for match in LINE.finditer(text, begin, end)
        if match.group()
    ]


def _strip_quote(line: Span, opening: re.Match) -> Span:
    """A line without the marks of the quote that its block stands in."""
    return line.skip(re.match(rf"(?:{QUOTE}){{0,{opening['quote'].count('>')}}}", line.text).end())


def dedent(code: Code, most: int | None = None) -> Code:
    """Lines without the indentation of the first one that is not blank, at most so many blanks."""
    for span in code.spans:
        if stripped := span.text.strip():
            own = span.text.index(stripped[0])
            width = own if most is None else min(own, most)
            return Code(tuple(line.dedented(width) for line in code.spans))
    return code


def separate_marks(code: Code) -> Code:
    """What stands behind a fence or a tag on the line of code begins a line of its own."""
    text, parts, at = code.text, [], 0
    if "```" not in text and "</" not in text and "[/" not in text:
        return code
    for match in SEPARATED.finditer(text):
        if match["mark"]:
            parts += [*code.slice(at, match.start()), Span("\n", None)]
            at = match.end()
    return Code((*parts, *code.slice(at, len(text)))) if parts else code


def strip_prompts(code: Code) -> Code:
    """What was typed in a session of the interpreter; other code as it is."""
    first = next((line.text for line in code.spans if line.text.strip()), "")
    if not PROMPTED.match(first):
        return code
    typed = ((PROMPTED.match(line.text), line) for line in code.spans)
    return Code(tuple(line.skip(match.end()) for match, line in typed if match))


def restarted_code(text: str, begin: int, end: int, column: int) -> Code:
    """Lines without the indentation of the first one that is not blank, where the text goes on
    behind `column` blanks."""
    lines = _lines(text, begin, end)
    for number, line in enumerate(lines):
        if line.text.strip():
            own = len(line.text) - len(line.text.lstrip(" \t"))
            width = own if number else column + own
            return Code(tuple(each.dedented(width) for each in lines))
    return Code(())
