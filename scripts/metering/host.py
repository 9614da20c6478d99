"""Facts about the host, its software and the code: what a result needs beside it.

No names of people or hosts: results are published. Whatever cannot be read is None, and what is
there and cannot be understood has its reason under ``unread``.
"""

import math
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from metering import nvml
from metering.meter import error_message


def host_facts(
    proc_root: str | os.PathLike = "/proc",
    sys_root: str | os.PathLike = "/sys",
    environ: Mapping[str, str] = os.environ,
) -> dict:
    """The machine: processor, memory, system, limits and GPUs.

    ``memory_bytes`` is physical memory; ``affinity`` lists the CPUs that this process may use;
    ``cgroup_cpu_limit`` is in CPUs (None: no limit); ``load_average`` is over 1, 5 and 15 minutes;
    ``gpus`` is None without NVML.
    """
    proc, sys = Path(proc_root), Path(sys_root)
    cpuinfo = _read(proc / "cpuinfo") or ""
    readers: dict[str, Callable[[], object]] = {
        "cpu_model": lambda: _first_match(r"^model name\s*:\s*(.+)$", cpuinfo),
        "architecture": platform.machine,
        "sockets": lambda: len({package for package, _, _ in _core_ids(sys)}) or None,
        "physical_cores": lambda: len(_core_ids(sys)) or None,
        "logical_cpus": lambda: (
            len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or os.cpu_count()
        ),
        "affinity": _affinity,
        "governors": lambda: _distinct(sys, "cpufreq/scaling_governor"),
        "boost": lambda: _boost(sys),
        "memory_bytes": lambda: _memory_bytes(_read(proc / "meminfo") or ""),
        "kernel": platform.release,
        "os": _os_name,
        "virtualisation": lambda: _virtualisation(cpuinfo, sys),
        "cgroup_cpu_limit": lambda: cgroup_cpu_limit(proc, sys),
        "load_average": lambda: _load_average(_read(proc / "loadavg")),
        "gpus": lambda: nvml.gpu_facts(environ),
    }
    facts, unread = {}, {}
    for name, read in readers.items():
        try:
            facts[name] = read()
        except Exception as error:  # what a machine may say has no end; no fact is worth a session
            facts[name] = None
            unread[name] = error_message(error)
    facts["virtualisation"] = facts["virtualisation"] or dict.fromkeys(
        ("hypervisor", "product", "container")
    )
    return facts | ({"unread": unread} if unread else {})


def run_facts(repo: str | os.PathLike) -> dict:
    """When a process began to measure, on which machine, with what software and code."""
    return {
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "process_start_ns": process_start_ns(),
        "host": host_facts(),
        "software": software_facts(),
        "code": code_facts(repo),
    }


def process_start_ns(proc_root: str | os.PathLike = "/proc") -> int | None:
    """When the system started this process, on the clock of ``time.monotonic_ns``, to a tick.

    From before the interpreter and its imports, also where the program replaced itself (proc(5),
    ``starttime``: ticks since boot).
    """
    stat = _read(Path(proc_root) / "self/stat")
    if stat is None or not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    # The name in parentheses may hold spaces; the 22nd field is the 20th behind it.
    try:
        ticks = int(stat.rpartition(")")[2].split()[19])
    except (ValueError, IndexError):
        return None
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic_ns() - round(age_s * 1e9)


def thread_count(
    requested: int | str,
    proc_root: str | os.PathLike = "/proc",
    sys_root: str | os.PathLike = "/sys",
) -> int:
    """The threads that a configuration asks for; ``auto`` is one for each CPU we may use.

    A container's quota counts too, rounded down: one thread more would be stopped for a part of
    each of the scheduler's periods, and the others wait for it. One at least. Both stand in the
    facts of the host (``affinity``, ``cgroup_cpu_limit``), the number in those of the session.
    """
    if requested != "auto":
        return requested
    cpus = len(_affinity() or ()) or os.cpu_count() or 1
    try:
        limit = cgroup_cpu_limit(Path(proc_root), Path(sys_root))
    except Exception:  # as in host_facts, which says so
        limit = None
    return cpus if limit is None else max(1, min(cpus, math.floor(limit + 1e-9)))


def software_facts() -> dict:
    """The interpreter and every installed distribution with its version, as ``pip freeze`` does."""
    packages: dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except Exception:  # half-removed packages have none, or nothing that can be read
            continue
        if name:  # the first on the path is the one imported
            packages.setdefault(name, version)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower())),
    }


