# Sleeps for ever.
import time


def solve(n):
    time.sleep(1e6)
