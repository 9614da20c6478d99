"""How far off the difference of two points of a curve may be. Pure arithmetic on the intervals that
the edges of windows lie in: what one call costs does not grow with the curve."""

from __future__ import annotations

import numpy as np

# Changes to each side that say what may go on within an interval; the median square of normal ones
# over their mean square; and the variance of the energy within an interval over that median.
AROUND, MEDIAN_SQUARE, UNREST = 9, 0.455, 1.0
# So many intervals at a time.
BLOCK = 100_000

# An edge of a window: the interval that it lies in, and where in it, from 0 to 1.
Place = tuple[np.ndarray, np.ndarray]


def locate(knots_ns: np.ndarray, times_ns: np.ndarray) -> Place:
    """Where times lie between knots; before the first and behind the last, in the next interval
    and outside 0 to 1."""
    at = np.clip(np.searchsorted(knots_ns, times_ns, "right") - 1, 0, len(knots_ns) - 2)
    return at, (times_ns - knots_ns[at]) / (knots_ns[at + 1] - knots_ns[at])


def difference_weights(
    start: Place, end: Place
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of the (up to four) points that the difference of two interpolated values leans on: of the
    start's interval and of the end's; those that both lean on cancel in part."""
    (at, f), (to, g) = start, end
    apart = to - at
    first = np.where(apart == 0, f - g, -(1 - f))
    second = np.where(apart == 0, g - f, np.where(apart == 1, 1 - g - f, -f))
    third = np.where(apart > 1, 1 - g, 0.0)
    fourth = np.where(apart > 0, g, 0.0)
    return first, second, third, fourth


def bridge_variance(
    start: Place, end: Place, start_j2: np.ndarray, end_j2: np.ndarray, squared: bool = False
) -> np.ndarray:
    """Variance of the difference of two points of random walks that are tied down at every knot;
    outside the knots, at the nearest.

    Args:
        start_j2, end_j2: Of the intervals of both edges, the variance that an untied walk has at
            its end.
        squared: What is bridged is no walk but one step of the power: the error, not its variance,
            goes with f * (1 - f).
    """
    (at, f), (to, g) = start, end

    def tied(x: np.ndarray) -> np.ndarray:
        inside = (x >= 0) & (x <= 1)
        share = np.where(inside, x * (1 - x), np.minimum(abs(x), abs(x - 1)))
        return share**2 if squared else share

    apart = tied(f) * start_j2 + tied(g) * end_j2
    return np.where(at == to, tied(np.clip(g - f, 0, 1)) * start_j2, apart)


class PowerChanges:
    """What the power does between the knots of a curve.

    Args:
        times_ns, joules: Of the curve.
        step_j, timing_s, reach: As in `energy.cumulative.Curve`.
    """

    def __init__(
        self,
        times_ns: np.ndarray,
        joules: np.ndarray,
        step_j: float,
        timing_s: float | np.ndarray,
        reach: int,
    ) -> None:
        self._lengths_s = np.diff(times_ns) / 1e9
        self.power_w = np.diff(joules) / self._lengths_s
        self._step_j, self._reach = step_j, reach
        self._timing_s = np.broadcast_to(timing_s, len(times_ns))

    def of_points(self, at: np.ndarray) -> np.ndarray:
        """Variance of known points, in square joules: the counter's step, rectangular, and the
        power times the uncertainty of their times."""
        last = len(self.power_w)
        before = np.where(at > 0, self.power_w[np.clip(at - 1, 0, last - 1)], 0)
        behind = np.where(at < last, self.power_w[np.clip(at, 0, last - 1)], 0)
        return self._step_j**2 / 12 + (np.maximum(before, behind) * self._timing_s[at]) ** 2

    def of_intervals(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of intervals, what the energy may do within each: of one step of the power its square,
        and the variance of a walk, in square joules.

        A step of dp where a window begins or ends, as they do, moves E(t) by dp * L * f * (1 - f),
        L being the interval's length and f where in it the step is; dp is not more than the change
        of power at the interval's ends. Where the power keeps changing, faster than the points
        tell, the energy walks, by the changes around.
        """
        near, usual = np.zeros(len(at)), np.zeros(len(at))
        if len(self.power_w) < 2:
            return near, usual
        each, place = np.unique(at, return_inverse=True)
        found = np.empty((2, len(each)))
        for first in range(0, len(each), BLOCK):
            block = slice(first, first + BLOCK)
            found[:, block] = self._of_some(each[block])
        near, usual = found[:, place]
        return near, usual

    def _of_some(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # An interval has a change at each end; before the first and behind the last the nearest.
        ends = [self._changes(np.clip(one, 0, len(self.power_w) - 2)) for one in (at - 1, at)]
        near_w2, usual_w2 = (np.maximum(*pair) for pair in zip(*ends, strict=True))
        return near_w2 * self._lengths_s[at] ** 2, UNREST * usual_w2 * self._lengths_s[at] ** 2

    def _changes(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Around changes of the power, by the number of the interval before: the greatest close by
        and the usual one, in square watts, less what the points are off by.

        What they are off by looks like changes, and is none. It varies by itself, so more than its
        mean is taken off. The usual one is a median: steps that come now and then are no unrest.
        """
        last = len(self.power_w) - 2
        noise_w2 = 6 * self.of_points(at + 1) / (self._lengths_s[at + 1] * self._lengths_s[at])

        def around(reach: int) -> np.ndarray:
            places = np.clip(at[:, None] + np.arange(1 - reach, reach), 0, last)
            return (self.power_w[places + 1] - self.power_w[places]) ** 2

        near_w2 = np.clip(around(self._reach).max(axis=1) - 3 * noise_w2, 0, None)
        usual_w2 = np.median(around(AROUND), axis=1) - 1.5 * MEDIAN_SQUARE * noise_w2
        return near_w2, np.clip(usual_w2, 0, None)