def code_facts(repo: str | os.PathLike) -> dict:
    """Commit of the checkout that ``repo`` belongs to, and whether its files differ from it.

    ``repo`` is its root or a folder that it tracks; new files count as a difference. Both None
    where there is no such checkout, or git refuses to look.
    """
    top = _git(repo, "rev-parse", "--show-toplevel")
    is_root = top is not None and Path(top).resolve() == Path(repo).resolve()
    if not is_root and not _git(repo, "ls-files", "."):  # a copy inside somebody else's checkout
        return {"commit": None, "dirty": None}
    changes = _git(top, "status", "--porcelain")
    return {
        "commit": _git(repo, "rev-parse", "--verify", "HEAD"),
        "dirty": None if changes is None else bool(changes),
    }


def _git(repo: str | os.PathLike, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", os.fspath(repo), *command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00 \t\n")
    except OSError:
        return None


def _first_match(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else None


def _cpu_folders(sys: Path) -> list[Path]:
    return list((sys / "devices/system/cpu").glob("cpu[0-9]*"))


def _distinct(sys: Path, name: str) -> list[str] | None:
    values = {_read(folder / name) for folder in _cpu_folders(sys)} - {None}
    return sorted(values) or None


def _core_ids(sys: Path) -> set[tuple[str, str | None, str]]:
    """(package, die, core) of each physical core."""
    places = set()
    for folder in _cpu_folders(sys):
        names = ("physical_package_id", "die_id", "core_id")
        package, die, core = (_read(folder / "topology" / name) for name in names)
        if package is not None and core is not None:
            places.add((package, die, core))
    return places


def _affinity() -> list[int] | None:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _boost(sys: Path) -> bool | None:
    boost = _read(sys / "devices/system/cpu/cpufreq/boost")
    if boost is not None:
        return boost == "1"
    no_turbo = _read(sys / "devices/system/cpu/intel_pstate/no_turbo")
    return None if no_turbo is None else no_turbo == "0"


def _memory_bytes(meminfo: str) -> int | None:
    kibibytes = _first_match(r"^MemTotal:\s*(\d+) kB$", meminfo)
    return None if kibibytes is None else int(kibibytes) * 1024


def _os_name() -> str | None:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        return None


def _virtualisation(cpuinfo: str, sys: Path) -> dict:
    """Hints only: a hypervisor can hide, and ``product`` is what the firmware says."""
    flags = (_first_match(r"^flags\s*:\s*(.+)$", cpuinfo) or "").split()
    return {
        "hypervisor": ("hypervisor" in flags) if flags else None,
        "product": _read(sys / "class/dmi/id/product_name"),
        "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
    }


def cgroup_cpu_limit(proc: Path, sys: Path) -> float | None:
    """The tightest CPU quota on the way from this process's group to the root, in CPUs."""
    limits = []
    for line in (_read(proc / "self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        version_2 = controllers == ""
        if not version_2 and "cpu" not in controllers.split(","):
            continue
        root = _mount_point(sys / "fs/cgroup", controllers, version_2)
        folder = root / group.lstrip("/")
        for level in (folder, *folder.parents):
            limits.append(_quota_v2(level) if version_2 else _quota_v1(level))
            if level == root:
                break
        # In a container the group's path is the host's, and its own group is the root here.
        limits.append(_quota_v2(root) if version_2 else _quota_v1(root))
    return min((limit for limit in limits if limit is not None), default=None)


def _mount_point(root: Path, controllers: str, version_2: bool) -> Path:
    """Where a hierarchy is mounted: of v2, beside others or alone; of v1, by its controllers."""
    if version_2:
        return root / "unified" if (root / "unified").exists() else root
    names = (controllers, ",".join(reversed(controllers.split(","))), "cpu")
    return next((root / name for name in names if (root / name).exists()), root / controllers)


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
    return _cpus(quota, period or "100000")


def _quota_v1(folder: Path) -> float | None:
    quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return _cpus(quota, period)


def _cpus(quota: str | None, period: str | None) -> float | None:
    """None where there is no quota (`max`, -1), or none that can be."""
    try:
        cpus = int(quota or "") / int(period or "")
    except (ValueError, ZeroDivisionError):
        return None
    return cpus if cpus > 0 else None


def _load_average(text: str | None) -> list[float] | None:
    return [float(word) for word in text.split()[:3]] if text else None
