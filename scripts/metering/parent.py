"""The sampler ends with the process that started it, whatever either of them is doing; and a
session with Snakemake, though there is a shell between them."""

import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable

from metering.meter import MeterError

PR_SET_PDEATHSIG = 1  # prctl(2)
# For the last samples; a driver that blocks for longer is not waited for.
GRACE_S = 5.0
# For a session, whose sampler and checkers end first.
SESSION_GRACE_S = 60.0
# Where the kernel gives no descriptor of a process.
POLL_S = 1.0


def terminate_with(parent: int) -> None:
    """Stop this process by SIGTERM when its parent dies, even where a fork of the parent keeps our
    standard input open; and for good some seconds later, even where a call into a driver blocks.

    Raises MeterError where the parent has died before: the kernel tells only of what comes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise MeterError(f"process {parent}, which started the sampler, has ended")
    # Python runs handlers of signals between calls; a thread goes on while one blocks.
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def interrupt_with(ancestor: int | None) -> None:
    """From now on this process is interrupted, as by Ctrl-C, when another one ends (None: there is
    none), and by SIGTERM and by a closed terminal: what it measured is then put away."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _interrupt)
    if ancestor is not None:
        threading.Thread(target=_interrupt_after, args=(ancestor,), daemon=True).start()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _interrupt_after(ancestor: int) -> None:
    _wait_for_end(ancestor, lambda: _is_alive(ancestor))
    # Not SIGINT: what a script starts behind its back has that ignored.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SESSION_GRACE_S)
    os._exit(1)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _watch(parent: int) -> None:
    _wait_for_end(parent, lambda: os.getppid() == parent)
    time.sleep(GRACE_S)
    os._exit(1)


def _wait_for_end(pid: int, lives: Callable[[], bool]) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):  # an old kernel, a sandbox, or it has just ended
        while lives():
            time.sleep(POLL_S)
        return
    if lives():  # else the number may already be another's
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    os.close(descriptor)
