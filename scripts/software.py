#!/usr/bin/env python3
"""Makes the virtual environment of one `envs/*.yaml`: the same pins as conda's, without conda.

The environment counts as made when `ready.json` stands beside it, which is written last; a failed
or interrupted installation leaves nothing.
"""

from __future__ import annotations

import session.interrupts as _interrupts  # noqa: F401

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import yaml

# NAME==VERSION, or NAME[EXTRA]==VERSION: no ranges, no `==1.*`, no markers.
EXACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[0-9][A-Za-z0-9.+!_-]*")


# Variables that change what a Python imports or how it runs, and what stands in their place.
INTERFERING = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONSAFEPATH"),
    *("PYTHONPLATLIBDIR", "PYTHONOPTIMIZE", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONWARNINGS"),
    *("PYTHONINSPECT", "PYTHONDEBUG", "PYTHONTRACEMALLOC", "PYTHONASYNCIODEBUG"),
    *("PYTHONIOENCODING", "PYTHONEXECUTABLE", "PYTHONCASEOK", "PYTHONPROFILEIMPORTTIME"),
)
SET = {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


class SoftwareError(RuntimeError):
    """An environment that cannot be made; the message is one line."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, help="the environment's YAML")
    parser.add_argument("--out", required=True, type=Path, help="the ready.json to write")
    args = parser.parse_args()
    # Terminated like interrupted: what is half made is removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        install(args.spec, args.out)
    except SoftwareError as error:
        sys.exit(f"error: environment '{args.spec.stem}': {error}")


def install(spec: Path, ready: Path) -> None:
    """Makes `ready.parent / "venv"` from the pins in `spec`.

    Raises:
        SoftwareError: No fitting Python, or a package that cannot be installed.
    """
    version, pins = read_spec(spec)
    if is_made(spec, ready):
        # Whoever asked did not see it; others may be using it.
        print(f"{spec.stem}: it is there, with these pins", file=sys.stderr, flush=True)
        return
    venv = ready.parent / "venv"
    ready.unlink(missing_ok=True)
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(parents=True, exist_ok=True)
    try:
        python = find_python(version)
        made = subprocess.run(
            [python, "-m", "venv", venv],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=clean_environment(),
        )
        if made.returncode != 0:
            why = " ".join((made.stderr or made.stdout).split())[:300]
            raise SoftwareError(f"python -m venv failed: {why}")
        _pip_install(venv, spec.stem, pins)
        record = {
            "environment": spec.stem,
            "pins_sha256": pins_digest(spec),
            "spec_sha256": hashlib.sha256(spec.read_bytes()).hexdigest(),
            "packages": _freeze(venv),
        }
        partial = ready.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        partial.rename(ready)
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise


def is_made(spec: Path, ready: Path) -> bool:
    """Whether an environment is there that was made from the same Python and pins."""
    try:
        record = json.loads(ready.read_text(encoding="utf-8"))
        if not os.access(ready.parent / "venv" / "bin" / "python", os.X_OK):
            return False
        if record.get("spec_sha256") == hashlib.sha256(spec.read_bytes()).hexdigest():
            return True
        return record.get("pins_sha256") == pins_digest(spec)
    except (OSError, ValueError, AttributeError):
        return False


def pins_digest(spec: Path) -> str:
    """A digest of the Python version and the pins, equal where only comments or order differ; of
    the file as it is where it has another form."""
    try:
        version, pins = read_spec(spec)
        content = json.dumps([version, sorted(pins)]).encode()
    except SoftwareError:
        content = spec.read_bytes() if spec.is_file() else b""
    return hashlib.sha256(content).hexdigest()


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change an environment of pins."""
    kept = {name: value for name, value in os.environ.items() if name not in INTERFERING}
    return {**kept, **SET, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def read_spec(spec: Path) -> tuple[str, list[str]]:
    """The Python version and the pip pins of a conda environment file.

    Raises:
        SoftwareError: It is not of the form that the workflow uses.
    """
    try:
        document = yaml.safe_load(spec.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SoftwareError(f"{spec} cannot be read: {' '.join(str(error).split())}") from None
    document = document if isinstance(document, dict) else {}
    dependencies = document.get("dependencies") or []
    versions = [re.fullmatch(r"python\s*=\s*(\d+\.\d+)", str(d)) for d in dependencies]
    pins = [str(p) for d in dependencies if isinstance(d, dict) for p in d.get("pip") or []]
    version = next((match[1] for match in versions if match), None)
    loose = [pin for pin in pins if not EXACT.fullmatch(pin)]
    if version is None or not pins or loose:
        raise SoftwareError(
            f"{spec} must name python =X.Y and exact pip pins, NAME==VERSION"
            + (f" (not so: {loose[0]})" if loose else "")
        )
    return version, pins


def find_python(version: str) -> str:
    """A Python of `version` (X.Y): this one, else one on the PATH.

    Raises:
        SoftwareError: There is none.
    """
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        # Of a virtual environment's Python, the one that it was made from.
        return getattr(sys, "_base_executable", sys.executable)
    found = shutil.which(f"python{version}")
    if found is None:
        raise SoftwareError(
            f"it needs Python {version}, and there is no python{version} on the PATH:"
            " install it, or use conda (--use-conda) or the interpreter at hand (software: host)"
        )
    return found


def _pip_install(venv: Path, name: str, pins: list[str]) -> None:
    command = [venv / "bin" / "python", "-m", "pip", "install", "--progress-bar", "off", *pins]
    print(f"{name}: installing {len(pins)} pinned packages", file=sys.stderr, flush=True)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=clean_environment(),
        # Whatever pip starts to build a package ends with it.
        start_new_session=True,
    )
    package, why, unreached = "", "", ""
    try:
        for line in process.stdout:
            line = line.strip()
            if line.startswith(("Collecting ", "Downloading ", "Installing collected")):
                print(f"{name}: {line[:100]}", file=sys.stderr, flush=True)
            if line.startswith("Collecting "):
                package = line.split()[1]
            elif "Retrying (" in line:
                unreached = "; the package index could not be reached"
            elif line.startswith("ERROR: "):
                why = why or line.removeprefix("ERROR: ")
                print(f"{name}: {line}", file=sys.stderr, flush=True)
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code != 0:
        unmet = re.search(r"requirement (\S+)|No matching distribution found for (\S+)", why)
        package = next((g for g in unmet.groups() if g), package) if unmet else package
        raise SoftwareError(
            f"package '{package}' could not be installed: {why or 'see the log'}{unreached}"
        )


def _freeze(venv: Path) -> list[str]:
    command = [venv / "bin" / "python", "-m", "pip", "freeze"]
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", env=clean_environment()
    )
    if done.returncode != 0:
        why = " ".join(done.stderr.split())[-300:]
        raise SoftwareError(f"pip freeze failed after the installation: {why}")
    return done.stdout.splitlines()


if __name__ == "__main__":
    main()
