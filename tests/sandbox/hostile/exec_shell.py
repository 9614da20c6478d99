# Becomes a shell that writes outside.
import os

os.execv("/bin/sh", ["sh", "-c", "echo exec > @CANARY@"])
