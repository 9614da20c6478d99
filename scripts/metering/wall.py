"""A meter at the wall that answers over the network: one line of JSON a reading.

The protocol: we connect by TCP and send an empty line for each reading that we want; the meter
sends one JSON object a line, asked or not, such as ``{"energy_wh": 1234.5}`` or
``{"power_w": 213.4}``, or both; other keys are ignored. A meter that closes the connection behind
each line is connected to anew. docs/meters.md shows a bridge to a plug that speaks HTTP.

A thread of its own waits for the network, so that the sampler never does.
"""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metering.meter import Domain, Meter, MeterError, MeterEvent, Missing, Reading, error_message

# Keys of a cumulative energy, with the unit and its joules.
ENERGIES = {"energy_j": ("J", 1.0), "energy_wh": ("Wh", 3600.0), "energy_kwh": ("kWh", 3.6e6)}
# A line is not longer; what was not fetched is not kept for ever; nor is a flood.
LINE_BYTES, KEPT, LINES_A_S = 4096, 1000, 100
DEFAULTS = {"period_s": 1.0, "timeout_s": 2.0, "max_power_w": 20_000.0}


@dataclass(frozen=True)
class WallSettings:
    """Where the meter is, and how it is asked.

    Attributes:
        period_s: Between two readings that are asked for.
        timeout_s: For connecting; and after that, and five periods, without a line it is failing.
        max_power_w: More than what is plugged in can draw.
    """

    host: str
    port: int
    period_s: float
    timeout_s: float
    max_power_w: float

    @classmethod
    def parse(cls, configured: Mapping[str, Any]) -> WallSettings:
        """As configured; raises MeterError, one line, where that cannot be."""
        if not isinstance(configured, Mapping):
            raise MeterError(f"metering.wall is {configured!r}: give host and port")
        known = {"host", "port", *DEFAULTS}
        if unknown := sorted(set(configured) - known):
            words = ", ".join(sorted(known))
            raise MeterError(f"metering.wall has no key {unknown[0]!r}: choose from {words}")
        if not isinstance(host := configured.get("host"), str) or not host:
            raise MeterError(f"metering.wall.host is {host!r}: give a name or an address")
        port = configured.get("port")
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise MeterError(f"metering.wall.port is {port!r}: give a port from 1 to 65535")
        numbers = {key: configured.get(key, default) for key, default in DEFAULTS.items()}
        for key, value in numbers.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise MeterError(f"metering.wall.{key} is {value!r}: give a number above zero")
        return cls(host, port, **{key: float(value) for key, value in numbers.items()})


class WallConnection(threading.Thread):
    """Keeps the connection, and what came over it: (CLOCK_MONOTONIC in nanoseconds, values by
    key)."""

    def __init__(self, wall: WallSettings) -> None:
        super().__init__(daemon=True)
        self._wall = wall
        self._received: deque[tuple[int, dict[str, float]]] = deque(maxlen=KEPT)
        self._ended = threading.Event()
        self.first = threading.Event()
        self.why = "no answer yet"
        self.garbage: str | None = None
        self.start()

    def new_lines(self) -> list[tuple[int, dict[str, float]]]:
        """What came since the last call."""
        return [self._received.popleft() for _ in range(len(self._received))]

    def stop(self) -> None:
        """Ends the connection and its thread."""
        self._ended.set()

    def run(self) -> None:
        wall = self._wall
        while not self._ended.is_set():
            try:
                with socket.create_connection((wall.host, wall.port), wall.timeout_s) as connection:
                    self._poll(connection)
                self.why = "it closed the connection"
            except Exception as error:  # names that do not resolve, hosts that are off, and so on
                self.why = error_message(error)
            self._ended.wait(min(wall.period_s, wall.timeout_s))

    def _poll(self, connection: socket.socket) -> None:
        """Asks and listens until the meter has nothing more to say."""
        rest, asked_s, heard_s, lines = b"", -math.inf, time.monotonic(), deque(maxlen=LINES_A_S)
        while not self._ended.is_set():
            now_s = time.monotonic()
            if now_s - heard_s > self._wall.timeout_s + 5 * self._wall.period_s:
                raise TimeoutError(f"no line for {now_s - heard_s:.1f} s")
            if now_s - asked_s >= self._wall.period_s:
                asked_s = now_s
                connection.sendall(b"\n")
            left_s = asked_s + self._wall.period_s - time.monotonic()
            connection.settimeout(min(max(left_s, 0.01), 0.5))
            try:
                came = connection.recv(LINE_BYTES)
            except TimeoutError:
                continue
            t_ns = time.monotonic_ns()
            *whole, rest = (rest + came).split(b"\n")
            if not came and rest:
                whole, rest = [*whole, rest], b""  # a last line without its end
            if len(rest) > LINE_BYTES:
                raise ValueError(f"a line of more than {LINE_BYTES} bytes")
            for line in filter(bytes.strip, whole):
                heard_s = time.monotonic()
                lines.append(heard_s)
                if len(lines) == LINES_A_S and heard_s - lines[0] < 1:
                    raise ValueError(f"more than {LINES_A_S} lines a second")
                self._receive(t_ns, line)
            if not came:
                return

    def _receive(self, t_ns: int, line: bytes) -> None:
        try:
            values = parse_line(line)
        except ValueError as error:
            self.garbage = str(error)
            return
        self._received.append((t_ns, values))
        self.first.set()


