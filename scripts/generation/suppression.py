"""Babbling suppression: stop a generation once its output passes the task's tests.

After Solovyeva and Castor (arXiv 2604.06755): at each boundary of a checking unit, test that the
output so far compiles and passes. A check is only run where its outcome can have changed, that is
where the program's syntax tree is one that was not checked before.

Nothing is lost by it: what an output is stopped at is the start of what it would have been, and
both are judged as the program that `generation.program` finds in them. What passes unsuppressed is
stopped where it passes, or stands whole at its end. The reverse is not promised: a model that goes
on can still spoil what its answer uses; such a pair counts as a pass that suppression added.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from generation.program import canonical_form
from generation.sandbox import Check, Verdict
from generation.workloads.functions import PosedFunction


@dataclasses.dataclass(frozen=True)
class OutputCheck:
    """One check of the output so far, a window of its own; whether its tests were run says
    `outcome`.

    Attributes:
        start_ns, end_ns: On the monotonic clock.
        tokens: Output tokens so far.
        characters: How much of the output was checked.
        outcome: `does not compile`, `unchanged`, or the checker's result.
        passed: Whether the tests ran to their end.
    """

    start_ns: int
    end_ns: int
    tokens: int
    characters: int
    outcome: str
    passed: bool


def boundaries(unit: str, text: str, new: int) -> Iterator[int]:
    """The offsets, in rising order, at which a checking unit ends in `text`.

    Args:
        unit: `token`, `line` (behind each line break) or `function` (where a line begins in the
            first column: what was indented has ended).
        text: The output so far.
        new: Where the last token's text begins; what stands before was looked at already.
    """
    for offset in range(new, len(text)):
        if unit == "function":
            # Behind a form feed, too: it starts the count of columns anew.
            if text[offset] not in " \t\f\r\n" and offset > 0 and text[offset - 1] in "\n\r\f":
                yield offset
        elif text[offset] in "\r\n":
            yield offset + 1
    if unit == "token" and len(text) > new and text[-1] not in "\r\n":
        yield len(text)


class Suppressor:
    """Decides after each token whether the generation is complete.

    Args:
        posed: The task as it was posed.
        unit: The checking unit.
        check: Runs one check, e.g. `Pool.check`.
    """

    def __init__(self, posed: PosedFunction, unit: str, check: Callable[[Check], Verdict]) -> None:
        self._posed = posed
        self._unit = unit
        self._check = check
        # What stands in the prompt has nothing of the output in it yet.
        self._seen = {canonical_form(posed.program("").source)}
        self.checks: list[OutputCheck] = []

    def __call__(self, text: str, new: int, tokens: int) -> bool:
        """Whether to stop now; `new` is where the text of the last of `tokens` begins."""
        for offset in boundaries(self._unit, text, new):
            start_ns = time.monotonic_ns()
            outcome, passed = self._check_output(text[:offset])
            self.checks.append(
                OutputCheck(start_ns, time.monotonic_ns(), tokens, offset, outcome, passed)
            )
            if passed:
                return True
        return False

    def _check_output(self, text: str) -> tuple[str, bool]:
        program = self._posed.program(text)
        key = canonical_form(program.source)
        if key is None:
            return "does not compile", False
        if key in self._seen:
            return "unchanged", False
        self._seen.add(key)
        verdict = self._check(self._posed.check(program))
        return verdict.result, verdict.passed
