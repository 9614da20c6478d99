"""What `make test` and `make smoke` run, by what make says that it would."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {f"tests/{file.parent.name}" for file in ROOT.glob("tests/*/test_*.py")}


def recipe(target: str) -> list[str]:
    """The lines that make would run; nothing is run, installed or made."""
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def runs(line: str) -> set[str]:
    """The folders whose tests a line runs: those that it names, or all but what it ignores."""
    _, _, arguments = line.partition("-m pytest")
    ignored = {word.removeprefix("--ignore=") for word in re.findall(r"--ignore=\S+", arguments)}
    named = set(re.findall(r"(?<!=)\btests/\w+", arguments))
    return (named or FOLDERS) - ignored


@pytest.mark.parametrize("target", ["test", "smoke"])
def test_every_folder_of_tests_is_run_once_but_those_of_a_framework(target):
    found = [folder for line in recipe(target) if "-m pytest" in line for folder in runs(line)]
    assert len(found) == len(set(found))
    left_out = {"tests/pytorch"} if target == "smoke" else set()
    assert set(found) == FOLDERS - left_out


def test_the_tests_without_exception_are_those_of_make_test():
    lines = [line for line in recipe("test") if "-m pytest" in line]
    assert not [line for line in lines if re.search(r"-m (?!pytest)|-k ", line)]
    assert all(
        "not framework" in line or "-m smoke" in line
        for line in recipe("smoke")
        if "-m pytest" in line
    )


def test_make_test_says_first_how_long_it_takes_and_what_comes():
    first, *_ = recipe("test")
    assert first.startswith("echo ") and "on two quiet cores" in first


@pytest.mark.parametrize("target", ["test", "smoke"])
def test_checks_come_before_tests(target):
    lines = recipe(target)
    at = [n for n, line in enumerate(lines) if re.search(r"ruff|snakefmt|--lint", line)]
    assert len(at) == 4
    assert max(at) < next(n for n, line in enumerate(lines) if "-m pytest" in line)
