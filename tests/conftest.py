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
    """The interpreter of envs/pytorch.yaml."""
    return interpreter("pytorch")


@pytest.fixture(scope="session")
def analysis_python():
    """The interpreter of envs/analysis.yaml."""
    return interpreter("analysis")


@pytest.fixture(scope="session")
def onnxruntime_python():
    """The interpreter of envs/onnxruntime.yaml."""
    return interpreter("onnxruntime")


def interpreter(environment):
    """Of an environment, made by the workflow's own rule where it is missing."""
    folder = ROOT / ".software" / environment
    if not (folder / "ready.json").is_file():
        made = f".software/{environment}/ready.json"
        command = [sys.executable, "-m", "snakemake", "--cores", "1", made]
        subprocess.run(command, cwd=ROOT, check=True)
    return folder / "venv" / "bin" / "python"
