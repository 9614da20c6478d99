"""Start a process that holds only what it is given, and end every process that it started."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable

from . import kernel

MAX_DESCRIPTORS = 256  # a worker's own limit, so that closing them all is cheap


def spawn(body: Callable[[], None], keep: Iterable[int]) -> int:
    """Fork a child that runs `body` and ends; its process id.

    It is in a session of its own, and holds the standard descriptors and those in `keep`.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        kernel.die_with_parent()
        _close_all_but(keep)
        body()
    finally:
        os._exit(1)


def _close_all_but(keep: Iterable[int]) -> None:
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = max(low, fd + 1)
    os.closerange(low, MAX_DESCRIPTORS)


def kill_namespace() -> None:
    """As process 1 of a PID namespace: kill everyone else in it, at once, and reap."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def kill_descendants(groups: Iterable[int] = ()) -> None:
    """Without a namespace, as a child subreaper: kill groups, then children until none is left.

    A grandchild whose parent dies becomes a child, so that nobody gets away by forking twice.
    """
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    while True:
        for pid in _descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return


def _descendants() -> list[int]:
    """Process ids below this one, the nearest first."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # "pid (name) state parent ...", where a name may hold anything
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
    found, level = [], {os.getpid()}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        found += level
    return found


def empty_directory(path: str) -> None:
    """Delete everything below `path`, however deep and whatever its permissions.

    Directories are moved up before they are emptied, so that neither the depth of a tree nor
    the length of its names can exhaust anything. Raises OSError if something stays.
    """
    number = 0
    while names := os.listdir(path):
        for name in names:
            entry = os.path.join(path, name)
            if os.path.islink(entry) or not os.path.isdir(entry):
                os.unlink(entry)
                continue
            os.chmod(entry, 0o700)
            for inner in os.listdir(entry):
                nested = os.path.join(entry, inner)
                if os.path.islink(nested) or not os.path.isdir(nested):
                    os.unlink(nested)
                    continue
                os.chmod(nested, 0o700)  # a directory that is moved must be writable itself
                while os.path.lexists(moved := os.path.join(path, f"{number}")):
                    number += 1
                os.rename(nested, moved)
            os.rmdir(entry)
