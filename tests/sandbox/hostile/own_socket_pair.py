# Has the kernel signal another process when a socket gets data.
# Answers right only if that worked.
import fcntl
import os
import socket
import struct

VICTIM = int("@VICTIM@")

ANSWERS = {3: 4711, 5: 2718}


def attempt():
    one, other = socket.socketpair()
    for request in (0x8901, 0x8902):  # FIOSETOWN, SIOCSPGRP
        fcntl.ioctl(one, request, struct.pack("i", VICTIM))
    fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
    other.send(b"x")
    return True


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
