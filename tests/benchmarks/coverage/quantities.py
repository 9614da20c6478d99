"""Simulated quantities whose truth is known, each through the function that the tables use for it.

A case draws one data set and gives what is said of it: (low, high, truth, p), NaN for what is not
said. p is only there where nothing differs, so that a p below 0.05 is a false positive.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np

from analysis.statistics import laws, prompts, ranks, rounds, trends
from analysis.statistics.estimate import Estimate
from session.specification import ByWidth
from session.stopping import verdict

CONFIDENCE = 0.95
# Between processes, and between windows of one, as relative standard deviations.
BETWEEN = WITHIN = 0.05
SESSIONS = 0.09
LENGTHS = np.array([64.0, 128, 256, 512, 1024, 2048, 4096, 8192])
# Of published outputs (HumanEval, twelve tasks): joules without and with suppression, of one that
# passes early, and of one that never passes.
BEFORE_J = np.array([868, 727, 428, 811, 145, 583, 586, 667, 802, 673, 639, 590.0])
AFTER_J = np.array([52, 39, 50, 23, 44, 614, 615, 680, 19, 269, 615, 638.0])

# Where few rounds, or cells, say how far others vary.
FEW = "of so few an interval holds too often rather than too seldom"

Said = tuple[float, float, float, float]
Draw = Callable[[np.random.Generator], Said]


@dataclasses.dataclass(frozen=True)
class Case:
    """One cell of the table.

    Attributes:
        what, size: Its row and its column.
        draw: See the module.
        goal: Of the coverage, the least and the most; None where only false positives count.
        why: Of a goal that is not 93 to 97 %.
    """

    what: str
    size: str
    draw: Draw
    goal: tuple[float, float] | None = (0.93, 0.97)
    why: str = ""


def said(found: Estimate, truth: float, p: float = math.nan) -> Said:
    """Of an estimate."""
    return found.low, found.high, truth, p


def windows(
    randoms: np.random.Generator, number: int, each: int, value: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(values, rounds) of a cell."""
    means = value * np.exp(BETWEEN * randoms.normal(size=number))
    values = means[:, None] * np.exp(WITHIN * randoms.normal(size=(number, each)))
    return values.ravel(), np.repeat(np.arange(number), each)


def ratios() -> Iterator[Case]:
    for number, each in ((1, 6), (2, 3), (2, 30), (3, 3), (6, 6), (10, 3)):

        def draw(randoms, number=number, each=each):
            sides = windows(randoms, number, each), windows(randoms, number, each)
            found = rounds.ratio(*sides[0], *sides[1], confidence=CONFIDENCE)
            return said(found, 1.0, found.p)

        yield Case("ratio of two cells and its verdict", f"{number}x{each}", draw)


def means() -> Iterator[Case]:
    for number in (2, 3, 5, 12):

        def draw(randoms, number=number):
            values = 10 + randoms.normal(size=number)
            found = rounds.mean(values, np.arange(number), confidence=CONFIDENCE, signed=True)
            return said(found, 10.0)

        yield Case("mean of rounds, normal data", f"n = {number}", draw)


def above_idle() -> Iterator[Case]:
    """Little above an idle power that each session knows to 2 %: most of it is reading."""
    for number in (2, 3, 6):

        def draw(randoms, number=number):
            idle_off = 0.02 * randoms.normal(size=number)
            values, at = windows(randoms, number, 3, 0.1)
            found = rounds.mean(
                values + idle_off[at], at, confidence=CONFIDENCE, reading_u=0.02, signed=True
            )
            return said(found, 0.1 * math.exp(BETWEEN**2))

        yield Case("energy above idle, idle uncertain", f"{number}x3", draw, (0.93, 1.0), FEW)


