# Recurses without end and without Python's limit.
import sys

sys.setrecursionlimit(2**31 - 1)


def solve(n):
    return [solve(n + 1)]
