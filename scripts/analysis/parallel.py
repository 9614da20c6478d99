"""Sessions are analysed apart: on as many processors as there are for it, in their order."""

from __future__ import annotations

import concurrent.futures
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_parallel(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """What `work` makes of each; it and its results must pickle.

    Args:
        workers: Processes at most; with one everything happens in this one.
    """
    if min(workers, len(items)) < 2:
        yield from map(work, items)
        return
    # Ctrl-C ends the workers in silence: this process says it.
    quiet = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    processes = min(workers, len(items))
    with concurrent.futures.ProcessPoolExecutor(processes, initializer=quiet) as pool:
        yield from pool.map(work, items)
