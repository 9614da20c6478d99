"""Namespaces: a process tree, a network, a file system of one's own.

Entered in two steps, because only a child is in a new PID namespace: `divide` in the process
that watches, `enclose` in its child. What a system permits is found out by trying.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from . import kernel

NOBODY = 65534
WORK_MB, WORK_FILES = 64, 4096
_WORK_OPTIONS = f"size={WORK_MB}m,nr_inodes={WORK_FILES},mode=0700"
_TMP = "/tmp"
_INNER = kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
# Flags that a mount inherited from outside must keep when it is remounted: {statvfs: mount}.
_KEPT_FLAGS = {
    os.ST_NOSUID: kernel.MS_NOSUID,
    os.ST_NODEV: kernel.MS_NODEV,
    os.ST_NOEXEC: kernel.MS_NOEXEC,
    os.ST_NOATIME: kernel.MS_NOATIME,
    os.ST_NODIRATIME: kernel.MS_NODIRATIME,
    os.ST_RELATIME: kernel.MS_RELATIME,
}


@dataclass(frozen=True)
class Plan:
    """Which of them to enter: through a user namespace or as root, with its own root or not."""

    user: bool
    own_root: bool

    def divide(self) -> None:
        """New user and PID namespaces; the next child is its process 1. Raises OSError."""
        if self.user:
            _unshare_user(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID)
        else:
            kernel.unshare(kernel.CLONE_NEWPID)

    def enclose(self, base: str, read: Sequence[str], devices: Sequence[str]) -> str:
        """New network, mount, IPC and UTS namespaces, in the child; where to work. Raises OSError.

        `base` is an empty directory, from now on in memory and limited. With an own root the
        place to work is /tmp of that root, where programs expect to write, and /dev/shm is the
        same place; it keeps the path of `base` if something below /tmp must stay readable.
        """
        kernel.unshare(_INNER)
        kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)  # nothing goes back
        if not self.own_root:
            _mount_memory(base, _WORK_OPTIONS)
            return base
        _mount_memory(base, "size=1m,mode=0755")
        for path in read:
            os.makedirs(base + path, exist_ok=True) if os.path.isdir(path) else _touch(base + path)
            _bind_read_only(path, base + path)
        for path in devices:
            _touch(base + path)
            kernel.mount(path, base + path, flags=kernel.MS_BIND)
        work = base if os.path.lexists(base + _TMP) else _TMP
        os.makedirs(base + work)
        _mount_memory(base + work, _WORK_OPTIONS)
        # Named semaphores and shared memory, deleted with the rest when a check ends.
        os.symlink(work, base + "/dev/shm")
        os.chdir(base)
        kernel.pivot_root_here()
        read_only = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
        kernel.mount("", "/", flags=read_only | kernel.MS_NOSUID | kernel.MS_NODEV)
        return work


def choose(base: str, read: Sequence[str], devices: Sequence[str]) -> tuple[Plan | None, str]:
    """The strongest plan that this system lets us carry out, or None and the reason."""
    reason = ""
    for user in (True, False) if os.geteuid() == 0 else (True,):
        for own_root in (True, False):
            plan = Plan(user, own_root)

            def carry_out(plan=plan):
                plan.divide()
                plan.enclose(base, read, devices)

            reason = kernel.attempt(carry_out)
            if not reason:
                return plan, ""
    return None, reason


def become_nobody(work: str, needed: str) -> bool:
    """Root steps down to the user nobody if `work` and the file `needed` stay in reach."""
    if os.geteuid() != 0:
        return False
    try:
        os.chown(work, NOBODY, NOBODY)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, 0)
    except OSError:  # a user namespace that knows one user only
        return False
    if os.access(needed, os.R_OK) and os.access(work, os.W_OK | os.X_OK):
        os.setresuid(NOBODY, NOBODY, NOBODY)
        return True
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    os.chown(work, 0, 0)
    return False


def _unshare_user(flags: int) -> None:
    """A new user namespace where everyone is himself: the machine's root, and nobody to become.

    Two users can only be mapped from outside, so a child stays there to try it. Where that is
    not permitted, the user maps himself alone.
    """
    uid, gid, pid = os.geteuid(), os.getegid(), os.getpid()
    wait, go = os.pipe()
    mapper = os.fork()
    if mapper == 0:
        try:
            os.close(go)
            os.read(wait, 1)
            for name in ("uid_map", "gid_map"):
                _write(f"/proc/{pid}/{name}", f"0 0 1\n{NOBODY} {NOBODY} 1\n")
            os._exit(0)
        finally:
            os._exit(1)
    try:
        kernel.unshare(flags)
    finally:
        os.close(wait)
        os.close(go)
        failed = os.waitpid(mapper, 0)[1]
    if failed:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{uid} {uid} 1\n")
        _write("/proc/self/gid_map", f"{gid} {gid} 1\n")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _touch(path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))


def _mount_memory(target: str, options: str) -> None:
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)


def _bind_read_only(source: str, target: str) -> None:
    kernel.mount(source, target, flags=kernel.MS_BIND | kernel.MS_REC)
    had = os.statvfs(target).f_flag
    kept = sum(mount for stat, mount in _KEPT_FLAGS.items() if had & stat)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    kernel.mount("", target, flags=flags | kept)
