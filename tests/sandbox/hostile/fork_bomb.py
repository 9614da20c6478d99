# Forks until there are sixty-four of it, none of which ends.
import os
import time

for _ in range(6):
    os.fork()
time.sleep(1e6)
