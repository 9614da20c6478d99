# Writes 300 MB of files.
for number in range(30):
    with open(f"file{number}", "wb") as file:
        file.write(b"x" * (10 << 20))


def solve(n):
    return None