def saved() -> Iterator[Case]:
    for count in (3, 5, 7, 12, 164):

        def draw(randoms, count=count):
            at = randoms.integers(0, len(BEFORE_J), count)
            before, after = (
                side[at] * np.exp(WITHIN * randoms.normal(size=count))
                for side in (BEFORE_J, AFTER_J)
            )
            one = np.zeros(count, int)
            found = prompts.share(
                prompts.cells(one, np.arange(count), after, before), confidence=CONFIDENCE
            )
            return said(found, AFTER_J.sum() / BEFORE_J.sum())

        yield Case("share saved, shape of published data", f"{count} tasks", draw)


def passes() -> Iterator[Case]:
    for count, share in ((12, 0.98), (12, 0.9), (164, 0.98), (164, 0.9)):

        def draw(randoms, count=count, share=share):
            passed = (randoms.random(count) < share).astype(float)
            return said(prompts.proportion(passed, np.arange(count), confidence=CONFIDENCE), share)

        why = "an exact interval of a count holds at least so often"
        yield Case("pass@1 near 1", f"{count} tasks, {share}", draw, (0.93, 1.0), why)


def generations(
    randoms: np.random.Generator, sessions: int, tasks: int, token_j: float, numbers=None
) -> prompts.Cells:
    """Joules and tokens of decoding, by session and task."""
    process = np.exp(SESSIONS * randoms.normal(size=sessions))
    own = np.exp(0.03 * randoms.normal(size=tasks))
    tokens = np.round(150 * np.exp(0.5 * randoms.normal(size=tasks)))
    joules = token_j * process[:, None] * own * tokens
    joules = joules * np.exp(WITHIN * randoms.normal(size=joules.shape))
    at, to = np.divmod(np.arange(joules.size), tasks)
    return prompts.cells(at, to, joules.ravel(), tokens[to])


def tokens() -> Iterator[Case]:
    for sessions in (1, 2, 3, 7):

        def draw(randoms, sessions=sessions):
            made = generations(randoms, sessions, 12, 4.0)
            return said(prompts.mean(made, confidence=CONFIDENCE), 4.0)

        what = "J a decoded token, sessions that vary by 9 %"
        yield Case(what, f"{sessions} sessions x 12 tasks", draw)


def amplifications() -> Iterator[Case]:
    for sessions in (1, 2, 3, 7):

        def draw(randoms, sessions=sessions):
            first = generations(randoms, sessions, 3, 4.0)
            second = generations(randoms, sessions, 12, 4.0)
            found = prompts.over(first, second, confidence=CONFIDENCE)
            return said(found, 1.0, found.p)

        what = "amplification, 3 against 12 tasks, sessions vary"
        yield Case(what, f"{sessions} sessions", draw, (0.93, 0.99), FEW)


def lines() -> Iterator[Case]:
    terms = np.array([4.0, 0.0165, 5e-7])
    for number, session in ((1, 0.0), (2, SESSIONS), (3, SESSIONS), (7, SESSIONS)):
        for term, name in enumerate("abc"):

            def draw(randoms, number=number, session=session, term=term):
                shape = (number, 4, len(LENGTHS))
                off = session * randoms.normal(size=(number, 1, 1))
                off = off + 0.03 * randoms.normal(size=(number, 1, len(LENGTHS)))
                off = off + 0.02 * randoms.normal(size=shape)
                y = np.polynomial.polynomial.polyval(LENGTHS, terms) * np.exp(off)
                x = np.broadcast_to(LENGTHS, shape)
                at = np.broadcast_to(np.arange(number)[:, None, None], shape)
                made = laws.polynomial(x.ravel(), y.ravel(), at.ravel(), 2, confidence=CONFIDENCE)
                return said(made.terms[term], terms[term])

            what = f"law, term {name}, 3 % shared by a length"
            yield Case(what, f"{number} rounds x 8 lengths x 4", draw, (0.93, 0.98), FEW)


