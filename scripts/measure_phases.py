#!/usr/bin/env python3
"""One session of the study of phases: every task under every condition, and the probes, in random
order.

The measured loop only takes timestamps; a process of its own reads the meters. What is written:
session.json, windows.jsonl, trace.csv, events.jsonl.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import os
from pathlib import Path

os.environ.setdefault("TQDM_DISABLE", "1")

from generation.lab import SessionError
from generation.sandbox import SandboxError
from generation.session import Phases
from generation.specification import PhasesSpecification
from session import program
from weights import WeightsError


def main() -> None:
    parser = program.options(__doc__)
    parser.add_argument("--model", required=True, type=Path, help="the model's model.json")
    parser.add_argument("--tasks", required=True, type=Path, help="the workload's JSONL")
    parser.add_argument(
        "--replayed", type=Path, help="windows.jsonl of the session whose outputs are forced"
    )
    args = parser.parse_args()
    spec, document = program.specification(PhasesSpecification, args.spec)
    program.measure(
        args,
        spec,
        document,
        lambda: Phases(spec, args.model, args.tasks, args.replayed),
        *(SessionError, SandboxError, WeightsError),
    )


if __name__ == "__main__":
    main()
