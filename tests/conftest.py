"""What several folders of tests need."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A shell that starts the tests in the background has its children ignore Ctrl-C, and theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Sessions of tests wait neither for each other nor for a campaign that runs on this machine.
os.environ["INFERENCE_ENERGY_LOCK"] = os.path.join(
    tempfile.gettempdir(), f"inference-energy-tests-{os.getuid()}-{os.getpid()}.lock"
)

# What needs the environment of a framework, by the fixtures that make one.
OF_FRAMEWORKS = {"pytorch_python", "onnxruntime_python", "software", "ready"}
# What runs whole programs of the analysis, on campaigns that are made for it.
OF_CAMPAIGNS = {"run_program"}


def pytest_collection_modifyitems(items):
    """Marks what `make smoke` leaves out. Files with slow tests come first, so that of several
    workers none is left alone with one."""
    for item in items:
        if OF_FRAMEWORKS & set(item.fixturenames):
            item.add_marker("framework")
        if OF_CAMPAIGNS & set(item.fixturenames) or "workflow" in item.path.parts:
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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


@pytest.fixture(scope="session", autouse=True)
def machine_lock():
    """Deletes the lock that sessions of these tests took."""
    yield
    Path(os.environ["INFERENCE_ENERGY_LOCK"]).unlink(missing_ok=True)
