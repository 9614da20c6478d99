"""Ctrl-C ends a program with one line: its first import, so that this holds while it imports the
rest, some of which take seconds."""

import sys
from pathlib import Path
from types import TracebackType

_report = sys.excepthook


def _one_line(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
    else:
        _report(kind, error, traceback)


sys.excepthook = _one_line
