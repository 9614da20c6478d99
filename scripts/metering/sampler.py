"""The sampler: a process of its own that reads the meters, and its handle in the measured process.

As a program it writes samples until its standard input ends or it is told to stop (SIGTERM,
SIGINT), and speaks JSON on standard output: one line with the meters once the first samples are on
disk, one with its own cost at the end. ``Sampler`` starts and stops that program.

Both sides use CLOCK_MONOTONIC, so ``t_ns`` compares with ``time.perf_counter_ns()`` and
``time.monotonic_ns()`` of any process on the machine.
"""

import sys
from pathlib import Path

if not __package__:  # run as a file: its folder is on the path, the package's parent is not
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import argparse
import dataclasses
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from typing import Any

from metering import discovery
from metering.activity import Activity
from metering.loop import SamplingLoop
from metering.meter import MeterError
from metering.pace import PROCESS_BUDGET
from metering.parent import terminate_with
from metering.specification import Metering
from metering.trace import EventWriter, TraceWriter

DEFAULT_PERIOD_S = 0.05


class Sampler:
    """Runs the sampler beside the code in a ``with`` block.

    Entering returns once the first samples of all meters are written. Leaving takes a last sample
    of each, and sets ``stats``.

    Attributes:
        meters: ``{"found": [...], "missing": [...]}``, see `Domain` and `Missing`.
        stats: after the block: ``cpu_s`` and ``wall_s`` of the sampling itself, ``samples``
            (rounds) and ``late`` (rounds skipped because the one before overran); where it ran for
            longer than its start-up, ``steady_cpu_s`` and ``steady_wall_s`` since then. None if
            the sampler died.

    Args:
        trace_path, events_path: files to append to.
        segment: number of this run of the sampler in the trace.
        period_s: time between samples of energy and power.
        cpu_rated_power_w: of the whole machine, for the estimate; None assumes a value and says so.
        want: kinds of meters, ``cpu`` and ``gpu``.
        wall: a meter on the network, see `metering.wall`; None where there is none.
        options: further command-line options of the sampler program.
        start_timeout_s, stop_timeout_s: how long to wait for it; NVML can take many seconds.

    Enter the block from a thread that outlives it: the kernel stops the sampler with that thread.
    """

    def __init__(
        self,
        trace_path: str | os.PathLike,
        events_path: str | os.PathLike,
        segment: int = 1,
        period_s: float = DEFAULT_PERIOD_S,
        cpu_rated_power_w: float | None = None,
        want: Collection[str] = discovery.KINDS,
        *,
        wall: Mapping[str, Any] | None = None,
        options: Sequence[str] = (),
        start_timeout_s: float = 60.0,
        stop_timeout_s: float = 30.0,
    ):
        self.meters: dict = {"found": [], "missing": []}
        self.stats: dict | None = None
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen | None = None
        self._command = [sys.executable, str(Path(__file__).resolve())]
        self._command += ["--trace", os.fspath(trace_path), "--events", os.fspath(events_path)]
        self._command += ["--segment", str(segment), "--period-s", str(period_s)]
        self._command += ["--want", ",".join(want), *options]
        if cpu_rated_power_w is not None:
            self._command += ["--cpu-rated-power-w", str(cpu_rated_power_w)]
        if wall is not None:
            self._command += ["--wall", json.dumps(dict(wall))]

    @classmethod
    def configured(
        cls,
        metering: Metering,
        trace_path: str | os.PathLike,
        events_path: str | os.PathLike,
        segment: int,
    ) -> "Sampler":
        """The sampler of a session, as its specification has it."""
        wall = metering.wall
        return cls(
            trace_path,
            events_path,
            segment,
            metering.period_s,
            metering.cpu_rated_power_w,
            wall=None if wall is None else dataclasses.asdict(wall),
        )

    def __enter__(self) -> "Sampler":
        _require_one_clock()
        # A file, not a pipe: nobody reads it while the block runs, and a full pipe would block.
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [*self._command, "--parent", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the measured process; its end ends us
        )
        try:
            self.meters = json.loads(self._first_line())["meters"]
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(self, kind, error, traceback) -> None:
        process = self._process
        process.stdin.close()
        try:
            process.wait(self._stop_timeout_s)
            last_line = process.stdout.read()
            problem = self._problem("ended early") if process.returncode or not last_line else None
            if problem is None:
                self.stats = json.loads(last_line)["stats"]
        except subprocess.TimeoutExpired:
            problem = self._problem(f"did not stop within {self._stop_timeout_s:g} s")
        finally:
            self._abandon()
        if problem is not None and error is None:  # never hide what the block itself raised
            raise problem

    @property
    def pid(self) -> int | None:
        """Process id of the sampler, None before it is started."""
        return self._process.pid if self._process else None

    def announce(self, say: Callable[[str], None]) -> None:
        """Say which meters there are, and for each one that is missing why and what to do."""
        for missing in self.meters["missing"]:
            say(f"no {missing['meter']}: {missing['why']}; {missing['remedy']}")
        for found in self.meters["found"]:
            say(f"meter: {found['label']}")

    def check(self) -> None:
        """Raise MeterError if the sampler is no longer running."""
        if self._process is None or self._process.poll() is not None:
            raise self._problem("is not running")

    def _first_line(self) -> bytes:
        stdout, line = self._process.stdout, b""
        deadline = time.monotonic() + self._start_timeout_s
        poll = select.poll()  # not select(): it fails in processes with many open files
        poll.register(stdout, select.POLLIN)
        while not line.endswith(b"\n"):
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1e3):
                raise self._problem(f"gave no sample within {self._start_timeout_s:g} s")
            chunk = os.read(stdout.fileno(), 65536)
            if not chunk:
                self._process.wait()
                raise self._problem("did not start")
            line += chunk
        return line

    def _problem(self, what: str) -> MeterError:
        if self._process is None:
            return MeterError(f"the sampler {what}: enter the block of Sampler first")
        code = self._process.poll()
        if code is None:
            how = "still alive"
        elif code < 0:
            how = f"killed by {signal.Signals(-code).name}"
        else:
            how = f"exit status {code}"
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        tail = " / ".join(line.strip() for line in lines if line.strip())[-500:]
        return MeterError(
            f"the sampler {what} ({how}): {tail or 'it said nothing on stderr'}; "
            "samples end here: fix the cause and measure this segment again"
        )

    def _abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            pipe.close()


