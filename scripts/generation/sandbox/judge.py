"""The process that runs a task's tests, on a stand-in for the function being judged.

The stand-in sends its arguments to the candidate's process and gives back what comes from
there as plain data. The verdict goes through a pipe that the candidate never holds.
"""

import os
import random
from collections.abc import Callable

from . import candidate, values, wire

# The verdict's pipe carries this byte first: both requests are read, the stream is in step.
IN_STEP = b"R"


class _Verdict(BaseException):
    """Ends the tests at once; no `except Exception` of theirs can stop it."""


def judge(
    requests: int, calls: int, results: int, verdict: int, confine: Callable[[], None]
) -> None:
    """Read `[entry point, test, prompt]`, run the test, write `[passed, result]`."""
    wire.receive(results)  # the candidate has read its own part
    entry_point, test, prompt = wire.receive(requests)
    os.write(verdict, IN_STEP)
    candidate.leave(requests)
    confine()
    try:
        _run(entry_point, test, prompt, calls, results)
        outcome = [True, "passed"]
    except BaseException as error:
        outcome = [False, f"failed: {_message(error)}"]
    wire.send(verdict, outcome)


def _run(entry_point: str, test: str, prompt: str, calls: int, results: int) -> None:
    names = _helpers(prompt)
    code = compile(test, "<test>", "exec")
    _take(results)  # the program is loaded, or the reason why not is raised

    def stand_in(*arguments, **keywords):
        wire.send(calls, values.encode([arguments, keywords]))
        return _take(results)

    stand_in.__name__ = stand_in.__qualname__ = entry_point
    names[entry_point] = stand_in
    random.seed(0)  # tests draw from it, and a verdict should repeat
    exec(code, names)
    names["check"](stand_in)


def _helpers(prompt: str) -> dict:
    """What the prompt itself defines: tests may use its imports and helper functions."""
    for source in (prompt, prompt + "    pass\n"):
        try:
            code = compile(source, "<prompt>", "exec")
        except (SyntaxError, ValueError):
            continue
        names: dict = {}
        exec(code, names)
        return names
    return {}


def _take(results: int):
    """The next answer's value; raises the candidate's exception, or ends the tests."""
    try:
        kind, data = wire.receive(results)
        if kind == "value":
            return values.decode(data)
        error = values.decode_error(data)
    except wire.Closed:
        raise _Verdict("the program ended before it answered") from None
    except (TypeError, ValueError):
        raise _Verdict("the program's answer is malformed") from None
    raise error


def _message(error: BaseException) -> str:
    """Bounded, so that the verdict fits into one write that cannot be torn apart."""
    try:
        return str(error)[: values.MAX_MESSAGE_CHARS]
    except Exception:
        return type(error).__name__
