"""What several folders of tests need."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A shell that starts the tests in the background has its children ignore Ctrl-C, and theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pytorch_python():
    """The interpreter of envs/pytorch.yaml, made by the workflow's own rule where it is missing."""
    python = ROOT / ".software" / "pytorch" / "venv" / "bin" / "python"
    if not (ROOT / ".software" / "pytorch" / "ready.json").is_file():
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            ".software/pytorch/ready.json",
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    return python
