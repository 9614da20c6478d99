"""The process that runs the program being judged and answers calls of its function.

From the moment that the program runs, nothing here is trusted: it may have replaced any
function that this module uses. All that leaves this process is what the judge decodes.
"""

import os
import random
from collections.abc import Callable

from . import wire
from .common_names import KnownClasses, library_name
from .peer import Peer


class _TestsEnded(BaseException):
    """The tests are over."""


def serve(requests: int, calls: int, results: int, confine: Callable[[], None]) -> None:
    """Read the program, load it when asked to, then answer until nobody asks."""
    (program,) = wire.receive(requests)
    wire.send(results, "ready")  # the judge may read its own part now
    close_requests(requests)
    confine()
    random.seed(0)
    names: dict = {}

    def load(peer: Peer, in_task: bool, known: list, output: bool) -> list:
        if output:
            peer.streams.capture()
        exec(compile(program, "<string>", "exec"), names)
        classes = {name: names[name] for name in known if isinstance(names.get(name), type)}
        peer.in_task, peer.known_classes = in_task, KnownClasses(classes)
        peer.shared.known_classes = peer.known_classes
        return peer.known_classes.names

    def look_up(_: Peer, entry_point: str, others: list) -> tuple:
        if entry_point not in names:
            raise NameError(f"name {entry_point!r} is not defined")
        there = {name: names[name] for name in others if name in names}
        library = {name: library_name(value, to_tests=False) for name, value in there.items()}
        own = {name: value for name, value in there.items() if library[name] is None}
        return names[entry_point], own, {name: text for name, text in library.items() if text}

    peer = Peer(results, calls, False, {}, _TestsEnded, {"load": load, "look up": look_up})
    peer.ahead = False  # an iterator of the tests goes on no further than it is asked to
    try:
        peer.serve()
    except (wire.Closed, _TestsEnded):
        os._exit(0)


def close_requests(requests: int) -> None:
    """Give up the pipe that requests come through, for good."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, requests)
    os.close(null)
