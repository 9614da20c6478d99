"""From a model's output to the Python program that it proposes. Pure text and syntax trees.

Nothing here runs generated code; it is only parsed.

An output is read in several ways: as what goes on behind the prompt, as fenced blocks, as text with
code in it. The program is the first definition of the target function that compiles to its end
(else the first that does up to some line), with what it needs of the statements around it, wherever
they stand. So no later block and no second definition corrects a first one: an output is judged by
its first answer, and what follows an answer does not change the verdict on it.

The rule knows nothing of who asks: the same text is the same program for the output of a model
that went on and of one that was stopped.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence

from generation.dependencies import Dependencies, ParsedText, Place
from generation.markup import (
    answer_begin,
    answer_end,
    dedent,
    fenced_blocks,
    restarted_code,
    separate_marks,
    strip_prompts,
)
from generation.spans import Code, Program, Span, join
from generation.statements import Statement, canonical_form, parse
from generation.target import implements, method_of

__all__ = ["Program", "canonical_form", "extract_all_code", "extract_program", "parse"]


class Interpretation:
    """One way to take an output.

    Args:
        given: What the prompt gave of the program, before what was written.
        codes: The texts of the output with code in them, without `given`.
        prose: What stands outside of them; there may be code in it, too.
        continues: Whether the first of them goes on where `given` ends.
    """

    def __init__(
        self,
        given: str,
        codes: Sequence[Code],
        prose: Code | None = None,
        continues: bool = False,
    ) -> None:
        self.given, self.continues = given, continues
        self.codes = [*codes, prose or Code(())]
        if continues:
            self.codes[0] = Code((Span(given, None), *self.codes[0].spans))

    @functools.cached_property
    def views(self) -> list[ParsedText]:
        return [ParsedText(code.text) for code in self.codes]

    def find(self, wanted: Callable[[Statement, str], bool], name: str) -> Place | None:
        """The first statement that is as wanted."""
        for number, view in enumerate(self.views):
            # Most texts need not be parsed to know.
            for place, statement in enumerate(view.statements if name in view.source else ()):
                if wanted(statement, name):
                    return number, place
        return None

    def all_code(self, place: Place | None) -> tuple[Span, ...]:
        """What was given and all of the text in which a statement stands, of the first code where
        there is none; of prose what comes with the statement."""
        number = place[0] if place else 0
        code = self.codes[number]
        given = () if self.continues and number == 0 else (Span(self.given, None),)
        if number + 1 < len(self.codes):
            return join([given, code.spans])
        begin = self.views[number].statements[place[1]].start if place else len(code.text)
        return join([given, code.slice(begin, len(code.text))])


def extract_program(
    text: str, prompt: str, task_prompt: str, entry_point: str, style: str
) -> Program:
    """The program in an output, finished or not, without markup, chat and what it does not need.

    Args:
        text: The output so far.
        prompt: What the model was given, as text (`completion` continues it).
        task_prompt: The task's own beginning of a program: imports, helpers, signature.
        entry_point: The name of the target function.
        style: `completion` or `chat`.
    """
    first, found = _find_target(text, prompt, task_prompt, entry_point, style)
    if found:
        return _assemble(*found, _helpers(task_prompt, entry_point), entry_point, len(text))
    return _with_end(first.all_code(None), first, len(text))


def extract_all_code(
    text: str, prompt: str, task_prompt: str, entry_point: str, style: str
) -> Program:
    """What was given and the code of an output as it stands, with examples and tests."""
    first, found = _find_target(text, prompt, task_prompt, entry_point, style)
    reading, place = found or (first, None)
    return _with_end(reading.all_code(place), reading, len(text))


def _find_target(
    text: str, prompt: str, task_prompt: str, name: str, style: str
) -> tuple[Interpretation, tuple[Interpretation, Place] | None]:
    """The first reading, and where in which the target stands."""
    begin = answer_begin(text)
    text = text[: answer_end(text, begin)]
    helpers = _helpers(task_prompt, name)
    if style == "completion":
        groups = _completions(text, begin, prompt, helpers)
    else:
        groups = _chats(text, begin, task_prompt, helpers, name)
    first = None
    for group in groups:
        readings = list(group)
        first = first or readings[0]
        for wanted in (_is_finished, _is_begun, _is_method):
            for reading in readings:
                if place := reading.find(wanted, name):
                    return first, (reading, place)
    place = first.find(_is_declared, name)
    return first, place and (first, place)


def _is_finished(statement: Statement, name: str) -> bool:
    return statement.cut_at is None and implements(statement.node, name)


def _is_begun(statement: Statement, name: str) -> bool:
    return implements(statement.node, name)


def _is_method(statement: Statement, name: str) -> bool:
    return method_of(statement.node, name) is not None


def _is_declared(statement: Statement, name: str) -> bool:
    return statement.cut_at is None and getattr(statement.node, "name", None) == name


def _helpers(task_prompt: str, name: str) -> str:
    """What the task gives before the target function itself."""
    define = _definition(name).search(task_prompt)
    return task_prompt[: define.start()] if define else task_prompt


def _definition(name: str) -> re.Pattern:
    """Where a function begins: in the first column, or indented."""
    return re.compile(
        rf"^(?P<indent>[ \t]*)(?:async[ \t]+)?def[ \t]+{re.escape(name)}(?!\w)", re.MULTILINE
    )


def _completions(
    text: str, begin: int, prompt: str, helpers: str
) -> Iterator[list[Interpretation]]:
    """An output that goes on behind the prompt, or begins anew."""
    end = answer_end(text, begin, fences=True)
    found, outside = _code_and_prose(text, begin)
    head = Code((Span(text[begin:end], begin),))
    # An instruction-tuned model closes a fence that it never opened, and then chats.
    yield [
        Interpretation(prompt, [head, *found], continues=True),
        Interpretation(helpers, found, outside),
    ]
    column = len(prompt) - len(prompt.rstrip(" \t"))
    yield [
        Interpretation(helpers, [restarted_code(text, begin, end, 0)]),
        Interpretation(helpers, [restarted_code(text, begin, end, column)]),
        *_body_blocks(text, begin, prompt),
    ]


def _chats(
    text: str, begin: int, task_prompt: str, helpers: str, name: str
) -> Iterator[list[Interpretation]]:
    """An answer with the function in a fenced block, or in the text."""
    found, outside = _code_and_prose(text, begin)
    yield [Interpretation(helpers, found, outside)]
    define = _definition(name).search(outside.text)
    if define and (width := len(define["indent"])):
        lines = tuple(
            line.dedented(width) if not line.text[:width].strip(" \t") else line
            for line in outside.spans
        )
        yield [Interpretation(helpers, [Code(lines), *found])]
    yield [*_body_blocks(text, begin, task_prompt)]


def _body_blocks(text: str, begin: int, prompt: str) -> Iterator[Interpretation]:
    """Fenced blocks that hold the function's body alone."""
    given = prompt.rstrip() + "\n"
    for block in fenced_blocks(text, begin)[0]:
        if block.text.lstrip("\r\n")[:1] in (" ", "\t"):
            yield Interpretation(given, [block], continues=True)


