# Has the kernel signal another process when a pipe gets data.
# Answers right only if that worked.
import fcntl
import os
import signal

ANSWERS = {3: 4711, 5: 2718}
VICTIM = int("@VICTIM@")


def attempt():
    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, VICTIM)
    fcntl.fcntl(read, 10, signal.SIGKILL)  # F_SETSIG
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    return True


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
