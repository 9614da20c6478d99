"""Fakes under the real code: a powercap tree as the kernel lays it out, an NVML, another user."""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes"
sys.path.append(str(Path(__file__).parent / "virtual"))

from clocks import Clock, Kept  # noqa: E402

RANGE_UJ = 262_143_328_850  # of a common server processor
NOBODY = 65534


class FakePowercap:
    """A folder that looks like /sys/class/powercap: nested zones, and a flat link to each."""

    def __init__(self, root: Path):
        self.root = root
        (root / "intel-rapl").mkdir(parents=True)

    def zone(self, number: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
        """Add zone ``0`` or ``0:1``; gives its folder."""
        nested = Path("intel-rapl")
        for depth in range(1, number.count(":") + 2):
            nested /= "intel-rapl:" + ":".join(number.split(":")[:depth])
        folder = self.root / nested
        folder.mkdir()
        (self.root / nested.name).symlink_to(nested)
        (folder / "name").write_text(name + "\n")
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        self.set(folder, energy_uj)
        return folder

    @staticmethod
    def set(folder: Path, energy_uj: int) -> None:
        """Set a counter in one step, so that no reader sees half a number."""
        fresh = folder / "fresh"
        fresh.write_text(f"{energy_uj}\n")
        fresh.replace(folder / "energy_uj")


@pytest.fixture
def powercap():
    """An empty fake tree, in a folder that every user may enter."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield FakePowercap(root / "powercap")
    shutil.rmtree(root)


@pytest.fixture
def nvml(monkeypatch, tmp_path):
    """Makes the fake NVML importable, here and in child processes; call it to script the GPUs."""
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("PYTHONPATH", str(FAKES), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "nvml.json"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)

    def script(*gpus: dict, **machine) -> None:
        fresh = tmp_path / "nvml.json.fresh"
        fresh.write_text(json.dumps({"gpus": gpus, **machine}))
        fresh.replace(tmp_path / "nvml.json")

    yield script
    sys.modules.pop("pynvml", None)


@pytest.fixture
def clock():
    """Time that moves when told, within `clock.running()`."""
    return Clock()


@pytest.fixture
def kept():
    """What a loop writes, in memory."""
    return Kept()


@pytest.fixture
def unprivileged():
    """Runs a function in a forked child for which permissions count, also where we are root."""

    def run(function):
        context = multiprocessing.get_context("fork")
        receive, send = context.Pipe(duplex=False)

        def child():
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            send.send(function())

        process = context.Process(target=child)
        process.start()
        send.close()
        result = receive.recv()
        process.join()
        return result

    return run


@pytest.fixture
def wait_until():
    """Waits for a condition; the limit only keeps a broken test from hanging."""

    def wait(condition, limit_s: float = 30.0):
        deadline = time.monotonic() + limit_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return value

    return wait
