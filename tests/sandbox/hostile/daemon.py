# Forks twice into a session of its own, and writes outside once it is forgotten.
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.2)
        with open("@CANARY@", "w") as file:
            file.write("daemon")
        time.sleep(1e6)
    os._exit(0)


def solve(n):
    return None
