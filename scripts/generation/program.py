"""From a model's output to the Python program that it proposes. Pure text and syntax trees.

Nothing here runs generated code; it is only parsed.
"""

from __future__ import annotations

import ast
import dataclasses
import re

FENCE = "```"


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
    given = task_prompt.split(f"def {entry_point}")[0]
    start, end = _chat_code(text, entry_point)
    return Program(given + text[start:end], len(given), start)


def _chat_code(text: str, entry_point: str) -> tuple[int, int]:
    """The span of the code in a chat answer: the first fenced block with the target function in
    it, else the first fenced block, else from the function's first line on."""
    define = re.compile(rf"^(async )?def {re.escape(entry_point)}\b", re.MULTILINE)
    blocks = []
    opening = re.compile(rf"^[ ]*{FENCE}[^\n]*\n", re.MULTILINE)
    position = 0
    while match := opening.search(text, position):
        close = re.compile(rf"\n[ ]*{FENCE}").search(text, match.end() - 1)
        end = len(text) if close is None else close.start()
        blocks.append((match.end(), max(match.end(), end)))
        if close is None:
            break
        position = close.end()
    for start, end in blocks:
        if define.search(text, start, end):
            return start, end
    if blocks:
        return blocks[0]
    match = define.search(text)
    return (match.start(), len(text)) if match else (len(text), len(text))


def parsed(source: str) -> ast.Module | None:
    """The syntax tree, or None where the source does not compile."""
    try:
        tree = ast.parse(source)
        # Some errors (a `return` outside a function) are only seen by the compiler.
        compile(tree, "<output>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError):
        return None
    return tree


def meaning(source: str) -> str | None:
    """A key that is equal for programs that differ only in comments and blank space; None where
    the source does not compile. While it stays the same, so does the outcome of a check."""
    tree = parsed(source)
    if tree is None:
        return None
    try:
        return ast.dump(tree)
    except RecursionError:
        return None


def function_end(source: str, entry_point: str) -> int | None:
    """The offset just behind the last line of the target function's body.

    The function ends where a statement begins in the first column, provided that what stands
    before it parses; where nothing parses, the first such statement ends it; where none comes,
    the function runs to the end of the source. Returns None where there is no such function or
    it never ends.
    """
    define = re.search(rf"^(async )?def {re.escape(entry_point)}\b", source, re.MULTILINE)
    if define is None:
        return None
    breaks = [m.start() for m in re.finditer(r"^[^\s#)\]}]", source[define.end() :], re.MULTILINE)]
    breaks = [define.end() + offset for offset in breaks]
    for offset in [*breaks, len(source)]:
        end = _end_in_tree(source[:offset], entry_point)
        if end is not None:
            return end
    return breaks[0] if breaks else None


def _end_in_tree(source: str, entry_point: str) -> int | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == entry_point:
            # Split as the parser counts lines: str.splitlines also breaks at form feeds.
            lines = source.split("\n")[: node.end_lineno]
            return min(len(source), sum(len(line) + 1 for line in lines))
    return None


def cut(program: Program, entry_point: str) -> Program:
    """The program up to the end of its target function: the usual post-processing."""
    end = function_end(program.source, entry_point)
    if end is None:
        return program
    # A function that ends in what was given has an empty body: nothing of the output is it.
    return dataclasses.replace(program, source=program.source[: max(end, program.given)])
