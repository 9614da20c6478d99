"""The program that a pool starts: a warm, jailed process that forks twice for each check.

    caller -> watcher -> zygote (process 1 of the jail) -> candidate, judge

The watcher ends the rest when the caller is gone. The zygote has the usual modules loaded,
and never reads a request: each child takes its own part from standard input, so that no
process in which generated code runs has ever held the tests, not even those of another check.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from generation.sandbox import candidate, judge, kernel, packages, processes, semaphores, wire
from generation.sandbox.jail import THREADS, Jail, choose_plan

del sys.path[0]

_REQUESTS, _ANSWERS = 0, 1
_DIRECTORY = "check"
_PROCESSORS = 4
_STACK_BYTES = 8 << 20
_WARM = (
    "abc array ast asyncio base64 bisect calendar cmath collections contextlib copy ctypes",
    "dataclasses datetime decimal enum fractions functools hashlib heapq inspect io itertools json",
    "math numbers operator queue random re statistics string struct textwrap threading time",
    "traceback types typing unicodedata uuid",
)


def main() -> None:
    """Divide into watcher and zygote; the settings are the first argument, as JSON."""
    settings = json.loads(sys.argv[1])
    base = os.getcwd()
    os.environ.clear()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 is immune to what it does not handle
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = processes.MAX_DESCRIPTORS
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    answers = os.dup(_ANSWERS)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    caller = _pidfd(settings["caller"])
    if os.getppid() != settings["caller"]:
        return  # it was gone before we could watch it
    for name in " ".join(_WARM).split():
        importlib.import_module(name)
    offered = settings["jail"]["packages"]
    packages.make_importable(offered)
    _make_uniform(settings["jail"]["memory_mb"])

    plan, reason = choose_plan(base, settings["jail"]["layers"], offered)
    if plan is None or not plan.own_root:
        semaphores.install()
    if plan:
        plan.divide()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    zygote = processes.spawn(lambda: _zygote(base, settings, plan, reason, answers), keep=[answers])
    os.close(_REQUESTS)
    os.close(answers)
    _watch(zygote, caller, base)


def _make_uniform(memory_mb: int) -> None:
    """What a program finds alike on every machine: processors, stacks of threads, output."""

    def cpu_count():
        return _PROCESSORS

    os.cpu_count = cpu_count
    if hasattr(os, "process_cpu_count"):
        os.process_cpu_count = cpu_count
    # The C library takes the caller's limit otherwise; all threads fit into half of the memory.
    threading.stack_size(min(_STACK_BYTES, (memory_mb << 19) // THREADS >> 16 << 16))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # any text can be printed


def _watch(zygote: int, caller: int | None, base: str) -> None:
    """Wait until the zygote or the caller ends or asks us to, then leave nothing behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        poller = select.poll()
        own = _pidfd(zygote)
        if own is None or caller is None:  # an old kernel: the end of standard input must do
            os.waitid(os.P_PID, zygote, os.WEXITED | os.WNOWAIT)
        else:
            poller.register(own, select.POLLIN)
            poller.register(caller, select.POLLIN)
            poller.poll()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        processes.kill_descendants()
        with contextlib.suppress(OSError):
            processes.empty_directory(base)
            os.rmdir(base)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _zygote(base, settings, plan, reason, answers) -> None:
    """Enter the jail, say what it is worth, then check until standard input ends."""
    try:
        jail = Jail(base, plan, reason, **settings["jail"])
        protections = [[p.name, p.on, p.detail] for p in jail.protections()]
    except OSError as error:
        wire.send(answers, {"error": str(error)})
        return
    gc.collect()
    gc.freeze()  # the children do not touch, and so do not copy, what is here now
    wire.send(answers, {"protections": protections})
    poller = select.poll()
    poller.register(_REQUESTS, select.POLLIN)
    while all(event == select.POLLIN for _, event in poller.poll()):
        if not _check(jail, answers):
            return


def _check(jail: Jail, answers: int) -> bool:
    """One check: fork both, wait for the verdict, end both. False if the worker must end too."""
    calls, results, verdict = os.pipe(), os.pipe(), os.pipe()
    os.mkdir(_DIRECTORY)

    def serve():
        os.chdir(_DIRECTORY)
        candidate.serve(_REQUESTS, calls[0], results[1], jail.confine)

    def decide():
        os.chdir(_DIRECTORY)  # the same: a file that one of them writes is for the other to read
        judge.judge(_REQUESTS, calls[1], results[0], verdict[1], jail.confine)

    children = [
        processes.spawn(serve, keep=[calls[0], results[1], *jail.descriptors]),
        processes.spawn(decide, keep=[calls[1], results[0], verdict[1], *jail.descriptors]),
    ]
    for fd in (*calls, *results, verdict[1]):
        os.close(fd)
    in_step = _has_data(verdict[0], None) and os.read(verdict[0], 1) == judge.IN_STEP
    deadline = time.monotonic() + jail.timeout_s
    decided = in_step and _has_data(verdict[0], deadline)
    late = time.monotonic() >= deadline
    jail.end_check(children)  # before the answer: nothing of a check runs on after it
    if decided:  # straight from pipe to pipe: what it says may tell of the tests
        os.splice(verdict[0], answers, select.PIPE_BUF)
    elif in_step:
        wire.send(answers, [False, "timed out" if late else "failed: the tests were killed"])
    os.close(verdict[0])
    return in_step


def _has_data(fd: int, deadline: float | None) -> bool:
    """Wait for data; False at the deadline, at the pipe's end, or if the caller is gone."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.register(_REQUESTS, 0)  # hang-ups only
    left_ms = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    return bool(dict(poller.poll(left_ms)).get(fd, 0) & select.POLLIN)


if __name__ == "__main__":
    main()