def _code_and_prose(text: str, begin: int) -> tuple[list[Code], Code]:
    found, outside = fenced_blocks(text, begin)
    codes = [separate_marks(strip_prompts(dedent(block))) for block in found]
    return codes, separate_marks(outside)


def _assemble(
    reading: Interpretation, place: Place, helpers: str, name: str, length: int
) -> Program:
    """The target and what it needs, in the order of the output."""
    view = reading.views[place[0]]
    target = view.statements[place[1]]
    continued = reading.continues and place[0] == 0 and target.start < len(reading.given)
    given = reading.given if continued else helpers
    kept = Dependencies(reading.views, place, name, _names_in(helpers)).closure()
    futures, parts = [], []
    for number, index in kept:
        statements, code = reading.views[number].statements, reading.codes[number]
        statement = statements[index]
        begin = len(reading.given) if reading.continues and number == 0 else 0
        following = (number, index + 1) in kept and statements[index + 1].follows
        end = statements[index + 1].start if following else statement.stop
        # Nothing of it is left where the prompt gave it.
        if part := code.slice(max(begin, statement.start), end):
            (futures if _is_future(statement.node) else parts).append(part)
    parts.sort(key=lambda part: part[0].start or 0)
    if method := method_of(target.node, name):
        parts.append((Span(f"{name} = {method}\n", None),))
    # What goes on behind the prompt does so within its last line.
    first = parts.pop(0) if continued and parts else ()
    program = Program(join([*futures, (Span(given, None), *first), *parts]))
    end = program.text_offset(len(program.source))
    if target.cut_at is not None:
        # What broke it is part of it, up to where something else begins.
        code = reading.codes[place[0]]
        end = code.output_offset(len(code.text) if target.resumed is None else target.resumed)
    return dataclasses.replace(program, end=end if end < length else None)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _with_end(spans: tuple[Span, ...], reading: Interpretation, length: int) -> Program:
    program = Program(spans, begin=0 if reading.continues else length)
    end = program.text_offset(len(program.source))
    return dataclasses.replace(program, end=end if end < length else None)


@functools.lru_cache(maxsize=256)
def _names_in(source: str) -> frozenset[str]:
    return ParsedText(source).bound
