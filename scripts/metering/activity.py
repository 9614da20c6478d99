"""Who uses the processors while a session measures: the session itself, or others too.

No meter: CPU seconds as the kernel accounts them (proc_stat(5), proc_pid_stat(5)), once a second or
as often as that may cost, under the domain ``host``.
"""

import os
import time
from collections.abc import Collection
from pathlib import Path

from metering.estimate import busy_s
from metering.meter import Reading
from metering.pace import ACTIVITY, RateLimiter
from metering.probes import ROUND_S

DOMAIN = "host"


def process_tree(*pids: int, proc_root: Path = Path("/proc")) -> set[int]:
    """Those processes and all that descend from them."""
    found, left = set(), list(pids)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += _children(pid, proc_root)
    return found


def _children(pid: int, proc_root: Path) -> list[int]:
    """The living children of all threads of a process; none where the kernel does not tell."""
    found = []
    for file in (proc_root / str(pid) / "task").glob("*/children"):
        try:
            found += [int(child) for child in file.read_bytes().split()]
        except (OSError, ValueError):  # that thread has ended
            continue
    return found


class ForeignProcesses:
    """Tells a session's processes from others; it walks through /proc only for those that are new.

    Args:
        pids: Of the session and of the sampler.
    """

    def __init__(self, *pids: int, proc_root: Path = Path("/proc")) -> None:
        self._pids, self._proc = pids, proc_root
        self._ours, self._others = set(pids), set()

    def count(self, pids: Collection[int]) -> int:
        """How many of them are not the session's. In a container their numbers may be those of the
        host: where none is ours, one is taken for the session."""
        pids = set(pids)
        if pids - self._ours - self._others:
            self._ours = process_tree(*self._pids, proc_root=self._proc)
        self._others = pids - self._ours
        return len(self._others) if pids & self._ours else max(0, len(pids) - 1)


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
        self._machine_s = 0.0
        self._paced = RateLimiter(ACTIVITY, slack_s=ROUND_S / 2)

    def read_slow(self) -> list[Reading]:
        """CPU seconds of all programs since boot, and of the session's since each began; none of
        the two where the kernel does not tell both, or it is too soon."""
        return self._paced.call(self._read) if self._paced.due() else []

    def _read(self) -> list[Reading]:
        t_ns = time.monotonic_ns()
        machine_s = busy_s(self._proc)
        # The sampler is a child of the session, as a rule: then it is counted there, once.
        own = {each: self._used_s(each) for each in process_tree(*self._pids, proc_root=self._proc)}
        if machine_s is None or any(own[pid] is None for pid in self._pids):
            return []
        # A core's share of waiting is told anew when it wakes, and the sum can fall by a tick.
        self._machine_s = max(self._machine_s, machine_s)
        own_s = sum(seconds for seconds in own.values() if seconds is not None)
        return [
            Reading(t_ns, DOMAIN, "machine_busy_s", self._machine_s, "s", "proc"),
            Reading(t_ns, DOMAIN, "own_s", own_s, "s", "proc"),
        ]

    def _used_s(self, pid: int) -> float | None:
        """CPU seconds of a process and of its children that have ended."""
        try:
            # The name in parentheses may hold spaces; utime is the 14th field, cstime the 17th.
            stat = (self._proc / str(pid) / "stat").read_bytes()
            fields = stat.rpartition(b")")[2].split()
            return sum(int(field) for field in fields[11:15]) / self._hertz
        except (OSError, ValueError):
            return None
