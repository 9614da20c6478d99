"""No hostile program passes, harms, or stays, whichever layers there are to hold it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import hostile_corpus
import pytest
from hostile_corpus import HARMLESS, PROGRAMS, TEST, Unheld, World

from generation.sandbox import LAYERS

ROOT = Path(__file__).parents[2]
WITHOUT_NAMESPACES = tuple(layer for layer in LAYERS if layer != "namespaces")
SYSTEM_PYTHON = "/usr/bin/python3"


@cache
def as_we_are(layers):
    return hostile_corpus.run(layers)


@cache
def as_nobody():
    """The same in a copy of the repository, because nobody may not read everyone's."""
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        for part in ("scripts/generation", "tests/sandbox"):
            shutil.copytree(ROOT / part, folder / part)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        command += [SYSTEM_PYTHON, "-B", str(folder / "tests/sandbox/hostile_corpus.py")]
        done = subprocess.run(
            [*command, json.dumps(LAYERS)],
            env={"PYTHONPATH": str(folder / "scripts")},
            cwd="/",
            capture_output=True,
            text=True,
        )
        return done
    finally:
        shutil.rmtree(folder)


def outcomes(setting):
    if setting != "as nobody":
        try:
            return as_we_are(LAYERS if setting == "all layers" else WITHOUT_NAMESPACES)["outcomes"]
        except Unheld as reason:
            pytest.skip(f"not run, {reason}")
    if os.geteuid() != 0:
        pytest.skip("the other settings already run without root")
    if not (shutil.which("setpriv") and os.access(SYSTEM_PYTHON, os.X_OK)):
        pytest.skip(f"needs setpriv and {SYSTEM_PYTHON}, which every user can read")
    version = [SYSTEM_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if subprocess.run(version).returncode:
        pytest.skip(f"{SYSTEM_PYTHON} is older than 3.11")
    done = as_nobody()
    if "Unheld" in done.stderr:
        pytest.skip(f"not run, {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)["outcomes"]


@pytest.mark.parametrize("setting", ["all layers", "without namespaces", "as nobody"])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_hostile_program_neither_passes_nor_harms(setting, name):
    outcome = outcomes(setting)[name]
    assert not outcome["passed"]
    assert outcome["result"] == "timed out" or outcome["result"].startswith("failed: ")
    assert outcome["harm"] == []
    assert outcome["after"] == "passed"  # the honest program that came next


def test_the_corpus_says_what_each_program_tries():
    assert len(PROGRAMS) >= 30
    assert all(source.startswith("# ") for source in PROGRAMS.values())
    assert set(PROGRAMS) >= HARMLESS


def test_programs_are_not_run_where_nothing_holds_them():
    with pytest.raises(Unheld):
        hostile_corpus.run((), ["connect", "write_modules"])


NOT_FOR_ALL = {"list_home", "read_environment", "kill_other"}  # they depend on who and where


@pytest.mark.parametrize("name", sorted(HARMLESS - NOT_FOR_ALL))
def test_the_attack_works_on_a_checker_that_runs_all_in_one_process(name, tmp_path):
    """What the sandbox holds off is real: judged by exit code, each of these passes."""
    with World() as world:
        source = world.fill_in(PROGRAMS[name]) + TEST + "\ncheck(solve)\n"
        done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, timeout=60)
    assert done.returncode == 0
