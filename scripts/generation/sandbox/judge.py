"""The process that runs a task's tests, on a stand-in for the function being judged.

The stand-in sends its arguments to the candidate's process and gives back what comes from
there, see `peer`. The verdict goes through a pipe that the candidate never holds.
"""

import ast
import builtins
import contextlib
import dis
import importlib
import os
import random
import re
import sys
import types
from collections.abc import Callable

from . import candidate, common_names, errors, remote, wire
from .library import module_of
from .observations import Observations
from .peer import Peer
from .wire import WireError

# The verdict's pipe carries this byte first: both requests are read, the stream is in step.
IN_STEP = b"R"
_NOTE_CHARS = 150


class _Verdict(BaseException):
    """Ends the tests at once; no `except Exception` of theirs can stop it."""


def judge(
    requests: int, calls: int, results: int, verdict: int, confine: Callable[[], None]
) -> None:
    """Read `[entry point, test, prompt]`, run the test, write `[passed, result]`."""
    wire.receive(results)  # the candidate has read its own part
    entry_point, test, prompt = wire.receive(requests)
    os.write(verdict, IN_STEP)
    candidate.close_requests(requests)
    confine()
    notes: list[str] = []
    try:
        _run(entry_point, test, prompt, calls, results, notes)
        outcome = [True, "passed"]
    except BaseException as error:
        # Bounded, so that the verdict fits into one write that cannot be torn apart.
        note = f" ({notes[0][:_NOTE_CHARS]})" if notes else ""
        text = _message(error)[: errors.MAX_MESSAGE_CHARS - len(note)]
        outcome = [False, f"failed: {text}{note}"]
    wire.send(verdict, outcome)


def _run(entry_point: str, test: str, prompt: str, calls: int, results: int, notes: list) -> None:
    names, classes, in_task = _helpers(prompt, entry_point)
    code = compile(test, "<test>", "exec")
    peer = Peer(calls, results, True, classes, _Verdict)
    peer.notes, peer.in_task = notes, in_task
    # What is said to an iterator depends on how far it has gone.
    peer.ahead = not re.search(r"\.(a?send|a?throw|a?close)\b", test)
    peer.stops = bool(re.search(r"Stop(Async)?Iteration|\.(a?send|a?throw)\b", test))
    output = "stdout" in test or "capture" in test  # costs time where nobody looks
    peer.known_classes.keep(peer.request("load", in_task, peer.known_classes.names, output))
    if not in_task:
        peer.observations = Observations(peer._ask_special, peer.note)
        for kind in classes.values():
            _keep_equality(kind)
    unknown = sorted(_undefined_names(code) - {*names, *vars(builtins), entry_point})
    judged, others, library = peer.request("look up", entry_point, unknown)
    names.update({name: others[name] for name in unknown if name in others})
    for name in unknown:
        if name in sys.stdlib_module_names:
            names[name] = importlib.import_module(name)  # never what the program calls so
        elif name in library:
            with contextlib.suppress(ImportError, AttributeError, WireError):
                names[name] = common_names.resolve_import(name, library[name])
    names[entry_point] = judged
    random.seed(0)  # tests draw from it, and a verdict should repeat
    exec(code, names)
    names["check"](judged)


def _helpers(prompt: str, entry_point: str) -> tuple[dict, dict, bool]:
    """What the prompt defines: all names, the classes that are whole, and if one is to be written.

    Tests may use its imports and helper functions.
    """
    for source in (prompt, prompt + "    pass\n"):
        try:
            tree = ast.parse(source)
            code = compile(source, "<prompt>", "exec")
        except (SyntaxError, ValueError):
            continue
        names: dict = {}
        exec(code, names)
        last = tree.body[-1] if tree.body else None
        to_write = {entry_point, last.name if isinstance(last, ast.ClassDef) else entry_point}
        classes = {
            name: value
            for name, value in names.items()
            if isinstance(value, type) and module_of(value) == "builtins" and not _builtin(value)
        }
        return (
            names,
            {name: value for name, value in classes.items() if name not in to_write},
            bool(to_write & set(classes)),
        )
    return {}, {}, False


def _keep_equality(kind: type) -> None:
    """A class of the prompt is not asked about an object of the program: that would answer."""
    own = vars(kind).get("__eq__")
    if own is None:
        return

    def equal(self, other):
        return NotImplemented if issubclass(type(other), remote.Proxy) else own(self, other)

    kind.__eq__ = equal


def _builtin(kind: type) -> bool:
    return getattr(builtins, kind.__name__, None) is kind


def _undefined_names(code: types.CodeType) -> set[str]:
    """Names that a test uses and does not define: only the program can."""
    parts = [code]
    for part in parts:  # those that it finds are looked through as well
        parts += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
    inner = {name for part in parts[1:] for name in part.co_names}
    if inner <= {*code.co_names, *vars(builtins)}:
        parts = parts[:1]  # most tests: taking them apart would cost more than running them
    used, defined = set(), set()
    for part in parts:
        for step in dis.get_instructions(part):
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                used.add(step.argval)
            elif step.opname in ("STORE_NAME", "STORE_GLOBAL"):
                defined.add(step.argval)
    return used - defined


def _message(error: BaseException) -> str:
    try:
        return str(error)[: errors.MAX_MESSAGE_CHARS]
    except Exception:
        return type(error).__name__
