"""Workloads: a benchmark posed in one way. A new one is a module here and a line in WORKLOADS."""

from generation.workloads.base import (
    Posed,
    Task,
    Workload,
    WorkloadError,
    read_tasks,
    write_tasks,
)
from generation.workloads.humaneval import ChainOfThought, TwoShot, ZeroShot
from generation.workloads.longbench import LongBench
from generation.workloads.longcode import LongCode

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        ZeroShot(),
        TwoShot(),
        ChainOfThought(),
        LongBench("longbench-cu", 10),
        LongBench("longbench-cu-long", 300),
        LongCode("longcode", 10),
        LongCode("longcode-long", 300),
    )
}

__all__ = ["WORKLOADS", "Posed", "Task", "Workload", "WorkloadError", "read_tasks", "write_tasks"]
