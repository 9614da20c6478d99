#!/usr/bin/env python3
"""Judges the finished generations of one session: does the output pass, and since which token?

An output counts as the program that it proposes: the target function with what it needs, by the
same rule whether it was suppressed or not. The verdict on all of its code as it stands is kept
beside. A next line is compared with its reference.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import json
import sys
from bisect import bisect_left
from pathlib import Path
from typing import Any

from generation.lines import answer_line, similarity
from generation.sandbox import Pool, SandboxError
from generation.suppression import Suppressor
from generation.workloads import WORKLOADS, read_tasks
from generation.workloads.functions import PosedFunction
from metering.torn import RecordingError, read_lines
from session.progress import Progress

UNJUDGED = {
    "passed": None,
    "result": "not judged: seeded weights",
    "passed_as_it_stands": None,
    "passed_processed": None,
    "similarity": None,
    "answer": None,
    "answer_tokens": None,
    "answer_by": None,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--session", required=True, type=Path, help="the session.json")
    parser.add_argument("--windows", required=True, type=Path, help="the windows.jsonl")
    parser.add_argument("--tasks", type=Path, help="the workload's JSONL, where tests judge")
    parser.add_argument("--out", required=True, type=Path, help="the JSON to write")
    args = parser.parse_args()
    try:
        spec = json.loads(args.session.read_text(encoding="utf-8"))["spec"]
        windows = read_lines(args.windows)
    except RecordingError as error:
        sys.exit(f"error: {error}")
    except ValueError:
        sys.exit(f"error: {args.session} is torn: it is not the JSON of a session")
    generations = [w for w in windows if w["kind"] == "generation"]
    workload = WORKLOADS[spec["workload"]]
    protections = []
    if not any(is_judged(spec, generation) for generation in generations):
        scores = [without_verdict(generation) for generation in generations]
    elif workload.judged_by == "similarity":
        scores = [
            judge_by_similarity(generation)
            if is_judged(spec, generation)
            else without_verdict(generation)
            for generation in generations
        ]
    elif args.tasks is None:
        sys.exit(f"error: tests judge '{workload.name}': --tasks is needed")
    else:
        tasks = read_tasks(args.tasks, workload)
        try:
            protections, scores = judge_by_tests(spec, generations, tasks)
        except SandboxError as error:
            sys.exit(f"error: {error}")
    _write(args.out, protections, scores)


def is_judged(spec: dict[str, Any], generation: dict[str, Any]) -> bool:
    """Seeded weights say nothing: of their outputs there is no verdict, not a failed one. Outputs
    that were recorded from a model with weights and replayed through them are judged."""
    return spec["source"] != "init" or generation.get("replayed", False)


def without_verdict(generation: dict[str, Any]) -> dict[str, Any]:
    return {"generation": generation["generation"], **UNJUDGED}


def judge_by_tests(
    spec: dict[str, Any], generations: list[dict[str, Any]], tasks: dict[str, Any]
) -> tuple[list[dict], list[dict]]:
    """The sandbox's protections, and the score of each generation by its task's tests.

    Raises:
        SandboxError: The checker cannot start.
    """
    workload, limits = WORKLOADS[spec["workload"]], spec["suppression"]
    progress = Progress(f"checking {spec['session']}", len(generations))
    scores = []
    with Pool(timeout_s=limits["timeout_s"], memory_mb=limits["memory_mb"]) as pool:
        for generation in generations:
            if is_judged(spec, generation):
                posed = workload.pose(tasks[generation["task"]], spec["prompt"])
                scores.append(score(generation, posed, pool))
            else:
                scores.append(without_verdict(generation))
            progress.step(f"{generation['generation']}: {scores[-1]['result']}")
        return [vars(protection) for protection in pool.protections], scores


def _write(out: Path, protections: list[dict], scores: list[dict]) -> None:
    out.write_text(
        json.dumps({"protections": protections, "scores": scores}, indent=1) + "\n",
        encoding="utf-8",
    )


def score(generation: dict[str, Any], posed: PosedFunction, pool: Pool) -> dict[str, Any]:
    """The verdicts on one generation, and the tokens that its answer took.

    `answer_tokens` is the smallest number of tokens whose text passes; for an output that never
    passes, the number at which the target function had ended (`answer_by` says which); None where
    it did not end.
    """
    text = generation["text"][: generation["characters"]]
    program = posed.program(text)
    as_it_stands = pool.check(posed.check(posed.all_code(text)))
    processed = pool.check(posed.check(program))
    tokens, by = _answer(generation, posed, pool)
    return {
        "generation": generation["generation"],
        "passed": processed.passed,
        "result": processed.result,
        "passed_as_it_stands": as_it_stands.passed,
        "passed_processed": processed.passed,
        "similarity": None,
        "answer": program.source[program.given :],
        "answer_tokens": tokens,
        "answer_by": by,
    }


def judge_by_similarity(generation: dict[str, Any]) -> dict[str, Any]:
    """The similarity of one output's line to the reference, and the tokens that the line took with
    its end; None where it never ended."""
    text, ends = generation["text"][: generation["characters"]], generation["text_ends"]
    line, end = answer_line(text)
    alike = similarity(text, generation["reference"])
    return without_verdict(generation) | {
        "result": f"similarity {alike:.2f}",
        "similarity": alike,
        "answer": line,
        "answer_tokens": None if end is None else 1 + bisect_left(ends, end),
        "answer_by": None if end is None else "line",
    }


def _answer(
    generation: dict[str, Any], posed: PosedFunction, pool: Pool
) -> tuple[int | None, str | None]:
    text, ends = generation["text"], generation["text_ends"]
    walk = Suppressor(posed, "token", pool.check)
    for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False), start=1):
        if walk(text[:end], begin, number):
            return number, "tests"
    end = posed.program(text).end
    return (None, None) if end is None else (1 + bisect_left(ends, end), "function")


if __name__ == "__main__":
    main()
