"""Time that only moves when told, and calls that burn CPU time of it."""

import time
from contextlib import contextmanager
from unittest import mock

START_S = 1_000.0
EPOCH_NS = 1_790_000_000_000_000_000


class Clock:
    """The clocks of this process; ``wall_ahead_s`` sets the wall clock."""

    def __init__(self):
        self.now_s, self.cpu_s, self.wall_ahead_s = START_S, 0.0, 0.0

    def wait(self, seconds):
        """Lets time pass."""
        self.now_s += max(0.0, seconds)

    def burn(self, seconds):
        """Lets time pass at work."""
        self.now_s += seconds
        self.cpu_s += seconds

    @contextmanager
    def running(self):
        """`time` stands on it."""
        clocks = {
            "monotonic": lambda: self.now_s,
            "monotonic_ns": lambda: round(self.now_s * 1e9),
            "time_ns": lambda: EPOCH_NS + round((self.now_s + self.wall_ahead_s) * 1e9),
            "process_time": lambda: self.cpu_s,
            "sleep": self.wait,
        }
        with mock.patch.multiple(time, **clocks):
            yield self

    def until(self, end_s, round_s=0.0):
        """A `wait` for `SamplingLoop.run` that ends it then; each round burns so much."""

        def wait(seconds):
            self.wait(seconds)
            self.burn(round_s)
            return self.now_s >= end_s

        return wait


class Kept:
    """Takes the place of the trace and of the events."""

    def __init__(self):
        self.readings, self.events = [], []

    def trace(self):
        return mock.Mock(write=self.readings.extend, flush=lambda: None)

    def log(self):
        def write(t_ns, kind, domain, why, quantity=None):
            self.events.append((kind, quantity))

        return mock.Mock(write=write)

    def of(self, quantity, domain="gpu:0"):
        return [r for r in self.readings if (r.domain, r.quantity) == (domain, quantity)]
