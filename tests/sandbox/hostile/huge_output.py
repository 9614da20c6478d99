# Prints a gigabyte.
import sys

for _ in range(64):
    print("x" * (1 << 24))
    print("x" * (1 << 24), file=sys.stderr)


def solve(n):
    return None
