"""Environments made from pins: the shipped files, and installations that fail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from software import (
    INTERFERING,
    SET,
    SoftwareError,
    clean_environment,
    find_python,
    is_made,
    pins_digest,
    read_spec,
)

ROOT = Path(__file__).parents[2]
SPECS = sorted((ROOT / "envs").glob("*.yaml"))
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def written(folder, *pins, python=PYTHON):
    spec = folder / "tiny.yaml"
    lines = "".join(f"      - {pin}\n" for pin in pins)
    spec.write_text(f"dependencies:\n  - python ={python}\n  - pip\n  - pip:\n{lines}")
    return spec


def command(spec, folder):
    return [sys.executable, ROOT / "scripts" / "software.py", spec, "--out", folder / "ready.json"]


def install(spec, folder):
    return subprocess.run(command(spec, folder), capture_output=True, text=True, timeout=300)


def refused(done, folder, *words):
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: environment 'tiny': ")
    assert [word for word in words if word not in line] == [], line
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_shipped_environments_have_exact_pins(spec):
    version, pins = read_spec(spec)
    assert re.fullmatch(r"3\.\d+", version)
    names = [pin.partition("==")[0].lower() for pin in pins]
    assert len(names) == len(set(names)) > 0


def test_a_package_has_one_pin_wherever_it_stands():
    assert SPECS and REQUIREMENTS
    pins = {}
    # MXNet's last release cannot stand beside today's numpy and onnx.
    for file in [spec for spec in SPECS if not spec.stem.startswith("mxnet")]:
        for pin in read_spec(file)[1]:
            pins.setdefault(pin.partition("==")[0].lower(), {})[file.name] = pin.partition("==")[2]
    for file in REQUIREMENTS:
        for line in file.read_text().splitlines():
            pin = line.partition("#")[0].strip()
            if pin and not pin.startswith("-"):
                name, exact, version = pin.partition("==")
                assert exact, f"{file.name}: {pin} is not pinned"
                pins.setdefault(name.lower(), {})[file.name] = version
    differing = {name: files for name, files in pins.items() if len(set(files.values())) > 1}
    assert differing == {}


@pytest.mark.parametrize(
    "pin",
    ["six", "six>=1.17.0", "six==1.*", "six>=1; python_version=='3.11'", "six==1.17.0,>1", "-r a"],
)
def test_a_loose_pin_is_refused_by_name(tmp_path, pin):
    with pytest.raises(SoftwareError, match="exact pip pins") as caught:
        read_spec(written(tmp_path, "idna==3.10", f'"{pin}"'))
    assert f"(not so: {pin})" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dependencies:\n",
        "- python =3.11\n",
        "dependencies:\n  - pip:\n    - six==1.17.0\n",
        "dependencies:\n  - python =3.11\n  - pip:\n",
        "dependencies:\n  - python >=3.11\n  - pip:\n    - six==1.17.0\n",
        "dependencies:\n  - python =3.11.4\n  - pip:\n    - six==1.17.0\n",
        "dependencies: [\n",
    ],
)
def test_another_form_is_refused_in_one_line(tmp_path, text):
    spec = tmp_path / "tiny.yaml"
    spec.write_text(text)
    with pytest.raises(SoftwareError) as caught:
        read_spec(spec)
    assert str(spec) in str(caught.value) and "\n" not in str(caught.value)


def test_pins_with_extras_and_local_versions_are_exact(tmp_path):
    pins = ["torch==2.13.0+cpu", "uvicorn[standard]==0.30.1", "a==1!2.0rc1"]
    assert read_spec(written(tmp_path, *pins)) == (PYTHON, pins)


def test_the_python_at_hand_is_not_that_of_an_environment():
    base = sys.base_prefix
    assert Path(find_python(PYTHON)).resolve().is_relative_to(Path(base).resolve())


def test_a_python_that_is_not_here(tmp_path):
    folder = tmp_path / "out"
    done = install(written(tmp_path, "six==1.17.0", python="3.99"), folder)
    refused(done, folder, "needs Python 3.99", "no python3.99 on the PATH", "--use-conda")


def test_a_failed_installation_leaves_nothing_and_a_good_one_follows(tmp_path):
    folder = tmp_path / "out"
    unknown = "no-such-package-inference-energy==1.0"
    done = install(written(tmp_path, "six==1.17.0", unknown), folder)
    refused(done, folder, f"package '{unknown}' could not be installed")

    done = install(written(tmp_path, "six==0.0.99"), folder)
    refused(done, folder, "package 'six==0.0.99' could not be installed", "from versions")

    done = install(written(tmp_path, "six==1.17.0"), folder)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["ready.json", "venv"]
    record = json.loads((folder / "ready.json").read_text())
    assert record["environment"] == "tiny" and "six==1.17.0" in record["packages"]
    python = folder / "venv" / "bin" / "python"
    asked = [python, "-c", "import six; print(six.__version__)"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1.17.0"

    # An environment that failed to be renewed is not taken for the one before.
    done = install(written(tmp_path, unknown), folder)
    refused(done, folder, unknown)


def made(folder, spec):
    """What counts as made, without an installation."""
    python = folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (folder / "kept").touch()
    record = {"pins_sha256": pins_digest(spec), "packages": []}
    (folder / "ready.json").write_text(json.dumps(record), encoding="utf-8")
    return folder / "ready.json"


def test_the_pins_decide_whether_an_environment_is_made(tmp_path):
    spec = written(tmp_path, "six==1.17.0", "idna==3.10")
    ready = made(tmp_path / "out", spec)
    assert is_made(spec, ready)
    text = spec.read_text(encoding="utf-8")
    os.utime(spec, (2**31, 2**31))
    assert is_made(spec, ready)
    spec.write_text("# a comment\n" + text, encoding="utf-8")
    assert is_made(spec, ready)
    written(tmp_path, "idna==3.10", "six==1.17.0")
    assert is_made(spec, ready)
    for other in (["six==1.16.0", "idna==3.10"], ["six==1.17.0"], ["six", "idna==3.10"]):
        assert not is_made(written(tmp_path, *other), ready)
    assert not is_made(written(tmp_path, "six==1.17.0", "idna==3.10", python="3.10"), ready)
    spec.write_text(text, encoding="utf-8")
    (tmp_path / "out" / "venv" / "bin" / "python").unlink()
    assert not is_made(spec, ready)
    (tmp_path / "out" / "venv" / "bin" / "python").symlink_to(sys.executable)
    for garbage in ("", "[]", "{", "{}"):
        ready.write_text(garbage, encoding="utf-8")
        assert not is_made(spec, ready)


def test_one_that_is_made_is_left_alone(tmp_path):
    spec = written(tmp_path, "no-such-package-inference-energy==1.0")
    ready = made(tmp_path / "out", spec)
    before = ready.read_text(encoding="utf-8")
    done = install(spec, ready.parent)
    assert done.returncode == 0, done.stderr
    assert (ready.parent / "venv" / "bin" / "python").exists()
    assert ready.read_text(encoding="utf-8") == before


def test_a_module_systems_variables_reach_no_environment(monkeypatch):
    for name in INTERFERING:
        monkeypatch.setenv(name, "/somewhere")
    found = clean_environment()
    assert not found.keys() & set(INTERFERING)
    assert {name: found[name] for name in SET} == SET
    assert found["PATH"] == os.environ["PATH"]


def test_an_index_out_of_reach_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    folder = tmp_path / "out"
    done = install(written(tmp_path, "no-such-package-inference-energy==1.0"), folder)
    refused(done, folder, "the package index could not be reached")


def test_terminated_in_mid_installation_it_leaves_nothing(tmp_path):
    folder = tmp_path / "out"
    process = subprocess.Popen(
        command(written(tmp_path, "six==1.17.0"), folder), stderr=subprocess.PIPE, text=True
    )
    with process:
        assert "installing 1 pinned packages" in process.stderr.readline()
        assert (folder / "venv" / "bin" / "python").exists()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 143
    assert "Traceback" not in rest
    assert list(folder.iterdir()) == []
    # Nothing that pip started writes there afterwards.
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        assert not (folder / "venv").exists()
        time.sleep(0.05)
