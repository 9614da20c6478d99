"""The statements of a text that may hold more than code, or not all of it. Nothing is run."""

from __future__ import annotations

import ast
import bisect
import dataclasses
import functools
import re
import warnings

# What the parser and the compiler raise on text that a model may write.
UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError)
# What ends a line for Python's parser: also a lone carriage return, but neither a form feed nor
# the separators that str.splitlines knows.
LINE_BREAK = re.compile(r"\r\n|\r|\n")
# A statement that begins in the first column, behind its indentation; a form feed starts the count
# of columns anew. Brackets that close there belong to a statement above.
FIRST_COLUMN = re.compile(r"(?<=[\r\n])(?:[ \t\f]*\f)?[^ \t\f\r\n#)\]}]")
BLANKS = re.compile(r"(?:[ \t\f]*[\r\n])*")
# Comments, texts in triple quotes and other texts, of whichever prefix.
COMMENT = r"#[^\r\n]*"
LONG_TEXT = r'"""(?:\\.|[^\\])*?"""' r"|'''(?:\\.|[^\\])*?'''"
TEXT = r'"(?:\\.|[^"\\\r\n])*"' r"|'(?:\\.|[^'\\\r\n])*'"
LEXIS = re.compile(f"{COMMENT}|(?P<long>{LONG_TEXT})|{TEXT}", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Statement:
    """A statement of the first column and where it stands in the text.

    Attributes:
        start: Where it begins, with its decorators; the first also with the comments above it.
        stop: Just behind its last line.
        follows: Whether nothing but comments and blanks stands between it and the one above.
        cut_at: Where a line stands that was to go on with it and is no code; None for a statement
            that is whole.
        resumed: Where the next statement could begin behind such a line; None where none does.
    """

    node: ast.stmt
    start: int
    stop: int
    follows: bool
    cut_at: int | None = None
    resumed: int | None = None


def parse(source: str) -> ast.Module | None:
    """The syntax tree, or None where the source does not compile."""
    try:
        return _compiled(source)
    except UNPARSABLE:
        return None


def _compiled(source: str) -> ast.Module:
    # What generated code is warned of is nothing to the one who measures it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
        # Some errors (a `return` outside a function) are only seen by the compiler.
        compile(tree, "<output>", "exec", dont_inherit=True)
    return tree


@functools.lru_cache(maxsize=64)
def canonical_form(source: str) -> str | None:
    """A key that is equal for programs that differ only in comments and blank space; None where
    the source does not compile. While it stays the same, so does the outcome of a check."""
    tree = parse(source)
    if tree is None:
        return None
    try:
        return ast.dump(tree)
    except RecursionError:
        # Too deep to be written out: then only the same text is known to mean the same.
        return source


def statements(source: str) -> list[Statement]:
    """The statements that compile, in their order.

    Of a text that does not compile as a whole the longest run of lines that does is taken, then
    what begins in the first column behind the line that broke it, and so on: prose around and
    between code falls out, and so does what was being written when the text ended.
    """
    starts = [0, *(match.end() for match in LINE_BREAK.finditer(source))]
    if starts[-1] == len(source):
        starts.pop()
    columns = [bisect.bisect_right(starts, m.start()) - 1 for m in FIRST_COLUMN.finditer(source)]
    first = 0
    found: list[Statement] = []
    while first < len(starts):
        count, tree = _longest_compilable(source, starts, first)
        following = bisect.bisect_right(columns, first + count)
        resumed = columns[following] if following < len(columns) else len(starts)
        if resumed < len(starts):
            text_end = _text_end(source, starts[first + count], starts[resumed])
            following = bisect.bisect_left(columns, bisect.bisect_left(starts, text_end))
            resumed = columns[following] if following < len(columns) else len(starts)
        found += _to_statements(source, starts, first, tree)
        broken = first + count
        if tree and tree.body and broken < len(starts) and broken not in columns:
            found[-1] = dataclasses.replace(
                found[-1],
                cut_at=starts[broken],
                resumed=starts[resumed] if resumed < len(starts) else None,
            )
        first = resumed
    return found


def _text_end(source: str, begin: int, offset: int) -> int:
    """Where a text in triple quotes ends that begins behind `begin` and holds the offset; else the
    offset."""
    for match in LEXIS.finditer(source, begin):
        if match.start() >= offset:
            break
        if match["long"] and match.end() > offset:
            return match.end()
    return offset


def _longest_compilable(
    source: str, starts: list[int], first: int
) -> tuple[int, ast.Module | None]:
    """How many lines from the first on compile, and their tree."""
    count = len(starts) - first
    while count > 0:
        end = starts[first + count] if first + count < len(starts) else len(source)
        text = source[starts[first] : end]
        try:
            return count, _compiled(text)
        except UNPARSABLE as error:
            count = min(count, _line(error, text) or count) - 1
    return 0, None


def _line(error: Exception, text: str) -> int | None:
    """The number of the line that an error is told of."""
    if isinstance(error, UnicodeEncodeError):
        return 1 + len(LINE_BREAK.findall(text, 0, error.start))
    if "\0" in text:
        return 1 + len(LINE_BREAK.findall(text, 0, text.index("\0")))
    return getattr(error, "lineno", None)


def _to_statements(
    source: str, starts: list[int], first: int, tree: ast.Module | None
) -> list[Statement]:
    nodes = tree.body if tree else []
    begins = []
    for number, node in enumerate(nodes):
        decorators = getattr(node, "decorator_list", ())
        line = first + min([node.lineno, *(d.lineno for d in decorators)]) - 1
        shared = number > 0 and nodes[number - 1].end_lineno == node.lineno
        column = 0
        if shared:
            # Columns are counted in bytes.
            end = starts[line + 1] if line + 1 < len(starts) else len(source)
            raw = source[starts[line] : end].encode("utf-8")
            column = len(raw[: node.col_offset].decode("utf-8"))
        begins.append(starts[line] + column)
    if begins:
        begins[0] = BLANKS.match(source, starts[first]).end()
    found = []
    for number, node in enumerate(nodes):
        line = first + node.end_lineno
        stop = starts[line] if line < len(starts) else len(source)
        if number + 1 < len(nodes):
            stop = min(stop, begins[number + 1])
        found.append(Statement(node, begins[number], stop, number > 0))
    return found
