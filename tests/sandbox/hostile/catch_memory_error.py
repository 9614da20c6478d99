# Takes all the memory there is, and goes on when it is refused.
def solve(n):
    hoard = []
    while True:
        try:
            hoard.append(bytearray(1 << 20))
        except MemoryError:
            hoard.append(None)
