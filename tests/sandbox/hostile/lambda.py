# Returns a function.
def solve(n):
    return lambda *_: True
