"""Who uses the processors while a session measures: the session itself, or others too.

No meter: CPU seconds as the kernel accounts them (proc_stat(5), proc_pid_stat(5)), about once a
second, under the domain ``host``.
"""

import os
import time
from pathlib import Path

from metering.estimate import busy_s
from metering.meter import Reading

DOMAIN = "host"


def family(*pids: int, proc_root: Path = Path("/proc")) -> set[int]:
    """Those processes and all that descend from them."""
    found = set(pids)
    for pid in pids:
        children = _children(pid, proc_root)
        found |= family(*children, proc_root=proc_root) if children else set()
    return found


def _children(pid: int, proc_root: Path) -> list[int]:
    """The living children of all threads of a process; none where the kernel does not tell."""
    found = []
    for file in (proc_root / str(pid) / "task").glob("*/children"):
        try:
            found += [int(child) for child in file.read_text().split()]
        except OSError:  # that thread has ended
            continue
    return found


class Activity:
    """Watches the machine and one tree of processes.

    Args:
        pid: The root of the tree: the session.
        also: A process beside it that is no stranger: the sampler.
    """

    domain = DOMAIN

    def __init__(self, pid: int, also: int, proc_root: Path = Path("/proc")) -> None:
        self._pids = pid, also
        self._proc = proc_root
        self._hertz = os.sysconf("SC_CLK_TCK")

    def read_slow(self) -> list[Reading]:
        """CPU seconds of all programs since boot, and of the session's since each began; none of
        the two where the kernel does not tell both."""
        t_ns = time.monotonic_ns()
        machine_s = busy_s(self._proc)
        pid, also = self._pids
        # The sampler is a child of the session, as a rule: then it is counted there.
        apart = [] if also in family(pid, proc_root=self._proc) - {pid} or also == pid else [also]
        own = [self._tree_s(each) for each in (pid, *apart)]
        if machine_s is None or None in own:
            return []
        return [
            Reading(t_ns, DOMAIN, "machine_busy_s", machine_s, "s", "proc"),
            Reading(t_ns, DOMAIN, "own_s", sum(own), "s", "proc"),
        ]

    def _tree_s(self, pid: int) -> float | None:
        """Of a process, its children that have ended, and those that live."""
        try:
            # The name in parentheses may hold spaces; utime is the 14th field, cstime the 17th.
            fields = (self._proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        own = sum(int(field) for field in fields[11:15]) / self._hertz
        return own + sum(self._tree_s(child) or 0.0 for child in _children(pid, self._proc))