def parse_line(line: bytes) -> dict[str, float]:
    """The values of a line; raises ValueError, in a few words, where it has none."""
    excerpt = line[:60].decode(errors="replace")
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError(f"a line that is no JSON: {excerpt!r}") from None
    if not isinstance(record, dict):
        raise ValueError(f"a line that is no JSON object: {excerpt!r}")
    values = {
        key: record[key]
        for key in (*ENERGIES, "power_w")
        if isinstance(record.get(key), int | float) and not isinstance(record[key], bool)
    }
    if not values:
        raise ValueError(f"a line without {' or '.join((*ENERGIES, 'power_w'))}: {excerpt!r}")
    return values


class WallMeter:
    """What is plugged in, as one domain; see `Meter`."""

    name = "wall"
    # A network comes back after minutes, and a cumulative energy has lost nothing then.
    patience_s = 300.0
    # One watt-hour at 60 W is a minute: such a counter stands still for long.
    frozen_after_s = math.inf

    def __init__(
        self, wall: WallSettings, line: WallConnection, came: list[tuple[int, dict[str, float]]]
    ) -> None:
        self._line, self._received = line, came
        first = {key: value for _, line_values in came for key, value in line_values.items()}
        self._stale_s = wall.timeout_s + 5 * wall.period_s
        self._key = next((key for key in ENERGIES if key in first), None)
        self._last_s = time.monotonic()
        self._garbled = False
        self._new_events: list[MeterEvent] = []
        unit, scale = ENERGIES[self._key] if self._key else ("W", 1.0)
        has_power = "power_w" in first
        self.domain = Domain(
            domain="wall",
            meter=self.name,
            source=self.name,
            unit=unit,
            label=f"the whole machine at the wall ({wall.host}:{wall.port})",
            quantity="energy" if self._key else "power",
            details={"power": "instant" if has_power else None, "asked_every_s": wall.period_s},
            kind="system",
            scale=scale,
            period_s=None,
            contains=("*",),
            max_power_w=wall.max_power_w,
            power_scale=1.0 if self._key and has_power else None,
        )

    def read(self, everything: bool = False) -> list[Reading]:
        """What came since the last call; raises MeterError where nothing has come for long."""
        readings = []
        came, self._received = [*self._received, *self._line.new_lines()], []
        for t_ns, values in came:
            self._last_s = max(self._last_s, t_ns / 1e9)
            if self._key in values:
                value, unit = values[self._key], self.domain.unit
                readings.append(Reading(t_ns, "wall", "energy", value, unit, self.name))
            if "power_w" in values:
                source = f"{self.name}:instant"
                readings.append(Reading(t_ns, "wall", "power", values["power_w"], "W", source))
        garbage, self._line.garbage = self._line.garbage, None
        if garbage and not self._garbled:
            self._new_events.append(MeterEvent("value-refused", garbage))
        self._garbled = bool(garbage) or (self._garbled and not readings)
        silent_s = time.monotonic() - self._last_s
        if silent_s > self._stale_s:
            raise MeterError(f"the wall meter said nothing for {silent_s:.0f} s: {self._line.why}")
        return readings

    def read_slow(self) -> list[Reading]:
        """Nothing."""
        return []

    def new_events(self) -> list[MeterEvent]:
        """Lines that could not be understood, once a stretch of them."""
        found, self._new_events = self._new_events, []
        return found

    def close(self) -> None:
        """The connection is given up."""
        self._line.stop()


def find(configured: Mapping[str, Any]) -> tuple[list[Meter], list[Missing]]:
    """The meter, if it answers now. Raises MeterError where the configuration cannot be."""
    wall = WallSettings.parse(configured)
    line = WallConnection(wall)
    if line.first.wait(wall.timeout_s + wall.period_s):
        return [WallMeter(wall, line, line.new_lines())], []
    line.stop()
    why = f"{wall.host}:{wall.port} (metering.wall) gave no reading: {line.garbage or line.why}"
    remedy = "see that it answers with a line of JSON, or take metering.wall out"
    return [], [Missing("wall", why, remedy)]
