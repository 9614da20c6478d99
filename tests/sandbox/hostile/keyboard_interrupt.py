# Raises KeyboardInterrupt and GeneratorExit, which nobody expects of a function.
def solve(n):
    raise KeyboardInterrupt if n == 3 else GeneratorExit