def correlations() -> Iterator[Case]:
    for cells, number in ((12, 2), (12, 3), (24, 2)):

        def draw(randoms, cells=cells, number=number):
            pair = randoms.normal(size=(2, cells * number))
            found = ranks.correlation_within(
                *pair, np.repeat(np.arange(cells), number), confidence=CONFIDENCE
            )
            return found[1], found[2], 0.0, found[3]

        what = "rank correlation within cells, none there"
        yield Case(what, f"{cells} cells x {number}", draw, (0.93, 0.985), FEW)


def drifts() -> Iterator[Case]:
    for serial in (0.0, 0.6):
        for cells, each in ((2, 3), (2, 12), (8, 4), (28, 4)):

            def draw(randoms, serial=serial, cells=cells, each=each):
                noise = [randoms.normal()]
                for step in randoms.normal(size=cells * each - 1):
                    noise.append(serial * noise[-1] + math.sqrt(1 - serial**2) * step)
                at = np.concatenate([randoms.permutation(cells) for _ in range(each)])
                values = np.exp(WITHIN * np.array(noise) + 0.3 * at)
                made = trends.course(values, at, np.arange(len(values)))
                found, _ = trends.trend(made, confidence=CONFIDENCE)
                return said(found, 0.0, found.p)

            how = f"neighbours correlate by {serial}" if serial else "independent windows"
            why = "not known whether neighbours are alike: short sessions are held to be so"
            goal = (0.93, 1.0) if cells * each < 100 else (0.93, 0.985)
            yield Case(f"order trend, {how}", f"{cells} cells x {each}", draw, goal, why)


def stops() -> Iterator[Case]:
    for scatter in (0.01, 0.02, 0.05):

        def draw(randoms, scatter=scatter):
            rule = ByWidth(
                within=0.02,
                at_least=3,
                at_most=10**6,
                confidence=CONFIDENCE,
                resolve_periods=2,
            )
            values = list(randoms.normal(1, scatter, 3))
            while verdict(rule, values).why is None:
                values += list(randoms.normal(1, scatter, max(1, len(values) // 20)))
            mean = float(np.mean(values))
            return mean * 0.98, mean * 1.02, 1.0, math.nan

        why = "the first windows ask for whole ones, and for three at least"
        what = "stopping within 2 %, where it says narrow enough"
        yield Case(what, f"windows vary by {scatter:.0%}", draw, (0.93, 1.0), why)


def equivalences() -> Iterator[Case]:
    for number in (2, 3, 6):

        def draw(randoms, number=number):
            sides = windows(randoms, number, 3, 1.05), windows(randoms, number, 3)
            _, logs = rounds.paired(*sides[0], *sides[1])
            return math.nan, math.nan, math.nan, rounds.equivalent(logs, 0.05)

        what = "equivalence within 5 %, of two that differ by 5 %"
        yield Case(what, f"{number}x3", draw, None)


def cases() -> list[Case]:
    """All of them, in the order of the table."""
    makers = (ratios, means, above_idle, saved, passes, tokens, amplifications, lines)
    makers += (correlations, drifts, stops, equivalences)
    return [case for maker in makers for case in maker()]


@dataclasses.dataclass(frozen=True)
class Count:
    """Of one case: data sets, those with an interval, those of which it holds the truth, those with
    a p, and those of which it is below 0.05."""

    drawn: int
    given: int
    held: int
    tested: int
    found: int

    @property
    def coverage(self) -> float:
        return self.held / self.given if self.given else math.nan

    @property
    def false_positives(self) -> float:
        return self.found / self.tested if self.tested else math.nan


def counted(case: Case, seeds: int) -> Count:
    """What is said of so many data sets."""
    held = given = tested = found = 0
    for seed in range(seeds):
        low, high, truth, p = case.draw(np.random.default_rng([seed, 11]))
        given += not math.isnan(low)
        held += bool(low <= truth <= high)
        tested += not math.isnan(p)
        found += bool(p < 0.05)
    return Count(seeds, given, held, tested, found)
