"""What the programs that measure share: the options of a session, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from metering.meter import MeterError
from metering.torn import RecordingError
from session.exclusive import INTERRUPTED, BusyError, exclusive_session
from session.loop import Session
from session.specification import Specification, SpecificationError, load, parse
from session.study import Study

S = TypeVar("S", bound=Specification)


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser of what every session is told; a study adds its files."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--spec", required=True, help="the session's configuration, as JSON")
    parser.add_argument("--out", required=True, type=Path, help="the session's folder")
    parser.add_argument("--partial", required=True, type=Path, help="where unfinished ones stand")
    parser.add_argument("--parent", type=int, help="the process that it ends with")
    return parser


def specification(cls: type[S], text: str) -> tuple[S, dict[str, Any]]:
    """What the session is told, and the same as it was given; what does not fit ends the program
    with one line."""
    try:
        document = load(text, "--spec")
        return parse(cls, document, "--spec"), document
    except SpecificationError as error:
        sys.exit(f"error: {error}")


def measure(
    args: argparse.Namespace,
    spec: Specification,
    document: dict[str, Any],
    study: Callable[[], Study],
    *errors: type[Exception],
    prefix: str = "",
) -> None:
    """Measures a session, one at a time on this machine; what ends it early is one line.

    Args:
        args: Those of `options`.
        study: Makes what the session measures, once it may begin.
        errors: What the study raises for an input or a machine that is not as it should be; each
            tells it in its message.
        prefix: What stands before such a message.
    """
    try:
        with exclusive_session(spec.session, args.partial, args.out, args.parent) as free:
            if free:
                Session(study(), spec, document, args.partial, args.out).run()
    except (MeterError, RecordingError, BusyError, *errors) as error:
        sys.exit(f"error: {prefix}{' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(f"{spec.session}: {INTERRUPTED}")
