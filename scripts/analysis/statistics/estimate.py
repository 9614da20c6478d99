"""What a figure is, with how far it can be trusted and what it rests on."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import optimize, stats

# Of what an interval is the sampling: rounds (each a process of its own), prompts, or both.
ROUNDS, PROMPTS, BOTH = "rounds", "prompts", "rounds and prompts"
ONE_ROUND = "one round: what another process would differ by is not known"


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value and its interval.

    Attributes:
        value: NaN where there is none.
        low, high: Of the interval at `confidence`; NaN where there is none.
        confidence: Of the interval.
        rounds, prompts: How many of each it rests on; 0 prompts where they are not sampled.
        unit: What is sampled: `ROUNDS`, `PROMPTS` (within one process) or `BOTH`; empty where there
            is no interval.
        freedom: Degrees of freedom of the interval; NaN where it is not Student's.
        reading_u: Standard uncertainty of reading the meters (and idle) alone, in the unit of the
            value; NaN where it is not known.
        why: Why there is no interval, in words; empty where there is one.
        p: Two-sided, that the value is what it is held against (1 of a ratio, else 0); NaN where
            nothing is tested.
        least_p: The smallest p that a test of so few could give; above 1 - `confidence` it cannot
            reject, whatever the data.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    confidence: float = 0.95
    rounds: int = 0
    prompts: int = 0
    unit: str = ""
    freedom: float = math.nan
    reading_u: float = math.nan
    why: str = ""
    p: float = math.nan
    least_p: float = 0.0

    @property
    def cannot_reject(self) -> bool:
        """Whether no data of this size could be significant."""
        return self.least_p > 1 - self.confidence


@dataclasses.dataclass(frozen=True)
class Spread:
    """The variance of an estimate, in independent parts of which each has degrees of freedom.

    An interval takes of each part its own Student's quantile, in quadrature (Howe 1974; Graybill
    and Wang 1980): Welch's and Satterthwaite's common degrees of freedom are too many where a part
    has one or two, as of two or three rounds.

    Attributes:
        parts: (variance, degrees of freedom); infinite where the variance is known.
        least_u: A standard uncertainty that is known, and that the parts hold already: an interval
            is that of the parts or that of this alone, whichever is wider. Choosing one of the two
            by its variance would drop the few degrees of freedom just where they are needed: of two
            rounds that agree by chance.
    """

    parts: tuple[tuple[float, float], ...] = ()
    least_u: float = 0.0

    @classmethod
    def of(cls, variance: float, freedom: float) -> Spread:
        """One part."""
        return cls(((variance, freedom),))

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.parts + other.parts, math.hypot(self.least_u, other.least_u))

    @property
    def variance(self) -> float:
        """Of all parts."""
        return sum(variance for variance, _ in self.parts)

    @property
    def freedom(self) -> float:
        """After Welch and Satterthwaite, for the reader (GUM, JCGM 100:2008, G.4.1)."""
        below = sum(variance**2 / freedom for variance, freedom in self.parts)
        return self.variance**2 / below if below > 0 else math.inf

    def times(self, factor: float) -> Spread:
        """Of so many times the estimate."""
        parts = tuple((variance * factor**2, freedom) for variance, freedom in self.parts)
        return Spread(parts, self.least_u * abs(factor))

    def less(self, variance: float) -> Spread:
        """Without so much of it, which is counted elsewhere."""
        whole = self.variance
        if not whole > 0:
            return self
        share = math.sqrt(max(0.0, whole - variance) / whole)
        return dataclasses.replace(self.times(share), least_u=self.least_u)

    def at_least(self, u: float) -> Spread:
        """Never less certain than a standard uncertainty that is known allows."""
        return dataclasses.replace(self, least_u=u) if u > self.least_u else self

    def half(self, confidence: float) -> float:
        """Half of the interval."""
        level = (1 + confidence) / 2
        return max(self._half(level), self.least_u * float(stats.norm.ppf(level)))

    def _half(self, level: float) -> float:
        return math.sqrt(sum(v * stats.t.ppf(level, f) ** 2 for v, f in self.parts if v > 0))

    def p(self, distance: float) -> float:
        """Two-sided p of so large a distance: 1 less the confidence at which the interval just
        reaches it."""
        return min(1.0, 2 * self._beyond(abs(distance)))

    def equivalence_p(self, distance: float, low: float, high: float) -> float:
        """p of two one-sided tests that the distance lies between two margins (Schuirmann 1987)."""
        return max(self._beyond(distance - low), self._beyond(high - distance))

    def _beyond(self, distance: float) -> float:
        """One-sided p of a distance, above 1/2 where it is below zero."""
        if distance < 0:
            return 1 - self._beyond(-distance)
        read = float(stats.norm.sf(distance / self.least_u)) if self.least_u > 0 else 0.0
        return max(self._sampled(distance), read)

    def _sampled(self, distance: float) -> float:
        """The same of the parts, from zero on."""
        if not self.variance > 0:
            return 0.0 if distance > 0 else 0.5
        if len(self.parts) == 1:
            return float(stats.t.sf(distance / math.sqrt(self.variance), self.parts[0][1]))
        if self._half(1 - 5e-13) < distance:
            return 5e-13
        return float(optimize.brentq(lambda p: self._half(1 - p) - distance, 5e-13, 0.5))


def of_rounds(values: np.ndarray, reading_u: np.ndarray | float = 0.0) -> Spread:
    """Of the mean of independent rounds.

    The scatter of rounds holds the reading's error too, as far as it differs from round to round;
    so it is not added again, but the interval is never narrower than that of reading alone.

    Args:
        values: One a round, at least two.
        reading_u: Of each round, the standard uncertainty of reading.
    """
    count = len(values)
    scatter = float(np.var(values, ddof=1)) / count
    reading = float(np.mean(np.square(reading_u))) / count
    return Spread.of(scatter, count - 1).at_least(math.sqrt(reading))
