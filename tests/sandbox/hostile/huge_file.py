# Writes one file of a gigabyte.
with open("file", "wb") as file:
    for _ in range(1024):
        file.write(b"x" * (1 << 20))


def solve(n):
    return None
