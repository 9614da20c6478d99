"""The process that runs the program being judged and answers calls of its function.

From the moment that the program runs, nothing here is trusted: it may have replaced any
function that this module uses. All that leaves this process is what the judge decodes.
"""

import os
import random
from collections.abc import Callable

from . import values, wire


def serve(requests: int, calls: int, results: int, confine: Callable[[], None]) -> None:
    """Read `[program, entry point]`, load it, then answer calls until nobody asks."""
    program, entry_point = wire.receive(requests)
    wire.send(results, "ready")  # the judge may read its own part now
    leave(requests)
    confine()
    random.seed(0)
    function = None

    def load():
        nonlocal function
        names: dict = {}
        exec(compile(program, "<string>", "exec"), names)
        if entry_point not in names:
            raise NameError(f"name {entry_point!r} is not defined")
        function = names[entry_point]

    _answer(results, load)
    while True:
        arguments, keywords = values.decode(wire.receive(calls))
        _answer(results, lambda a=arguments, k=keywords: function(*a, **k))


def leave(requests: int) -> None:
    """Give up the pipe that requests come through, for good."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, requests)
    os.close(null)


def _answer(results: int, action: Callable) -> None:
    """Send `["value", v]` or `["error", e]`; an exception that ends processes is one as well."""
    try:
        answer = ["value", values.encode(action())]
        wire.send(results, answer)
    except wire.Closed:
        os._exit(0)
    except BaseException as error:
        wire.send(results, ["error", values.encode_error(error)])
