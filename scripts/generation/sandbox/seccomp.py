"""A seccomp filter: the system calls that a program being judged has no business with.

A list of what is refused, not of what is allowed, so that another Python or C library keeps
working; every call that is newer than the list is refused as unknown. Refusing socket() is
enough for the whole network, because no socket is ever inherited: what is left is a pair of
stream sockets that are connected to each other, and no call gives a socket an address.
"""

import ctypes
import errno
import struct

from . import kernel

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# name: (x86_64, aarch64), None where the machine has no such call.
_REFUSED = {
    # other programs and processes
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    # the network, and ways around it
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "setsockopt": (54, 208),  # no event loop needs one, and a filter is a program in the kernel
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # signals
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    # other processes' memory, files and scheduling
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setaffinity": (203, 122),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    # memory that outlives the process or escapes its limits
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # the kernel itself
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_CLONE, _CLONE3 = (56, 220), (435, 435)
_FCNTL, _PRLIMIT = (72, 25), (302, 261)
_SOCKETPAIR, _IOCTL = (53, 199), (16, 29)
_KILL_CALLS = ((62, 129), (234, 131))  # kill, tgkill: the process is the first argument of both
_FIRST_UNKNOWN = 450  # also refuses x86_64's second calling convention, numbered from 2**30

_CLONE_THREAD = 0x10000
# fcntl can have the kernel send any signal to any process of the same user.
_F_SETSIG, _F_SETOWN, _F_SETOWN_EX = 10, 8, 15
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902  # the same for a socket
_AF_UNIX, _SOCK_STREAM, _TYPE_MASK = 1, 1, 0xF

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AND = 0x54
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _UNKNOWN = 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
_NUMBER, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in seccomp_data, low halves
_MODE_FILTER = 2


def build(pid: int) -> bytes | None:
    """The filter of process `pid` as BPF instructions; None for a machine that it does not know."""
    if kernel.MACHINE not in _AUDIT_ARCH:
        return None
    column = list(_AUDIT_ARCH).index(kernel.MACHINE)

    def when(number: int, *body: bytes) -> list[bytes]:
        """Run `body` for this call only; it ends in a return."""
        return [_step(_EQUAL, number, 0, len(body)), *body]

    steps = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _AUDIT_ARCH[kernel.MACHINE], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _FIRST_UNKNOWN, 0, 1),
        _step(_RETURN, _UNKNOWN),
        # Its flags lie in memory, where a filter cannot look: the C library falls back to clone.
        *when(_CLONE3[column], _step(_RETURN, _UNKNOWN)),
        *when(
            _CLONE[column],
            _step(_LOAD, _ARG0),
            _step(_ANY_BIT, _CLONE_THREAD, 1, 0),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ),
        *when(
            _FCNTL[column],
            _step(_LOAD, _ARG1),
            _step(_EQUAL, _F_SETSIG, 2, 0),
            _step(_EQUAL, _F_SETOWN, 1, 0),
            _step(_EQUAL, _F_SETOWN_EX, 0, 1),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ),
        # Two ends of one stream, both its own: what an event loop wakes itself by. Datagrams are
        # refused, because such a pair can still be sent to an address, and so are other families.
        *when(
            _SOCKETPAIR[column],
            _step(_LOAD, _ARG0),
            _step(_EQUAL, _AF_UNIX, 0, 3),
            _step(_LOAD, _ARG1),
            _step(_AND, _TYPE_MASK),
            _step(_EQUAL, _SOCK_STREAM, 1, 0),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ),
        *when(
            _IOCTL[column],
            _step(_LOAD, _ARG1),
            _step(_EQUAL, _FIOSETOWN, 1, 0),
            _step(_EQUAL, _SIOCSPGRP, 0, 1),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ),
        *when(  # its own limits, which it can only lower
            _PRLIMIT[column],
            _step(_LOAD, _ARG0),
            _step(_EQUAL, 0, 1, 0),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ),
    ]
    for numbers in _KILL_CALLS:
        # To itself only: a program may raise a signal, and can do no more than end itself.
        steps += when(
            numbers[column],
            _step(_LOAD, _ARG0),
            _step(_EQUAL, pid, 1, 0),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        )
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            steps += when(numbers[column], _step(_RETURN, _REFUSE))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, k)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install(steps: bytes) -> None:
    """Put this process under the filter for good. Needs no_new_privs; raises OSError."""
    program = _Program(len(steps) // 8, steps)
    kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))
