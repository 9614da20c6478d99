# Writes into another process's memory.
# Answers right only if that worked.
import ctypes
import errno

ANSWERS = {3: 4711, 5: 2718}
VICTIM = int("@VICTIM@")


def denied():
    return ctypes.get_errno() in (errno.EPERM, errno.ESRCH)


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    calls = (libc.process_vm_readv, libc.process_vm_writev)
    # A bad address would be an error as well, but not this one.
    return not all(c(VICTIM, vector, 1, vector, 1, 0) < 0 and denied() for c in calls)


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
