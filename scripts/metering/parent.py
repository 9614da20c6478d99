"""The sampler ends with the process that started it, whatever either of them is doing."""

import ctypes
import os
import select
import signal
import threading
import time

from metering.meter import MeterError

PR_SET_PDEATHSIG = 1  # prctl(2)
# For the last samples; a driver that blocks for longer is not waited for.
GRACE_S = 5.0
# Where the kernel gives no descriptor of a process.
LOOK_EVERY_S = 1.0


def end_with(parent: int) -> None:
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


def _watch(parent: int) -> None:
    _wait_for_end(parent)
    time.sleep(GRACE_S)
    os._exit(1)


def _wait_for_end(parent: int) -> None:
    try:
        descriptor = os.pidfd_open(parent)
    except (AttributeError, OSError):  # an old kernel, a sandbox, or it has just ended
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY_S)
        return
    if os.getppid() == parent:  # else the number may already be another's
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    os.close(descriptor)
