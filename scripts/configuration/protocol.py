"""What the protocol adds to a session's specification. Pure: no files, no devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configuration.validation import ConfigurationError
from session.specification import Specification, SpecificationError, parse, to_json

# Keys of a session's specification that raw data may lack: how it was prepared, and not what was
# measured. A session from before them was warmed up for a fixed time, and stands as it is.
LATER = frozenset({"protocol"})

# As configured: a number, or `within`, `at_least` and `at_most`.
Repetitions = int | Mapping[str, Any]


def by_width(repetitions: Repetitions) -> bool:
    """Whether windows are added until an interval is narrow."""
    return isinstance(repetitions, Mapping)


def bounds(repetitions: Repetitions) -> tuple[int, int]:
    """The least and the most windows of a cell."""
    if by_width(repetitions):
        return repetitions["at_least"], repetitions["at_most"]
    return repetitions, repetitions


def check_repetitions(repetitions: Repetitions, where: str) -> None:
    """Refuses a number of windows that cannot be.

    Raises:
        ConfigurationError: The least is more than the most.
    """
    least, most = bounds(repetitions)
    if least > most:
        raise ConfigurationError(
            f"{where}: at_least is {least} and at_most {most} (allowed: at_least up to at_most)"
        )


def with_analysis(repetitions: Repetitions, analysis: Mapping[str, Any]) -> Repetitions:
    """The same as a session is told: what decides on its windows is part of its experiment."""
    if not by_width(repetitions):
        return repetitions
    return {**repetitions, **{key: analysis[key] for key in ("confidence", "resolve_periods")}}


def specified(cls: type[Specification], document: Mapping[str, Any]) -> str:
    """A session's specification as its program is given it: one line of JSON, equal when the
    experiment is equal.

    Raises:
        ConfigurationError: The program would refuse it: a key that it does not know, or that it
            needs and would not get, or a value of another type.
    """
    try:
        return to_json(parse(cls, document, f"specification of {document['session']}"))
    except SpecificationError as error:
        raise ConfigurationError(str(error)) from None
