"""Next-line tasks: the line that the metric reads, its similarity to the reference, and a stop that
loses nothing.

The rule is LongBench's for code (Bai et al., arXiv 2308.14508; `code_sim_score` in its metrics.py):
of an output without its leading line breaks, the first line without '`', '#' and '//' counts, and
its similarity is fuzzywuzzy's `ratio`. What that is depends on what else is installed (its issue
96): the share of characters in a longest common subsequence with python-Levenshtein, difflib's
ratio, never above it, without. Here it is the first, from rapidfuzz, rounded as there.
"""

from __future__ import annotations

import time

from generation.suppression import OutputCheck

NO_CODE = ("`", "#", "//")
# Only this ends a line for the metric.
BREAK = "\n"


def answer_line(text: str) -> tuple[str, int | None]:
    """The line of an output that the metric reads, empty where there is none, and the offset just
    behind its line break: None while it has not ended."""
    start = len(text) - len(text.lstrip(BREAK))
    while True:
        end = text.find(BREAK, start)
        line = text[start:] if end < 0 else text[start:end]
        if not any(mark in line for mark in NO_CODE):
            return line, None if end < 0 else end + 1
        if end < 0:
            return "", None
        start = end + 1


def similarity(text: str, reference: str) -> float:
    """Of an output to the line that it should have been, from 0 to 1."""
    # Only where outputs are judged; a session needs no more than the stop.
    from rapidfuzz import fuzz

    return round(fuzz.ratio(answer_line(text)[0], reference)) / 100


class LineStop:
    """Stops a generation where the line that the metric reads has ended: whatever would follow, the
    score is the same. Needs no tests. Takes the place of `suppression.Suppressor`."""

    def __init__(self) -> None:
        self.checks: list[OutputCheck] = []

    def __call__(self, text: str, new: int, tokens: int) -> bool:
        """Whether to stop now; `new` is where the text of the last of `tokens` begins."""
        if BREAK not in text[new:]:
            return False
        start_ns = time.monotonic_ns()
        _, end = answer_line(text)
        outcome = "line goes on" if end is None else "line complete"
        looked = len(text) if end is None else end
        self.checks.append(
            OutputCheck(start_ns, time.monotonic_ns(), tokens, looked, outcome, end is not None)
        )
        return end is not None
