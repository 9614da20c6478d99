# Works out a number of a billion digits.
def solve(n):
    return str(n ** (10**9))
