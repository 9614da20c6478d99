"""The pins of one `envs/*.yaml`, and whether an environment that is there was made from them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import yaml

# NAME==VERSION, or NAME[EXTRA]==VERSION: no ranges, no `==1.*`, no markers.
EXACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[0-9][A-Za-z0-9.+!_-]*")
# Variables that change what a Python imports or how it runs, and what stands in their place.
UNSET = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONSAFEPATH"),
    *("PYTHONPLATLIBDIR", "PYTHONOPTIMIZE", "PYTHONMALLOC", "PYTHONDEVMODE", "PYTHONWARNINGS"),
    *("PYTHONINSPECT", "PYTHONDEBUG", "PYTHONTRACEMALLOC", "PYTHONASYNCIODEBUG"),
    *("PYTHONIOENCODING", "PYTHONEXECUTABLE", "PYTHONCASEOK", "PYTHONPROFILEIMPORTTIME"),
)
SET = {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


class SoftwareError(RuntimeError):
    """An environment that cannot be made; the message is one line."""


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
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
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
