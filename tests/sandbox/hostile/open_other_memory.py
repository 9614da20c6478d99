# Opens another process's memory and descriptors.
# Answers right only if that worked.
import os

ANSWERS = {3: 4711, 5: 2718}
VICTIM = int("@VICTIM@")


def attempt():
    for pid in {VICTIM, os.getppid(), os.getpid() - 1, os.getpid() + 1}:
        for name in ("mem", "environ", "maps", "fd/0"):
            try:
                os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
                return True
            except OSError:
                pass
    return False


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
