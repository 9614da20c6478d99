# Connects to a Unix socket in the file system.
# Answers right only if that worked.
import socket

ANSWERS = {3: 4711, 5: 2718}


def attempt():
    socket.socket(socket.AF_UNIX).connect("@SOCKET@")
    return True


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
