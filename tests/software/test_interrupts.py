"""Ctrl-C is one line in every program, also while it imports."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
PROGRAMS = sorted(p.name for p in SCRIPTS.glob("*.py") if "__main__" in p.read_text())
# In the place of modules of which every program imports one: Ctrl-C comes while that is read.
MODULES = ("argparse.py", "dataclasses.py")
INTERRUPTED = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"


def test_there_are_programs():
    assert {"measure_runtimes.py", "measure_phases.py", "tables_phases.py"} <= set(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_while_importing_is_one_line(program, tmp_path):
    for name in MODULES:
        (tmp_path / name).write_text(INTERRUPTED)
    done = subprocess.run(
        [sys.executable, SCRIPTS / program, "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert re.fullmatch(rf"{program}: interrupted\n", done.stderr)


def test_other_errors_keep_their_traceback(tmp_path):
    (tmp_path / "argparse.py").write_text("raise RuntimeError('why')\n")
    done = subprocess.run(
        [sys.executable, SCRIPTS / "measure_runtimes.py"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" in done.stderr and "why" in done.stderr
