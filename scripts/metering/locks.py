"""A lock on a file that ends with the process that holds it, however that ends.

A record lock of the kernel (fcntl(2)): no fork inherits it, and on NFS it holds between hosts. Who
holds it stands in the file, for people to read; where the kernel knows of no holder, it is dead.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import socket
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

MOST_BYTES = 1 << 16


class LockError(RuntimeError):
    """The file cannot be locked, for whatever reason but that another holds it; one line."""


class HeldError(RuntimeError):
    """Another holds the lock.

    Attributes:
        holder: What stands in the file; empty where that cannot be read.
    """

    def __init__(self, path: Path, holder: dict[str, str]) -> None:
        super().__init__(f"{path} is held by {describe_holder(holder)}")
        self.holder = holder


class Lock:
    """A block that only one process is in.

    Args:
        path: The file.
        what: What is done in the block, in words for others.
        shared: Whether other users lock it too: then it is anybody's to write, and stays.
        facts: What else stands in the file.
    """

    def __init__(self, path: Path, what: str, *, shared: bool = False, **facts: str) -> None:
        self.path = path
        self._facts = {"what": what, **facts}
        self._shared = shared
        self._file: int | None = None
        self.previous: dict[str, str] = {}

    def __enter__(self) -> Lock:
        """Raises HeldError, LockError. `previous` is then the holder that ended without
        releasing it; empty where there was none."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Takes the lock. Raises HeldError, LockError."""
        while self._file is None:
            file = self._open_file()
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it may have removed the file between our two steps.
                if self._is_current(file):
                    self.previous = _read(file)
                    _write(file, self._holder_facts())
                    self._file = file
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise HeldError(self.path, _read(file)) from None
                raise LockError(f"{self.path} cannot be locked: {error.strerror}") from None
            finally:
                if self._file is None:
                    os.close(file)

    def release(self) -> None:
        """Lets others hold the lock."""
        if self._file is None:
            return
        try:
            if self._shared:
                os.ftruncate(self._file, 0)
            else:
                self.path.unlink(missing_ok=True)
        finally:
            os.close(self._file)
            self._file = None

    def restore_previous(self) -> None:
        """Writes the holder before us back and lets go: it is alive after all, on a host whose
        locks are not seen here."""
        _write(self._file, self.previous)
        os.close(self._file)
        self._file = None

    def _open_file(self) -> int:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            if not self._shared:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                return os.open(self.path, flags | os.O_CREAT, 0o666)
            # In a folder like /tmp a kernel refuses O_CREAT on what is another user's.
            try:
                file = os.open(self.path, flags)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.close(os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666))
                    self.path.chmod(0o666)
                file = os.open(self.path, flags)
        except OSError as error:
            raise LockError(f"{self.path} cannot be opened: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise LockError(f"{self.path} is no file")
        return file

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _holder_facts(self) -> dict[str, str]:
        return {
            **self._facts,
            "pid": str(os.getpid()),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def describe_holder(holder: dict[str, str]) -> str:
    """Who holds a lock, in words for a message; `holder` is what stands in the lock's file."""
    if not holder:
        return "another process"
    return "{what}: process {pid} on {host}, since {since}".format_map(holder)


def was_written_recently(path: Path, within_s: float) -> bool:
    """Whether a file was written within so many seconds, by the clock of its file system, which
    other hosts share."""
    probe = path.with_name(f"{path.name}.{os.getpid()}.clock")
    try:
        written_s = path.stat().st_mtime
        probe.touch()
        now_s = probe.stat().st_mtime
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return now_s - written_s < within_s


def _read(file: int) -> dict[str, str]:
    """The holder; what other users may have written there is not believed to be in order."""
    try:
        found = json.loads(os.pread(file, MOST_BYTES, 0))
        line = {key: str(found[key])[:200] for key in ("what", "pid", "host", "since")}
    except (ValueError, KeyError, TypeError, OSError):
        return {}
    line = {key: "".join(c for c in value if c.isprintable()) for key, value in line.items()}
    return {key: str(value) for key, value in found.items()} | line


def _write(file: int, holder: dict[str, str]) -> None:
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode(), 0)


def wait_for(
    lock: Lock, say: Callable[[str], None], patience_s: float = math.inf, every_s: float = 0.5
) -> None:
    """Takes the lock as soon as nobody else holds it; says whom it waits for.

    Raises HeldError after so long, LockError.
    """
    waited, deadline_s = None, time.monotonic() + patience_s
    while True:
        try:
            return lock.acquire()
        except HeldError as held:
            if time.monotonic() > deadline_s:
                raise
            if held.holder != waited:
                waited = held.holder
                say(describe_holder(waited))
            time.sleep(every_s)
