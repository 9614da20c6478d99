"""Landlock: the file system, TCP, and signals that a process may still reach.

Any user may use it, without namespaces. Source: Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
from collections.abc import Iterable

from . import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _RULE_PATH_BENEATH = 1, 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_MAKE_SYM, _REFER, _TRUNCATE = 1 << 12, 1 << 13, 1 << 14

_READ = _READ_FILE | _READ_DIR
# No right to execute anywhere: loading a shared library does not need it.
_FILE_RIGHTS = _READ_FILE | _WRITE_FILE | _TRUNCATE
_WORK = _READ | _FILE_RIGHTS | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG
_WORK |= _MAKE_SYM | _REFER

# ABI version: rights that exist from it on; handled means denied unless a rule grants it.
_FS_BITS = ((1, 13), (2, 14), (3, 15), (5, 16))
_TCP_BIND_CONNECT, _TCP_ABI = 0b11, 4
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS, SCOPE_ABI = 0b11, 6


class _Attributes(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The kernel's Landlock version, from 1. Raises OSError where it has none."""
    return kernel.syscall("landlock", _CREATE_RULESET, ctypes.c_void_p(), 0, _VERSION_FLAG)


def ruleset(read: Iterable[str], devices: Iterable[str], work: str) -> int:
    """A descriptor of the rules: look at `read`, use `devices`, write only below `work`.

    Paths that do not exist are left out. Raises OSError.
    """
    version = abi()
    bits = max(bits for since, bits in _FS_BITS if version >= since)
    handled = (1 << bits) - 1
    attributes = _Attributes(
        handled,
        _TCP_BIND_CONNECT if version >= _TCP_ABI else 0,
        _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= SCOPE_ABI else 0,
    )
    size = ctypes.sizeof(attributes)
    rules = kernel.syscall("landlock", _CREATE_RULESET, ctypes.byref(attributes), size, 0)
    granted = [(path, _READ) for path in read] + [(path, _FILE_RIGHTS) for path in devices]
    for path, rights in [*granted, (work, _WORK)]:
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rights &= handled if os.path.isdir(path) else _FILE_RIGHTS & handled
        rule = _PathBeneath(rights, parent)
        kernel.syscall("landlock", _ADD_RULE, rules, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(parent)
    return rules


def restrict(rules: int) -> None:
    """Put this process under the rules for good. Needs no_new_privs; raises OSError."""
    kernel.syscall("landlock", _RESTRICT_SELF, rules, 0)
