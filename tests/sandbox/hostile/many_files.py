# Makes ten thousand files.
for number in range(10000):
    open(f"file{number}", "w").close()


def solve(n):
    return None
