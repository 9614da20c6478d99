# Signals a thread of another process.
# Answers right only if that worked.
import ctypes
import os

VICTIM = int("@VICTIM@")

ANSWERS = {3: 4711, 5: 2718}


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
    return libc.syscall(number, VICTIM, VICTIM, 9) == 0


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
