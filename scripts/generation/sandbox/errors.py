"""Exceptions as plain data: a builtin type and a message."""

import builtins
import sys

from .library import module_of

MAX_MESSAGE_CHARS = 300
# Words of a result that is a failure of what crosses, and not for certain the program's.
NOT_ASKED, NOT_CROSSED = "was not asked for", "a value cannot cross"


class CandidateError(RuntimeError):
    """The candidate raised something that has no builtin exception type, or cannot be copied."""


def is_inconclusive(result: str) -> bool:
    """Whether a failed check's result tells of something that does not cross to the tests."""
    return NOT_ASKED in result or NOT_CROSSED in result


def encode(error: BaseException) -> list:
    """`[builtin type name or "", message]`: the type is the nearest builtin ancestor's."""
    kinds = (
        kind.__name__ for kind in type(error).__mro__ if builtin_exception(kind.__name__) is kind
    )
    name = next(kinds, "")
    text = message(error)
    return [name, text if name else f"{type(error).__name__}: {text}"]


def decode(data) -> Exception:
    """An exception to raise in the place of one that `encode` wrote."""
    name, text = data
    kind, text = builtin_exception(name), str(text)[:MAX_MESSAGE_CHARS]
    try:
        if kind is not None:
            return kind(text)
    except TypeError:  # a few want more than a message, as UnicodeDecodeError does
        text = f"{name}: {text}"
    return CandidateError(text)


def message(error: BaseException) -> str:
    """Its text, bounded, whatever its own class does when asked."""
    try:
        return str.__str__(str(error))[:MAX_MESSAGE_CHARS]
    except Exception:
        return "an exception that has no message"


def library_path(kind: type) -> str | None:
    """Where the standard library or numpy has an exception, `module:name`; None for others."""
    where = f"{module_of(kind)}:{kind.__name__}"
    return where if library_exception(where) is kind else None


def library_exception(where) -> type[Exception] | None:
    """The exception of a module that this process has imported already.

    Not of unittest: a test that is skipped would count as one that passed.
    """
    module, _, name = str(where).partition(":")
    root = module.partition(".")[0]
    if root == "unittest" or root not in {*sys.stdlib_module_names, "numpy"}:
        return None
    kind = vars(sys.modules.get(module, builtins)).get(name)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


def builtin_exception(name) -> type[Exception] | None:
    """Exceptions only: SystemExit and its like must not end the process that judges."""
    kind = getattr(builtins, name, None) if isinstance(name, str) else None
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None
