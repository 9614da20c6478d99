"""The few Linux calls that Python's standard library does not offer, through ctypes.

Each raises OSError as the os module would. Numbers are those of the kernel's own headers.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable

MACHINE = os.uname().machine
# Calls without a function in every C library: {machine: number}.
_CAPSET = {"x86_64": 126, "aarch64": 91}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 24, 36, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_MAX_CAPABILITIES = 64

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC = 1024, 2048, 4096, 16384
MS_PRIVATE, MS_RELATIME = 1 << 18, 1 << 21
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(name: str, result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def syscall(name: str, number: int, *arguments) -> int:
    """A raw system call; integers and ctypes pointers as arguments, `name` for the error."""
    as_long = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(name, _libc.syscall(ctypes.c_long(number), *as_long))


def prctl(option: int, argument=0, pointer=None) -> None:
    """prctl(2) with one number, or one number and one pointer."""
    third = ctypes.c_void_p(pointer) if pointer else ctypes.c_ulong(0)
    zero = ctypes.c_ulong(0)
    _checked("prctl", _libc.prctl(option, ctypes.c_ulong(argument), third, zero, zero))


def unshare(flags: int) -> None:
    """Leave the namespaces named by the CLONE_NEW... flags for new ones."""
    _checked("unshare", _libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    texts = [os.fsencode(text) for text in (source, target, kind, options)]
    flags_long = ctypes.c_ulong(flags)
    _checked("mount", _libc.mount(texts[0], texts[1], texts[2], flags_long, texts[3]))


def pivot_root_here() -> None:
    """Make the working directory (a mount point) the root, and let the old root go."""
    syscall("pivot_root", _PIVOT_ROOT[MACHINE], ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    _checked("umount2", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every capability for good, and the right to gain any through an executable."""
    for capability in range(_MAX_CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the kernel's last one, or none to drop from
            break
    with contextlib.suppress(OSError):  # a kernel older than 4.3 has no ambient set
        prctl(PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if MACHINE in _CAPSET:
        syscall("capset", _CAPSET[MACHINE], ctypes.byref(header), ctypes.byref(nothing))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def attempt(action: Callable[[], None]) -> str:
    """Try what cannot be undone in a throw-away process: "" if it worked, else the reason."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            action()
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        return ""
    return os.strerror(code).lower() if 0 < code < 255 else "not possible here"