def main(argv: Sequence[str] | None = None) -> int:
    """The sampler program; see ``--help``."""
    args = _parse(argv)
    try:
        _sample(args)
    except BrokenPipeError:
        return 0  # the reader of our last line is gone; the trace is complete
    except (MeterError, OSError) as error:
        print(f"sampler: {error}", file=sys.stderr)
        return 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Sample energy meters into a trace until standard input ends (Ctrl-D) or "
        "SIGINT or SIGTERM comes.",
    )
    parser.add_argument("--trace", type=Path, required=True, help="trace.csv to append to")
    parser.add_argument("--events", type=Path, required=True, help="events.jsonl to append to")
    parser.add_argument("--segment", type=int, default=1, help="number of this run in the trace")
    parser.add_argument(
        "--period-s", type=float, default=DEFAULT_PERIOD_S, help="time between samples"
    )
    parser.add_argument(
        "--want",
        type=lambda text: [kind for kind in text.split(",") if kind],
        default=discovery.KINDS,
        help="kinds of meters, by comma: cpu,gpu",
    )
    parser.add_argument(
        "--cpu-rated-power-w", type=float, help="of the whole machine, for the estimate"
    )
    parser.add_argument(
        "--frozen-after-s", type=float, default=5.0, help="report a counter that stands still"
    )
    parser.add_argument("--parent", type=int, help="the process that starts it: it ends with it")
    discovery.add_options(parser)
    args = parser.parse_args(argv)
    if not args.period_s > 0:
        parser.error(f"--period-s is {args.period_s:g}: give a positive time")
    return args


def _sample(args: argparse.Namespace) -> None:
    # Whoever started the sampler is the session.
    parent = os.getppid() if args.parent is None else args.parent
    terminate_with(parent)
    stop = _Stop()
    watchers = [Activity(parent, os.getpid(), args.proc_root)]
    meters, missing = discovery.discover(
        args.want, args.cpu_rated_power_w, **discovery.options(args)
    )
    with (
        closing(TraceWriter(args.trace, args.segment)) as trace,
        closing(EventWriter(args.events, args.segment)) as events,
        closing(SamplingLoop(meters, trace, events, args.frozen_after_s, watchers)) as loop,
    ):
        loop.sample(slow=True)
        trace.flush()
        _say({"meters": discovery.describe(meters, missing)})
        cpu_s, wall_s = time.process_time(), time.monotonic()
        loop.run(args.period_s, stop.wait)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - wall_s
    stats = {"cpu_s": cpu_s, "wall_s": wall_s, "samples": loop.samples, "late": loop.late}
    if PROCESS_BUDGET.steady is not None:
        stats["steady_cpu_s"], stats["steady_wall_s"] = PROCESS_BUDGET.steady
    _say({"stats": stats})


class _Stop:
    """Ends the sampling when standard input ends, or on SIGTERM or SIGINT."""

    def __init__(self):
        self._asked = False
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, *_) -> None:
        self._asked = True

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; True if it is time to stop."""
        readable, _, _ = select.select([0], [], [], 0 if self._asked else seconds)
        if readable and not os.read(0, 4096):
            self._asked = True
        return self._asked


def _require_one_clock() -> None:
    clocks = {time.get_clock_info(name).implementation for name in ("monotonic", "perf_counter")}
    if clocks != {"clock_gettime(CLOCK_MONOTONIC)"}:
        raise MeterError(
            f"time.monotonic and time.perf_counter use {', '.join(sorted(clocks))} here, not both "
            "CLOCK_MONOTONIC: samples and windows would not line up; run on Linux with CPython"
        )


def _say(message: dict) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    sys.exit(main())
