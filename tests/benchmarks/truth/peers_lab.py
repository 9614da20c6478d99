"""The libraries as a newly started program finds them, in virtual time over simulated meters."""

import importlib
import logging
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, redirect_stdout
from unittest.mock import patch

from fake_hardware import Machine, nvml, sysfs
from virtual_time import VirtualTime

# The names that a library took out of ``time`` when it was imported.
BOUND = (
    ("zeus.monitor.energy", "time"),
    ("zeus.monitor.power", "time"),
    ("zeus.monitor.power", "sleep"),
    ("pyRAPL.measurement", "time_ns"),
)


@contextmanager
def laboratory(machine: Machine) -> Iterator[VirtualTime]:
    """Zeus, CodeCarbon and pyRAPL run on the machine's clock and meters while this is entered."""
    logging.disable(logging.CRITICAL)
    with ExitStack() as stack:
        stack.callback(logging.disable, logging.NOTSET)
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        world = VirtualTime(machine)
        stack.enter_context(nvml(machine, world))
        stack.enter_context(sysfs(machine, world))
        with redirect_stdout(None):  # amdsmi prints that there is no AMD GPU
            modules = {module: importlib.import_module(module) for module, _ in BOUND}
            importlib.import_module("codecarbon")
        _start_afresh(stack, world)
        stack.enter_context(world)
        for module, name in BOUND:
            stack.enter_context(patch.object(modules[module], name, getattr(time, name)))
        yield world


def _start_afresh(stack: ExitStack, world: VirtualTime) -> None:
    """Make the libraries forget other machines, and CodeCarbon's threads run in virtual time."""
    from codecarbon.core import hardware_cache, resource_tracker
    from codecarbon.external import scheduler
    from zeus.device import cpu, gpu

    for module, name in ((gpu, "_gpus"), (cpu, "_cpus")):
        stack.enter_context(patch.object(module, name, None))
    for forget in (
        gpu.nvml_is_available.cache_clear,
        cpu.rapl_is_available.cache_clear,
        hardware_cache.clear_cache,
    ):
        forget()
        stack.callback(forget)
    stack.enter_context(patch.object(scheduler, "Timer", world.timer))
    stack.enter_context(patch.object(resource_tracker, "ThreadPoolExecutor", _AtOnce))


class _AtOnce(Executor):
    """Does at once what CodeCarbon would detect in two threads: their reads come in one order."""

    def __init__(self, max_workers: int):
        pass

    def submit(self, function, /, *arguments, **options) -> Future:
        done = Future()
        done.set_result(function(*arguments, **options))
        return done
