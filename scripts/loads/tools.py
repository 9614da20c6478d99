"""What else measures energy, around the same work: Zeus and CodeCarbon, where they are there."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
from collections.abc import Callable, Iterator
from importlib import metadata

KWH_TO_J = 3.6e6
NONE = "none"
PACKAGES = {"zeus": "zeus", "codecarbon": "codecarbon"}

# Enters a window of a name, gives what says its joules once the window is over.
Around = Callable[[str], contextlib.AbstractContextManager[Callable[[], float | None]]]


def installed() -> dict[str, str]:
    """By tool, the version of each that can be imported."""
    found = {}
    for name, package in PACKAGES.items():
        with contextlib.suppress(Exception):
            importlib.import_module(name)
            found[name] = metadata.version(package)
    return found


def open_tools(names: list[str], gpu: int | None) -> dict[str, Around]:
    """The tools by name, and `none`, which measures nothing.

    Args:
        gpu: The board's index; None for the processor.
    """
    makers = {"zeus": _zeus, "codecarbon": _codecarbon}
    return {NONE: _nothing, **{name: makers[name](gpu) for name in names}}


@contextlib.contextmanager
def _nothing(name: str) -> Iterator[Callable[[], float | None]]:
    yield lambda: None


def _zeus(gpu: int | None) -> Around:
    """ZeusMonitor as its documentation has it; the work is waited for by ourselves."""
    from zeus.monitor import ZeusMonitor

    logging.getLogger("zeus").setLevel(logging.ERROR)
    monitor = ZeusMonitor(gpu_indices=[] if gpu is None else [gpu], approx_instant_energy=True)

    @contextlib.contextmanager
    def around(name: str) -> Iterator[Callable[[], float | None]]:
        measured_j: list[float] = []
        monitor.begin_window(name, sync_execution=False)
        yield lambda: measured_j[0] if measured_j else None
        found = monitor.end_window(name, sync_execution=False)
        if found.gpu_energy:
            measured_j.append(sum(found.gpu_energy.values()))
        elif found.cpu_energy:
            measured_j.append(sum(found.cpu_energy.values()))

    return around


def _codecarbon(gpu: int | None) -> Around:
    """A tracker's tasks, as its documentation measures parts of a program."""
    from codecarbon import OfflineEmissionsTracker

    with contextlib.redirect_stdout(io.StringIO()):
        tracker = OfflineEmissionsTracker(
            country_iso_code="FRA",
            save_to_file=False,
            log_level="critical",
            allow_multiple_runs=True,
            gpu_ids=None if gpu is None else [gpu],
        )

    @contextlib.contextmanager
    def around(name: str) -> Iterator[Callable[[], float | None]]:
        measured_j: list[float] = []
        tracker.start_task(name)
        yield lambda: measured_j[0] if measured_j else None
        found = tracker.stop_task(name)
        measured_j.append(KWH_TO_J * (found.cpu_energy if gpu is None else found.gpu_energy))

    return around
