"""Ctrl-C ends a program with one line: its first import, so that this holds while it imports the
rest, some of which take seconds."""

import os
import sys

_report = sys.excepthook


def _one_line(kind, error, traceback) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(f"{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr)
    else:
        _report(kind, error, traceback)


sys.excepthook = _one_line
