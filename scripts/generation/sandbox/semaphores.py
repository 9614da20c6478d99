"""Semaphores of multiprocessing where the jail has no memory of its own to name them in.

No program can start a process here, so that one that only its threads see is as good. What it has
to offer is what `multiprocessing.synchronize` takes of `_multiprocessing.SemLock`.
"""

import _multiprocessing
import multiprocessing.heap
import threading


class SemLock:
    """A recursive mutex (kind 0) or a semaphore (kind 1), among threads."""

    SEM_VALUE_MAX = _multiprocessing.SemLock.SEM_VALUE_MAX
    handle = 0

    def __init__(self, kind, value, maxvalue, name, unlink):
        self.kind, self.maxvalue, self.name = kind, maxvalue, None if unlink else name
        self._value, self._free = value, threading.Condition()
        self._owner, self._depth = None, 0

    def acquire(self, block=True, timeout=None):
        if self.kind == 0 and self._is_mine():
            self._depth += 1
            return True
        if block and timeout is not None:
            timeout = max(0.0, timeout)
        with self._free:
            if not self._free.wait_for(lambda: self._value, timeout if block else 0):
                return False
            self._value -= 1
            self._owner = threading.get_ident()
            self._depth += 1
        return True

    def release(self):
        if self.kind == 0:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._depth > 1:
                self._depth -= 1
                return
        with self._free:
            if self._value >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            self._depth -= 1
            self._value += 1
            self._free.notify()

    def _count(self):
        return self._depth

    def _is_mine(self):
        return self._depth > 0 and self._owner == threading.get_ident()

    def _get_value(self):
        return self._value

    def _is_zero(self):
        return self._value == 0

    def _after_fork(self):
        self._depth = 0

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_):
        self.release()


def install() -> None:
    """Put it in the place of the kernel's, in this process and its children."""
    _multiprocessing.SemLock = SemLock
    multiprocessing.heap.Arena._dir_candidates = []  # shared values lie where the program works
