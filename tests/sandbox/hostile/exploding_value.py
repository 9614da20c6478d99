# Returns a small structure that is huge when it is written out.
def solve(n):
    value = [0] * 1000
    for _ in range(20):
        value = [value] * 1000
    return value
