"""A runtime whose packages are missing or broken is one line, in whichever program asks for it."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.base import backend_names, load_backend

ROOT = Path(__file__).parents[2]
# The package that a runtime's module asks first; here none of them is installed.
PACKAGES = {"pytorch": "torch"}
BREAKS = {
    "missing": None,
    "another numpy": "raise AttributeError('module numpy has no attribute bool')",
    "another build": "raise ValueError('numpy.dtype size changed,\\nmay indicate incompatibility')",
    "no library": "raise OSError('libsomething.so.1: cannot open shared object file')",
}
NETWORK = {
    "name": "m",
    "family": "resnet",
    "config": {},
    "inputs": {"x": {"shape": [2], "dtype": "float32"}},
    "output": "y",
    "parameters": 1,
    "sha256": "0",
}
CONVERSION = {
    "model": "m",
    "absent": None,
    "against": "PyTorch",
    "notes": None,
    "parity": {"batch_sizes": [1, 3], "relative_error": [0.0, 0.0], "why": None},
}


def cases(names):
    """Every runtime without its package, and each way to be broken once."""
    broken = zip(itertools.cycle(names), [how for how in BREAKS if how != "missing"])
    return [*((name, "missing") for name in names), *broken]


def run(program, folder, *options):
    return subprocess.run(
        [sys.executable, f"scripts/{program}.py", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def spoil(folder, name, how):
    """Puts a broken package of the runtime's before all others."""
    if BREAKS[how] is not None:
        package = folder / PACKAGES.get(name, name)
        package.mkdir()
        (package / "__init__.py").write_text(BREAKS[how] + "\n")


def told(done, title):
    """The only line that was told."""
    assert done.returncode != 0
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and f"{title} cannot be imported: " in line, line
    return line


@pytest.mark.parametrize(("name", "how"), cases(backend_names()))
def test_a_session_says_it_in_one_line_whether_the_provider_was_named_or_not(
    name, how, document, tmp_path
):
    spoil(tmp_path, name, how)
    out = tmp_path / "raw"
    spec = document | {"session": f"m__{name}__cpu__r1", "system": name, "providers": "auto"}
    written = {"network": NETWORK, "conversion": CONVERSION | {"title": load_backend(name).TITLE}}
    for key, facts in written.items():
        (tmp_path / f"{key}.json").write_text(json.dumps(facts))
    files = {key: tmp_path / f"{key}.json" for key in written}
    files |= {"out": out, "partial": tmp_path / "partial"}
    options = [word for key, value in files.items() for word in (f"--{key}", value)]
    line = told(
        run("measure_runtimes", tmp_path, "--spec", json.dumps(spec), *options),
        load_backend(name).TITLE,
    )
    assert spec["session"] in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "how"), cases([n for n in backend_names() if load_backend(n).SOURCE == "network"])
)
def test_a_conversion_says_it_and_leaves_no_verdict(name, how, tmp_path):
    spoil(tmp_path, name, how)
    files = {key: tmp_path / key for key in ("network", "onnx", "outputs", "out")}
    files["network"].write_text(json.dumps(NETWORK))
    options = [word for key, value in files.items() for word in (f"--{key}", value)]
    told(run("convert", tmp_path, "--backend", name, *options), load_backend(name).TITLE)
    assert not any(file.exists() for key, file in files.items() if key != "network")


@pytest.mark.parametrize("how", ["missing", "another build"])
def test_a_verification_says_it_and_leaves_no_verdict(how, tmp_path):
    spoil(tmp_path, "onnxruntime", how)
    files = {key: tmp_path / key for key in ("network", "conversion", "onnx", "outputs", "out")}
    options = [word for key, value in files.items() for word in (f"--{key}", value)]
    told(run("verify", tmp_path, *options), "ONNX Runtime")
    assert not files["out"].exists()
