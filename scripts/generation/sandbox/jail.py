"""What stands between a program and the machine, in layers, each reported as it turned out.

The layers: `namespaces` (a process tree, network and file system of its own), `landlock`
(files, TCP, signals), `seccomp` (system calls). Resource limits, an empty environment and
closed descriptors need no permission and are always there.
"""

import math
import os
import re
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import kernel, landlock, namespaces, processes, seccomp

LAYERS = ("namespaces", "landlock", "seccomp")

FILE_MB, OPEN_FILES, THREADS = 16, 64, 64
_STACK_BYTES = 8 << 20
_OWN_TASKS = 4  # that the limit on threads counts beside a program's own: the jail's processes
_DEVICES = ("/dev/null", "/dev/urandom")
_SYSTEM_READ = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/usr/share/zoneinfo")


@dataclass(frozen=True)
class Protection:
    """One thing that generated code is kept from, whether it is here, and by what means."""

    name: str
    on: bool
    detail: str


def _readable(packages: Mapping[str, str]) -> list[str]:
    """What Python needs to see: its library and the shared libraries that it loads."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        loaded = {
            os.path.dirname(path) for path in re.findall(r" (/\S+\.so\b\S*)$", maps.read(), re.M)
        }
    own = {
        *sys.path,
        os.path.join(sys.base_prefix, "lib"),
        os.path.join(sys.base_exec_prefix, "lib"),
    }
    every = {*own, *loaded, *_SYSTEM_READ, *_SYSTEM_FILES, *packages.values()}
    paths = sorted(p for p in every if os.path.exists(p))
    return [p for p in paths if not any(p.startswith(other + "/") for other in paths)]


def choose_plan(
    base: str, layers: Sequence[str], packages: Mapping[str, str]
) -> tuple[namespaces.Plan | None, str]:
    """The namespaces to enter, or None and the reason; to divide by before making a Jail."""
    if "namespaces" not in layers:
        return None, ""
    return namespaces.choose(base, _readable(packages), _DEVICES)


def _tasks_of_user() -> int:
    """Threads of this user that run already, which a limit on his threads counts as well."""
    taken = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.geteuid():
                taken += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:  # it has just ended
            continue
    return taken


class Jail:
    """The jail of one worker: built once, in the process that then forks for each check.

    `base` is an empty directory of its own. `plan` is the one that its parent has divided by,
    or None, and `reason` is why; `packages` maps what may be imported beside the library to where
    it lies. Raises OSError if what needs no permission fails.
    """

    def __init__(
        self,
        base: str,
        plan: namespaces.Plan | None,
        reason: str,
        layers: Sequence[str],
        timeout_s: float,
        memory_mb: int,
        packages: Mapping[str, str],
    ):
        self.timeout_s, self._memory_mb = timeout_s, memory_mb
        self._plan, self._reason = plan, {"namespaces": reason}
        read = _readable(packages)
        self._work = plan.enclose(base, read, _DEVICES) if plan else base
        os.chdir(self._work)
        self._as_nobody = namespaces.become_nobody(self._work, os.__file__)
        kernel.die_with_parent()  # again: a change of user has undone it
        kernel.drop_capabilities()
        # Nobody may trace or look into a process that is not dumpable; children inherit it.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        os.umask(0o077)
        self._rules = self._landlock(read) if "landlock" in layers else None
        self._filtered = "seccomp" in layers and self._seccomp()
        # A user namespace counts its own threads only; elsewhere the user's others count as well.
        taken = 0 if plan and plan.user else _tasks_of_user()
        self._tasks = THREADS + _OWN_TASKS + taken

    def _landlock(self, read) -> int | None:
        try:
            rules = landlock.ruleset(read, _DEVICES, self._work)
        except OSError as error:
            self._reason["landlock"] = os.strerror(error.errno).lower()
            return None
        self._reason["landlock"] = kernel.attempt(lambda: landlock.restrict(rules))
        return None if self._reason["landlock"] else rules

    def _seccomp(self) -> bool:
        steps = seccomp.build(os.getpid())
        if steps is None:
            self._reason["seccomp"] = f"no filter for {kernel.MACHINE}"
            return False
        self._reason["seccomp"] = kernel.attempt(lambda: seccomp.install(steps))
        return not self._reason["seccomp"]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child needs to hold until it is confined."""
        return () if self._rules is None else (self._rules,)

    def confine(self) -> None:
        """Shut this process in for good."""
        cpu_s = math.ceil(self.timeout_s) + 1
        for limit, value in (
            (resource.RLIMIT_CPU, cpu_s),
            (resource.RLIMIT_AS, self._memory_mb << 20),
            (resource.RLIMIT_FSIZE, FILE_MB << 20),
            (resource.RLIMIT_NOFILE, OPEN_FILES),
            (resource.RLIMIT_NPROC, self._tasks),
            (resource.RLIMIT_STACK, _STACK_BYTES),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(limit)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))
        if self._rules is not None:
            landlock.restrict(self._rules)
            os.close(self._rules)
        if self._filtered:
            seccomp.install(seccomp.build(os.getpid()))

    def end_check(self, groups: Iterable[int]) -> None:
        """Kill what a check has left running and delete what it has left lying about."""
        if self._plan:
            processes.kill_namespace()
        else:
            processes.kill_descendants(groups)
        processes.empty_directory(self._work)

    def protections(self) -> tuple[Protection, ...]:
        """Every protection by name, on or off, in the order of a report."""
        spaces, rules, calls = bool(self._plan), self._rules is not None, self._filtered
        own_root = spaces and self._plan.own_root
        scoped = rules and landlock.abi() >= landlock.SCOPE_ABI
        few = os.geteuid() != 0  # the limit does not count root's
        why_not = "; ".join(
            f"{name}: {self._reason.get(name) or 'switched off'}" for name in LAYERS
        )
        limit = f"at most {THREADS} of them"

        def layered(name: str, *means: tuple[bool, str], off: str) -> Protection:
            there = [text for on, text in means if on]
            detail = ", ".join(there) if there else f"{off} ({why_not})"
            return Protection(name, bool(there), detail)

        memory = f"{self._memory_mb} MB a process"
        return (
            Protection("own process", True, "the tests run in another one; only values cross"),
            Protection("wall time", True, f"{self.timeout_s:g} s a check"),
            Protection("CPU time", True, f"{math.ceil(self.timeout_s) + 1} s a process"),
            Protection("memory", True, memory),
            layered(
                "processes",
                (calls, "none can be started (seccomp)"),
                (few, limit),
                off="root may start any number until the check ends",
            ),
            layered(
                "files",
                (spaces, f"{namespaces.WORK_MB} MB in memory, {namespaces.WORK_FILES} files"),
                off=f"{FILE_MB} MB a file, but any number of files until the check ends",
            ),
            Protection("output", True, "goes nowhere; what a call returns is limited to 16 MB"),
            Protection("environment", True, "empty, and no descriptor is inherited"),
            Protection("working directory", True, "fresh for each check, deleted after it"),
            layered(
                "file system",
                (own_root, "a root of its own, libraries only, read-only"),
                (rules, "Landlock"),
                off="whatever the user can read and write",
            ),
            layered(
                "network",
                (spaces, "network namespace"),
                (calls, "no sockets (seccomp)"),
                off="reachable",
            ),
            layered(
                "signals and tracing",
                (spaces, "PID namespace"),
                (scoped, "Landlock scope"),
                (calls, "seccomp"),
                off="signals reach the user's processes",
            ),
            layered(
                "killed as a group",
                (spaces, "PID namespace"),
                (calls, "no process can be started (seccomp)"),
                off="by the process tree only, which a process that keeps forking may outrun",
            ),
        )
