# Empties the builtins.
import builtins

for name in list(vars(builtins)):
    if name != "delattr":
        delattr(builtins, name)


def solve(n):
    return None
