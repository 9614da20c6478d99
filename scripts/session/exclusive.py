"""A session is measured by one process at a time, and a machine measures one session at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from metering.locks import (
    HeldError,
    Lock,
    LockError,
    describe_holder,
    wait_for,
    was_written_recently,
)
from metering.parent import interrupt_with
from metering.torn import is_free
from session.progress import Progress

# One for all users of a machine. Containers and jobs with a /tmp of their own can be told one that
# they share; empty: none.
VARIABLE = "INFERENCE_ENERGY_LOCK"
MACHINE = "/tmp/inference-energy.lock"
# The sampler writes each second.
LATELY_S = 15.0
PATIENCE_S = 15.0
INTERRUPTED = "interrupted; what is finished is kept, and the same command goes on"


class BusyError(RuntimeError):
    """Another process measures the same session; one line that says how to go on."""


@contextlib.contextmanager
def exclusive_session(
    session: str, partial: Path, final: Path, ancestor: int | None
) -> Iterator[bool]:
    """The block in which a session is measured: whether there is anything to measure. Waits while
    another session is measured on this machine: each would measure the other.

    Args:
        partial: The campaign's folder of unfinished sessions.
        final: The session's own folder.
        ancestor: The process that the block ends with, as by Ctrl-C; None: no other.

    Raises:
        BusyError: Another process measures this session.
        RecordingError: The session's folder holds what is no whole session.
    """
    interrupt_with(ancestor)
    say = Progress(session, 1).say
    what = f"session {session} of campaign {partial.absolute().parent.name}"
    with _lock_session(partial, session, what, say):
        if not is_free(final):
            # By another run, since this one was planned.
            say("is measured already")
            yield False
            return
        with _lock_machine(what, say):
            yield True


@contextlib.contextmanager
def _lock_session(
    partial: Path, session: str, what: str, say: Callable[[str], None]
) -> Iterator[None]:
    lock = Lock(partial / f"{session}.lock", what)
    try:
        # That of a run which was killed ends soon.
        wait_for(lock, lambda whom: say(f"is held by {whom}"), PATIENCE_S)
    except HeldError as held:
        raise BusyError(_refusal(session, held.holder)) from None
    except LockError as error:
        say(f"that nobody else measures this session is not known: {error}")
    else:
        _refuse_active(lock, partial, session)
    try:
        yield
    finally:
        lock.release()


def _refuse_active(lock: Lock, partial: Path, session: str) -> None:
    """Not every shared file system shows one host the locks of another: but samples that are being
    written are seen."""
    if lock.previous.get("host", socket.gethostname()) == socket.gethostname():
        return
    traces = partial.glob(f"{session}-*/trace.csv")
    if any(was_written_recently(trace, LATELY_S) for trace in traces):
        refusal = _refusal(session, lock.previous)
        lock.restore_previous()
        raise BusyError(refusal)


def _refusal(session: str, holder: dict[str, str]) -> str:
    if not holder:
        return f"{session} is being measured by another process; wait for it and run again"
    there = "" if holder["host"] == socket.gethostname() else f" there ({holder['host']})"
    return (
        f"{session} is being measured already ({describe_holder(holder)}); run the same command"
        f" again when that has ended, or end it with: kill {holder['pid']}{there}"
    )


@contextlib.contextmanager
def _lock_machine(what: str, say: Callable[[str], None]) -> Iterator[None]:
    path = os.environ.get(VARIABLE, MACHINE)
    if not path:
        yield
        return
    lock = Lock(Path(path), what, shared=True)
    try:
        wait_for(lock, lambda whom: say(f"waits until nothing else is measured here: {whom}"))
    except LockError as error:
        say(f"that nothing else is measured here is not known: {error}")
    try:
        yield
    finally:
        lock.release()
