"""Workloads: a benchmark posed in one way. A new one is a module here and a line in WORKLOADS."""

from generation.workloads.base import Posed, Task, read_tasks
from generation.workloads.humaneval import HumanEvalZeroShot

WORKLOADS = {workload.name: workload for workload in (HumanEvalZeroShot(),)}

__all__ = ["WORKLOADS", "Posed", "Task", "read_tasks"]
