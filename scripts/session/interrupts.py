"""Ctrl-C ends a program with one line: its first import, so that this holds while it imports the
rest, some of which take seconds."""

import os
import sys

_default_hook = sys.excepthook


def _excepthook(kind, error, traceback) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(f"{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr)
    else:
        _default_hook(kind, error, traceback)


sys.excepthook = _excepthook
