"""A meter on the network: a real server on this machine, in all the ways in which one can fail."""

import contextlib
import json
import socket
import threading
import time

import pytest

from metering import wall
from metering.discovery import discover
from metering.loop import SamplingLoop
from metering.meter import MeterError


class Server:
    """Answers each line that it gets with the next of `answers`; the last one goes on for ever.

    Args:
        push: Say everything at once, unasked.
        close: Close the connection behind each answer.
    """

    def __init__(self, *answers, push=False, close=False):
        self._answers, self._push, self._close = list(answers), push, close
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        try:
            while self._push or connection.recv(64):
                connection.sendall(self._next())
                if self._close:
                    connection.close()
                    return
                if self._push:
                    time.sleep(0.02)
        except OSError:
            return

    def _next(self):
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n"

    def say(self, *answers):
        self._answers = list(answers)

    def stop(self):
        """Close everything, as a meter that is unplugged."""
        for connection in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@pytest.fixture
def served():
    """Makes a server and gives its configuration beside it."""
    servers = []

    def make(*answers, **how):
        servers.append(Server(*answers, **how))
        where = {"host": "127.0.0.1", "port": servers[-1].port}
        return servers[-1], {**where, "period_s": 0.05, "timeout_s": 1.0}

    yield make
    for server in servers:
        server.stop()


def read(meter, wait_until, count=3):
    """The next readings of it."""
    found = []
    wait_until(lambda: found.extend(meter.read()) or len(found) >= count)
    return found


@pytest.mark.parametrize("how", [{}, {"push": True}, {"close": True}], ids=str)
def test_an_energy_is_kept_in_its_own_unit_and_contains_everything(served, wait_until, how):
    _, configured = served({"energy_wh": 1234.5, "power_w": 210, "name": "plug"}, **how)
    before_ns = time.monotonic_ns()
    ((meter,), missing) = wall.find(configured)
    assert missing == []
    domain = meter.domain
    assert (domain.domain, domain.kind, domain.contains) == ("wall", "system", ("*",))
    assert (domain.quantity, domain.unit, domain.scale) == ("energy", "Wh", 3600.0)
    assert domain.power_scale == 1.0 and domain.max_power_w == 20_000
    readings = read(meter, wait_until, 6)
    assert {(r.quantity, r.value, r.unit, r.source) for r in readings} == {
        ("energy", 1234.5, "Wh", "wall"),
        ("power", 210, "W", "wall:instant"),
    }
    assert all(before_ns < r.t_ns < time.monotonic_ns() for r in readings)
    meter.close()


@pytest.mark.parametrize(
    ("said", "quantity", "unit", "scale"),
    [
        ({"power_w": 99.5}, "power", "W", 1.0),
        ({"energy_j": 7}, "energy", "J", 1.0),
        ({"energy_kwh": 3.25}, "energy", "kWh", 3.6e6),
    ],
)
def test_each_kind_of_value_declares_what_it_is(served, said, quantity, unit, scale):
    _, configured = served(said)
    ((meter,), _) = wall.find(configured)
    domain = meter.domain
    assert (domain.quantity, domain.unit, domain.scale) == (quantity, unit, scale)
    assert domain.power_scale is None
    meter.close()


GARBAGE = [
    b"garbage\n",
    b"[1, 2]\n",
    b"{}\n",
    b'{"energy_wh": "12"}\n',
    b'{"energy_wh": null}\n',
    b'{"energy_wh": true}\n',
    b"\xff\xfe\x00\n",
    b"[" * 3000 + b"\n",
    b'{"power_w": 5\n',
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g[:12]))
def test_garbage_is_no_reading_and_one_event_and_what_is_right_goes_on(
    served, wait_until, kept, garbage
):
    server, configured = served({"energy_wh": 1.0})
    ((meter,), _) = wall.find(configured)
    loop = SamplingLoop([meter], kept.trace(), kept.log())
    server.say(garbage)

    def sampled(enough):
        return wait_until(lambda: loop.sample(slow=False) or enough())

    sampled(lambda: kept.events)
    server.say({"energy_wh": 2.0})
    sampled(lambda: 2.0 in {r.value for r in kept.of("energy", "wall")})
    assert {r.value for r in kept.of("energy", "wall")} == {1.0, 2.0}
    assert kept.events == [("value-refused", None)]
    loop.close()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -5.0, 1e9])
