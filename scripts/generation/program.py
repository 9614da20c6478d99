"""From a model's output to the Python program that it proposes. Pure text and syntax trees.

Nothing here runs generated code; it is only parsed.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings

FENCE = "```"
# What the parser and the compiler raise on text that a model may write.
UNPARSABLE = (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError)
# What ends a line for Python's parser: also a lone carriage return, but neither a form feed nor
# the separators that str.splitlines knows.
LINE_BREAK = re.compile(r"\r\n|\r|\n")
# A statement that begins in the first column, behind its indentation; a form feed starts the count
# of columns anew. Brackets that close there belong to a statement above.
FIRST_COLUMN = re.compile(r"(?<=[\r\n])(?:[ \t\f]*\f)?[^ \t\f\r\n#)\]}]")


@dataclasses.dataclass(frozen=True)
class Program:
    """A proposed program and where in the output it stands.

    Attributes:
        source: The whole source: what the prompt gave, then what the model wrote.
        given: Characters at the start of `source` that the prompt gave.
        start: Offset in the output of the first character that the model wrote.
    """

    source: str
    given: int
    start: int

    def text_offset(self, source_offset: int) -> int:
        """The offset in the output of an offset in `source` (that of `start` if it was given)."""
        return self.start + max(0, source_offset - self.given)


def proposed(text: str, prompt: str, task_prompt: str, entry_point: str, style: str) -> Program:
    """The program in an output, finished or not, fences and chat stripped.

    Args:
        text: The output so far.
        prompt: What the model was given, as text (`completion` continues it).
        task_prompt: The task's own beginning of a program: imports, helpers, signature.
        entry_point: The name of the target function.
        style: `completion` or `chat`.
    """
    if style == "completion":
        # An instruction-tuned model closes a fence that it never opened, and then chats.
        end = 0 if text.startswith(FENCE) else text.find("\n" + FENCE)
        return Program(prompt + (text if end < 0 else text[:end]), len(prompt), 0)
    define = _definition(entry_point).search(task_prompt)
    given = task_prompt[: define.start()] if define else task_prompt
    start, end = _chat_code(text, entry_point)
    return Program(given + text[start:end], len(given), start)


def _definition(entry_point: str) -> re.Pattern:
    """Where the target function begins, in the first column."""
    return re.compile(rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}(?!\w)", re.MULTILINE)


def _chat_code(text: str, entry_point: str) -> tuple[int, int]:
    """The span of the code in a chat answer: the first fenced block with the target function in
    it, else the function without an opened fence, up to one that closes it, else the first block.
    """
    define = _definition(entry_point)
    blocks = []
    opening = re.compile(rf"^[ ]*{FENCE}[^\n]*\n", re.MULTILINE)
    closing = re.compile(rf"\n[ ]*{FENCE}")
    position = 0
    while match := opening.search(text, position):
        close = closing.search(text, match.end() - 1)
        end = len(text) if close is None else close.start()
        blocks.append((match.end(), max(match.end(), end)))
        if close is None:
            break
        position = close.end()
    for start, end in blocks:
        if define.search(text, start, end):
            return start, end
    if match := define.search(text):
        close = closing.search(text, match.end())
        return match.start(), len(text) if close is None else close.start()
    return blocks[0] if blocks else (len(text), len(text))


def parsed(source: str) -> ast.Module | None:
    """The syntax tree, or None where the source does not compile."""
    tree = _tree(source)
    if tree is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Some errors (a `return` outside a function) are only seen by the compiler.
            compile(tree, "<output>", "exec", dont_inherit=True)
    except UNPARSABLE:
        return None
    return tree


def _tree(source: str) -> ast.Module | None:
    try:
        # What generated code is warned of is nothing to the one who measures it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except UNPARSABLE:
        return None


def meaning(source: str) -> str | None:
    """A key that is equal for programs that differ only in comments and blank space; None where
    the source does not compile. While it stays the same, so does the outcome of a check."""
    tree = parsed(source)
    if tree is None:
        return None
    try:
        return ast.dump(tree)
    except RecursionError:
        # Too deep to be written out: then only the same text is known to mean the same.
        return source


def function_end(source: str, entry_point: str) -> int | None:
    """The offset just behind the last line of the target function's body.

    The function ends where a statement begins in the first column, provided that what stands
    before it parses; where nothing parses, the first such statement ends it; where none comes,
    the function runs to the end of the source. Returns None where there is no such function or
    it never ends.
    """
    define = _definition(entry_point).search(source)
    if define is None:
        return None
    breaks = [match.start() for match in FIRST_COLUMN.finditer(source, define.end())]
    for offset in [*breaks, len(source)]:
        end = _end_in_tree(source[:offset], entry_point)
        if end is not None:
            return end
    return breaks[0] if breaks else None


def _end_in_tree(source: str, entry_point: str) -> int | None:
    tree = _tree(source)
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry_point:
            ends = [match.end() for match in LINE_BREAK.finditer(source)]
            return [*ends, len(source)][min(node.end_lineno - 1, len(ends))]
    return None


def cut(program: Program, entry_point: str) -> Program:
    """The program up to the end of its target function: the usual post-processing."""
    end = function_end(program.source, entry_point)
    if end is None:
        return program
    # A function that ends in what was given has an empty body: nothing of the output is it.
    return dataclasses.replace(program, source=program.source[: max(end, program.given)])
