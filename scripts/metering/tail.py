"""The end of a trace that the sampler is still writing: what a session may know while it runs."""

import time
from collections.abc import Callable
from pathlib import Path

from metering.loop import FLUSH_PERIOD_S, SLOW_PERIOD_S
from metering.trace import Sample

# More than the sampler writes in two seconds, even of many meters read often.
TAIL_BYTES = 1 << 20
POLL_S = 0.1
# A sample is on disk after this, also where the sampler is a little late.
TIMEOUT_S = 2 * (FLUSH_PERIOD_S + SLOW_PERIOD_S)


def tail(path: Path, segment: int, bytes_: int = TAIL_BYTES) -> list[Sample]:
    """The segment's samples among the last bytes of the file, whole lines only."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - bytes_))
        text = file.read().decode()
    # The first line is the header, or torn by where we began; the last is being written.
    lines = text.split("\n")[1:-1]
    rows = (line.split(",") for line in lines)
    return [
        Sample(segment, int(t_ns), domain, quantity, float(value), unit, source)
        for number, t_ns, domain, quantity, value, unit, source in rows
        if int(number) == segment
    ]


def wait_for(
    path: Path,
    segment: int,
    period_s: float,
    enough: Callable[[list[Sample]], bool],
) -> list[Sample]:
    """The tail as soon as it holds enough, or as it is when patience ends.

    Args:
        period_s: How often the sampler reads: what it writes can be so much later.
    """
    deadline = time.monotonic() + TIMEOUT_S + 2 * period_s
    while not enough(samples := tail(path, segment)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return samples
