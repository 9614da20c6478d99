# Ends at once with exit code 0, past every handler.
import os

os._exit(0)
