"""Judges generated code: does a program pass its task's tests, without being trusted.

The tests and the program never share a process, so a program can only pass by answering
right: see `pool` for what a caller uses, `worker` for how the processes are laid out, `jail`
for what stands between a program and the machine.
"""

from .compatibility import incompatibility
from .errors import is_inconclusive
from .jail import LAYERS, Protection
from .pool import Check, Pool, SandboxError, Verdict

__all__ = [
    "LAYERS",
    "Check",
    "Pool",
    "Protection",
    "SandboxError",
    "Verdict",
    "incompatibility",
    "is_inconclusive",
]
