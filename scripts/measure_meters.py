#!/usr/bin/env python3
"""The session of the study of the meters: loads whose work is known, in windows of many lengths.

The same work in long windows says what it takes; so the short ones say how far off a meter and its
estimate are. What is written: session.json, windows.jsonl, trace.csv, events.jsonl.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

from loads.session import Meters
from loads.specification import MetersSpecification
from session import program


def main() -> None:
    args = program.options(__doc__).parse_args()
    spec, document = program.specification(MetersSpecification, args.spec)
    # PyTorch raises RuntimeError, whatever it lacks.
    program.measure(args, spec, document, lambda: Meters(spec), RuntimeError)


if __name__ == "__main__":
    main()
