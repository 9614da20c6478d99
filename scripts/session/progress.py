"""Progress of long work, as plain lines that read well in a terminal and in a log."""

from __future__ import annotations

import contextlib
import sys
import time


class Progress:
    """Counts steps and says how long the rest may take.

    Args:
        name: What the work is called.
        total: Its number of steps.
        done: Steps that an earlier run finished.
    """

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self._name = name
        self._total = total
        self._before = self._done = done
        self._started: float | None = None

    def say(self, text: str) -> None:
        """One line on standard error. Where nobody reads it any more, or the disk of the log is
        full, the work goes on."""
        with contextlib.suppress(OSError):
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)

    def leave_out(self, steps: int) -> None:
        """So many steps turned out not to be needed."""
        self._total -= steps

    def step(self, text: str) -> None:
        """One step is done; `text` says which."""
        self._done += 1
        now = time.monotonic()
        left = ""
        if self._started is None:
            self._started, self._before = now, self._done
        elif self._done < self._total:
            each_s = (now - self._started) / (self._done - self._before)
            left = f", about {_duration(each_s * (self._total - self._done))} left"
        self.say(f"{self._done}/{self._total} {text}{left}")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
