"""What the protocol adds to a session's configuration. Pure: no files, no devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configuration.validation import ConfigurationError
from session.stopping import Repetitions, by_width

# Keys of a session's configuration that raw data may lack: how it was prepared, and not what was
# measured. A session from before them was warmed up for a fixed time, and stands as it is.
LATER = frozenset({"protocol"})


def check_repetitions(repetitions: Repetitions, where: str) -> None:
    """Refuses a number of windows that cannot be.

    Raises:
        ConfigurationError: The least is more than the most.
    """
    if by_width(repetitions) and repetitions["at_least"] > repetitions["at_most"]:
        raise ConfigurationError(
            f"{where}: at_least is {repetitions['at_least']} and at_most {repetitions['at_most']}"
            " (allowed: at_least up to at_most)"
        )


def told_repetitions(repetitions: Repetitions, analysis: Mapping[str, Any]) -> Repetitions:
    """The same as a session is told: what decides on its windows is part of its experiment."""
    if not by_width(repetitions):
        return repetitions
    return {**repetitions, **{key: analysis[key] for key in ("confidence", "resolve_periods")}}
