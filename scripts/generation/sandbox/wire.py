"""Messages between processes: JSON behind a four-byte length, through pipes.

JSON and not pickle, because one end may be hostile: reading a message never runs code.
"""

import json
import os
import select
import time

MAX_BYTES = 16 << 20  # of a request
VALUE_BYTES = 64 << 20  # of what crosses between tests and candidate
_READ_BYTES = 1 << 16


class WireError(ValueError):
    """A message that cannot be sent or is not one: too large, cut short, not JSON."""


class Closed(WireError):
    """The other end is gone."""


def send(fd: int, message, deadline: float | None = None, most: int = MAX_BYTES) -> None:
    """Write one message of JSON values; `deadline` is on the monotonic clock, in seconds.

    Raises WireError (too large, nothing written), Closed, or TimeoutError.
    """
    try:
        body = json.dumps(message, separators=(",", ":")).encode("ascii")
    except RecursionError:
        raise WireError("message nested too deep") from None
    if len(body) > most:
        raise WireError(f"message of {len(body)} bytes, at most {most} allowed")
    view = memoryview(len(body).to_bytes(4, "big") + body)
    while view:
        if deadline is not None:
            _wait(fd, select.POLLOUT, deadline)
        # A write of at most PIPE_BUF bytes cannot block where poll said that there is room.
        part = view if deadline is None else view[: select.PIPE_BUF]
        try:
            view = view[os.write(fd, part) :]
        except OSError as error:
            raise Closed(f"the other end is gone: {error.strerror}") from None


def receive(fd: int, deadline: float | None = None, most: int = MAX_BYTES):
    """Read one message; `deadline` as for `send`.

    Raises WireError (not a message), Closed, or TimeoutError.
    """
    size = int.from_bytes(_read(fd, 4, deadline), "big")
    if size > most:
        raise WireError(f"message of {size} bytes, at most {most} allowed")
    try:
        return json.loads(_read(fd, size, deadline))
    except (ValueError, RecursionError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError("not a message: malformed JSON") from None


def _read(fd: int, size: int, deadline: float | None) -> bytes:
    parts = []
    while size:
        if deadline is not None:
            _wait(fd, select.POLLIN, deadline)
        try:
            part = os.read(fd, min(size, _READ_BYTES))
        except OSError as error:
            raise Closed(f"the other end is gone: {error.strerror}") from None
        if not part:
            raise Closed("the other end is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _wait(fd: int, event: int, deadline: float) -> None:
    poller = select.poll()
    poller.register(fd, event)
    if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("no answer in time")
