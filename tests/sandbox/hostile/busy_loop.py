# Loops for ever, at import.
while True:
    pass
