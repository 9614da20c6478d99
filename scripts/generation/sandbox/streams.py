"""Standard streams that a test has replaced reach the program, and its output the test.

Each message carries a text and a function: from the tests what their standard input holds and
their `input`, where they have replaced them; from the program what it has printed.
"""

import builtins
import io
import sys

_MOST_CHARS = 1 << 20


class Tests:
    """The side of the tests."""

    def __init__(self):
        self._stdin, self._input = sys.stdin, builtins.input

    def outgoing(self) -> tuple:
        text = None if sys.stdin is self._stdin else sys.stdin.read()
        return text, None if builtins.input is self._input else builtins.input

    def receive(self, text, _) -> None:
        if type(text) is str and text:
            sys.stdout.write(text)


class Program:
    """The side of the program."""

    def __init__(self):
        self._input, self._bytes = builtins.input, None

    def capture(self) -> None:
        """Keep what is printed from now on, for the tests."""
        self._bytes = io.BytesIO()
        sys.stdout = io.TextIOWrapper(self._bytes, "utf-8", "surrogatepass", write_through=True)

    def outgoing(self) -> tuple:
        if self._bytes is None or self._bytes.closed:
            return None, None
        printed = self._bytes.getvalue()[:_MOST_CHARS]
        self._bytes.seek(0)
        self._bytes.truncate()
        return printed.decode("utf-8", "surrogateescape"), None

    def receive(self, text, ask) -> None:
        if text is not None:
            sys.stdin = io.StringIO(text)
        builtins.input = self._input if ask is None else ask
