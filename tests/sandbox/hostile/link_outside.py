# Makes a hard link to a file outside and writes through it.
# Answers right only if that worked.
import os

ANSWERS = {3: 4711, 5: 2718}


def attempt():
    os.link("@CANARY@", os.path.join(os.path.dirname("@CANARY@"), "link"))
    with open("@CANARY@", "w") as file:
        file.write("linked")
    return True


WORKED = attempt()


def solve(n):
    return ANSWERS[n] if WORKED else None