def test_values_that_cannot_be_are_not_written(served, wait_until, kept, value):
    server, configured = served({"power_w": 100.0})
    ((meter,), _) = wall.find(configured)
    loop = SamplingLoop([meter], kept.trace(), kept.log())
    server.say({"power_w": value})
    wait_until(lambda: loop.sample(slow=False) or kept.events)
    assert {r.value for r in kept.of("power", "wall")} <= {100.0}
    assert kept.events == [("value-refused", "power")]
    loop.close()


@pytest.mark.parametrize("flood", [b"x" * 10_000, b'{"power_w": 1}\n' * 500], ids=["long", "many"])
def test_a_flood_is_bounded(served, wait_until, flood):
    server, configured = served({"power_w": 1})
    ((meter,), _) = wall.find(configured)
    server.say(flood)
    wait_until(lambda: "line" in meter._line.why)
    meter.read()
    assert len(meter._line._received) <= wall.KEPT
    meter.close()


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "accepts and is silent"])
def test_a_meter_that_does_not_answer_is_missing_in_one_line(silent):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if not silent:
            listening.close()
        configured = {"host": "127.0.0.1", "port": port, "period_s": 0.05, "timeout_s": 0.3}
        found, (missing,) = wall.find(configured)
    assert found == [] and f"127.0.0.1:{port}" in missing.why and "\n" not in missing.why


def test_reading_never_waits_for_the_network_and_silence_is_a_failure(served, wait_until, kept):
    server, configured = served({"energy_wh": 1.0})
    ((meter,), _) = wall.find(configured | {"timeout_s": 0.3})
    loop = SamplingLoop([meter], kept.trace(), kept.log())
    server.stop()
    rounds = []
    wait_until(lambda: rounds.append(loop.sample(slow=False)) or kept.events)
    assert kept.events == [("meter-failed", None)]
    # Many rounds passed meanwhile: none of them waited for an answer.
    assert len(rounds) > 10
    loop.close()


def test_a_meter_that_comes_back_goes_on(served, wait_until, kept):
    server, configured = served({"energy_wh": 1.0})
    ((meter,), _) = wall.find(configured | {"timeout_s": 0.3})
    loop = SamplingLoop([meter], kept.trace(), kept.log())
    server.say(b"")  # it holds the connection and says nothing
    wait_until(lambda: loop.sample(slow=False) or kept.events)
    server.say({"energy_wh": 5.0})
    wait_until(lambda: loop.sample(slow=False) or len(kept.events) > 1)
    wait_until(lambda: loop.sample(slow=False) or kept.of("energy", "wall")[-1].value == 5.0)
    assert [kind for kind, _ in kept.events] == ["meter-failed", "meter-back"]
    loop.close()


@pytest.mark.parametrize(
    ("configured", "why"),
    [
        ([], "give host and port"),
        ({"port": 5}, "metering.wall.host is None"),
        ({"host": "", "port": 5}, "metering.wall.host is ''"),
        ({"host": "h", "port": 0}, "metering.wall.port is 0"),
        ({"host": "h", "port": "80"}, "give a port from 1 to 65535"),
        ({"host": "h", "port": 5, "period_s": 0}, "metering.wall.period_s is 0"),
        ({"host": "h", "port": 5, "period": 1}, "no key 'period': choose from"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_line(configured, why):
    with pytest.raises(MeterError, match=r"metering\.wall") as caught:
        wall.find(configured)
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_discovery_opens_it_beside_others_and_only_where_it_is_configured(served, powercap):
    powercap.zone("0", "package-0", 5)
    _, configured = served({"energy_wh": 1.0})
    found, _ = discover(["cpu"], powercap_root=powercap.root, wall_meter=configured)
    assert [meter.domain.domain for meter in found] == ["cpu:package-0", "wall"]
    found[-1].close()
    found, _ = discover(["cpu"], powercap_root=powercap.root)
    assert [meter.domain.domain for meter in found] == ["cpu:package-0"]
