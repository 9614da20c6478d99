"""One run of Snakemake at a time measures into a campaign; and what a killed one left locked is
freed, so that the same command goes on."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from metering.locks import HeldError, Lock, LockError, describe_holder
from session.exclusive import BusyError

# Where Snakemake keeps which files its runs read and write.
SNAKEMAKE = Path(".snakemake", "locks")


class Run:
    """This run, from when its plan is read.

    Args:
        campaign: The campaign's folder.
    """

    def __init__(self, campaign: Path) -> None:
        self._name = campaign.name
        self._path = campaign / "partial" / "run.lock"
        self._others = _snakemake_locks()

    def free_killed(self, say: Callable[[str], None]) -> None:
        """Removes what a run of this campaign that was killed on this host has left locked."""
        if not self._path.exists():
            return
        lock = Lock(self._path, "a look at it")
        try:
            lock.acquire()
        except (HeldError, LockError):
            return
        if lock.previous.get("host") != socket.gethostname():
            lock.restore_previous()
            return
        for path in {
            Path(name) for name in lock.previous.get("locks", "").split("\n")
        } & _snakemake_locks():
            path.unlink(missing_ok=True)
        before = describe_holder(lock.previous)
        say(f"{before}, was killed: it holds {self._name} no more, which goes on")
        lock.release()
        self._others = _snakemake_locks()

    def hold(self, measures: bool) -> None:
        """Holds the campaign until this process ends.

        Args:
            measures: Whether anything is measured: others may analyse or fetch meanwhile.

        Raises:
            BusyError: Another run measures into the campaign.
        """
        locks = "\n".join(str(path) for path in sorted(_snakemake_locks() - self._others))
        lock = Lock(self._path, f"a run of campaign {self._name}", locks=locks)
        try:
            lock.acquire()
        except HeldError as held:
            if measures:
                raise BusyError(
                    f"campaign '{self._name}' is being measured already"
                    f" ({describe_holder(held.holder)}); run the same command again when"
                    " that has ended, or choose another name (--config campaign=NAME)"
                ) from None
        except LockError:
            pass  # each session says that it cannot lock
        else:
            atexit.register(_release, lock, os.getpid())


def _release(lock: Lock, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError):
            lock.release()


def _snakemake_locks() -> set[Path]:
    return set(SNAKEMAKE.absolute().iterdir()) if SNAKEMAKE.is_dir() else set()
