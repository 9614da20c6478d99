# Returns a list that holds itself, several times.
def solve(n):
    cycle = []
    cycle.extend([cycle, cycle, cycle])
    return cycle
