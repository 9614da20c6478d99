"""Time that only moves when told: the clocks, timers and processes of a library under test.

A library that waits, polls in a thread or starts a process runs unmodified, and everything happens
in one order that does not depend on how busy the real machine is. Reading a clock takes
``CLOCK_READ_S``, as a real one does: no interval is exactly zero (CodeCarbon divides by one).
"""

import heapq
import itertools
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import SimpleNamespace
from typing import Protocol
from unittest.mock import patch

CLOCK_READ_S = 1e-7


class Clock(Protocol):
    """What moves: ``now_s`` and how to move it on."""

    now_s: float

    def advance(self, seconds: float) -> None: ...


class VirtualTime(AbstractContextManager):
    """While entered, ``time`` and the processes of ``multiprocessing`` run on the clock."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._processes: list[Process] = []
        self._running: Process | None = None

    @property
    def now_s(self) -> float:
        return self._clock.now_s

    def until(self, time_s: float) -> None:
        """Go on to ``time_s`` (stay, if it is past), running what falls due on the way."""
        while self._due and self._due[0][0] <= time_s:
            due_s, _, action = heapq.heappop(self._due)
            self._forward(due_s)
            action()
        self._forward(time_s)

    def at(self, time_s: float, action: Callable[[], None]) -> None:
        """Run ``action`` once time gets there."""
        heapq.heappush(self._due, (time_s, next(self._order), action))

    def sleep(self, seconds: float) -> None:
        """``time.sleep``: time goes on, or, in a process, everyone else does."""
        if self._running is None:
            self.until(self.now_s + seconds)
        else:
            self.at(self.now_s + seconds, self._running.resume)
            self._running.pause()

    def spend(self, seconds: float) -> None:
        """Be busy: as a sleep, but timers of the same program wait until the call is over."""
        if self._running is None:
            self._clock.advance(seconds)
        elif seconds:
            self.sleep(seconds)

    def timer(self, interval: float, function: Callable[[], None]) -> "Timer":
        """Stands in for ``threading.Timer``."""
        return Timer(self, interval, function)

    def process(self, target: Callable, args=(), kwargs=None, daemon=None, name=None) -> "Process":
        """Stands in for ``multiprocessing.Process`` (and for a thread that sleeps)."""
        self._processes.append(Process(self, target, args, kwargs or {}))
        return self._processes[-1]

    def __enter__(self):
        self._patches = ExitStack()
        clocks = {
            **dict.fromkeys(("time", "monotonic", "perf_counter"), self._read_s),
            **dict.fromkeys(("time_ns", "monotonic_ns", "perf_counter_ns"), self._read_ns),
            "sleep": self.sleep,
        }
        self._patches.enter_context(patch.multiple(time, **clocks))
        context = SimpleNamespace(
            Process=self.process,
            Queue=queue.Queue,
            Event=threading.Event,
            Value=multiprocessing.Value,
        )
        self._patches.enter_context(
            patch.object(multiprocessing, "get_context", lambda method=None: context)
        )
        return self

    def __exit__(self, *error):
        for process in self._processes:
            process.kill()
        self._patches.close()

    def _forward(self, time_s: float) -> None:
        if time_s > self.now_s:
            self._clock.advance(time_s - self.now_s)

    def _read_s(self) -> float:
        self._clock.advance(CLOCK_READ_S)
        return self.now_s

    def _read_ns(self) -> int:
        return round(self._read_s() * 1e9)


class Timer:
    """A ``threading.Timer`` whose function runs when virtual time gets there."""

    daemon = True

    def __init__(self, world: VirtualTime, interval: float, function: Callable[[], None]):
        self._world, self._interval, self._function = world, interval, function
        self._cancelled = False

    def start(self) -> None:
        self._world.at(self._world.now_s + self._interval, self._fire)

    def cancel(self) -> None:
        self._cancelled = True

    def _fire(self) -> None:
        if not self._cancelled:
            self._function()


class Killed(BaseException):
    """Ends a process where it sleeps; no ``except Exception`` holds it up."""


class Process:
    """A process as a thread that runs only when it is its turn: from one sleep to the next."""

    def __init__(self, world: VirtualTime, target: Callable, args: tuple, kwargs: dict):
        self._world, self._target, self._args, self._kwargs = world, target, args, kwargs
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = self._killed = self._over = False
        self._error: BaseException | None = None

    def start(self) -> None:
        self._started = True
        self._thread.start()
        self.resume()

    def is_alive(self) -> bool:
        return self._started and not self._over

    def join(self, timeout: float) -> None:
        """Let time pass until the process is over, or the timeout is."""
        end_s = self._world.now_s + timeout
        while self.is_alive() and self._world.now_s < end_s:
            self._world.until(min(end_s, self._world.now_s + 0.01))

    def kill(self) -> None:
        self._killed = True
        self.resume()

    terminate = kill

    def resume(self) -> None:
        """Give the process its turn; it comes back when it sleeps or ends. Raises its error."""
        if not self.is_alive():
            return
        self._world._running = self
        self._go.release()
        self._back.acquire()
        self._world._running = None
        if self._error:
            raise self._error

    def pause(self) -> None:
        """Called by the process itself: let the others run."""
        self._back.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._target(*self._args, **self._kwargs)
        except Killed:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._over = True
            self._back.release()
