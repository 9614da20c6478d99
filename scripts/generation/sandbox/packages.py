"""Third-party packages that programs and tests may import: those named, and nothing beside them.

A folder of installed packages holds more than a program should see (the benchmark with its
solutions, say), so that it never is on the path: each package is found by where it lies.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping

DEFAULT = ("numpy",)
# The C libraries that come with a wheel lie beside it.
_BESIDE = ("{}.libs",)


def locate(names: Iterable[str]) -> dict[str, str]:
    """Where each package lies that this interpreter has, and its shared libraries; no import."""
    found = {}
    for name in names:
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None or not os.path.isabs(spec.origin):
            continue
        own = spec.submodule_search_locations
        place = os.path.dirname(spec.origin) if own else spec.origin
        found[name] = place
        for pattern in _BESIDE:
            beside = os.path.join(os.path.dirname(place), pattern.format(name))
            if os.path.isdir(beside):
                found[pattern.format(name)] = beside
    return found


class Finder:
    """Finds the packages of `locate` where they lie; the folder around them is never listed."""

    def __init__(self, places: Mapping[str, str]):
        self._places = places

    def find_spec(self, name, path=None, target=None):
        place = self._places.get(name)
        if place is None or path is not None:
            return None
        if os.path.isdir(place):
            file = os.path.join(place, "__init__.py")
            return importlib.util.spec_from_file_location(
                name, file, submodule_search_locations=[place]
            )
        return importlib.util.spec_from_file_location(name, place)


def make_importable(places: Mapping[str, str]) -> None:
    """Make them importable in this process and its children."""
    sys.meta_path.append(Finder(places))
    # One thread each, whatever the machine has: a verdict must not depend on its processors. For
    # C libraries only; `os.environ` stays empty.
    for pool in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB", "NUMEXPR"):
        os.putenv(f"{pool}_NUM_THREADS", "1")
