"""Values that cross between the processes compare as they did before."""

import array
import collections
import datetime
import decimal
import enum
import fractions
import json
import math
import os
import pathlib
import re
import uuid
import zoneinfo

import pytest

from generation.sandbox import values, wire


def copy(value):
    return values.decode(json.loads(json.dumps(values.encode(value))))


class Yes(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63,
        -(10**6000),
        1.5,
        5e-324,
        math.inf,
        -math.inf,
        1 + 2j,
        complex(math.inf, -0.0),
        "",
        "ä😀",
        "\ud83d",
        "\ud83d\ude00",
        b"\x00\xff",
        bytearray(b"x"),
        [],
        [1, [2, (3,)], {4}],
        (1,),
        (),
        {1, "a"},
        frozenset({1}),
        {1: [2], (1, 2): {"a": None}, frozenset({1}): 0},
        {1: 2}.keys(),
        {1: 2}.items(),
        {1: [2]}.items(),
        range(10**18),
        range(5, 1, -2),
        fractions.Fraction(1, 3),
        decimal.Decimal("1.10"),
        collections.deque([1, 2]),
        collections.OrderedDict(a=1, b=2),
        collections.Counter("aab"),
        collections.defaultdict(list, a=[1]),
        datetime.date(2024, 2, 29),
        datetime.datetime(2024, 2, 29, 1, 2, 3, 4, datetime.UTC, fold=1),
        datetime.time(1, 2, 3, 4, datetime.timezone(datetime.timedelta(hours=2), "x")),
        datetime.timedelta(days=-1, microseconds=5),
        datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("a/b"),
        slice(1, None, 2),
        re.compile("a+", re.I),
        array.array("d", [1.5]),
        memoryview(b"x"),
        Point(1, 2),
        Colour.RED,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_copy_equals_its_original(value):
    assert copy(value) == value
    assert value == copy(value)


def test_what_equality_does_not_show_is_kept():
    assert math.isnan(copy(math.nan))
    assert math.copysign(1, copy(-0.0)) == -1
    assert copy(True) is True
    assert type(copy(1.0)) is float
    assert str(copy(decimal.Decimal("1.10"))) == "1.10"
    assert list(copy({2: 1, 1: 2})) == [2, 1]
    assert copy(collections.Counter("a"))["missing"] == 0


def test_what_is_not_equal_stays_so():
    assert copy({1: 2}.values()) != [2]
    assert list(copy({1: 2}.values())) == [2]
    assert copy(collections.deque([1])) != [1]
    assert copy((1,)) != [1]


@pytest.mark.parametrize(
    ("value", "base"), [(Yes(3), int), (Colour.RED, int), (Point(1, 2), tuple)]
)
def test_a_subclass_arrives_as_its_base(value, base):
    assert type(copy(value)) is base


def test_a_subclass_cannot_bring_its_own_equality():
    assert copy(Yes(3)) != 4
    assert copy([Yes(3)]) != [4]


@pytest.mark.parametrize("value", [object(), len, lambda: 1, int, Ellipsis])
def test_what_has_no_plain_form_equals_nothing_and_keeps_its_truth(value):
    arrived = copy(value)
    assert arrived != value
    assert arrived != arrived
    assert arrived
    assert type(value).__name__ in repr(arrived)


def test_an_empty_thing_without_a_plain_form_is_false():
    class Empty:
        def __len__(self):
            return 0

    assert not copy(Empty())


def test_iterators_arrive_as_iterators():
    assert list(copy(iter([1, 2]))) == [1, 2]
    assert list(copy(x * x for x in range(3))) == [0, 1, 4]
    assert next(copy(map(str, [1]))) == "1"
    assert copy(iter([1])) != [1]


def test_an_iterator_ends_as_it_did():
    def broken():
        yield 1
        raise KeyError("x")

    def endless():
        while True:
            yield 0

    arrived = copy(broken())
    assert next(arrived) == 1
    with pytest.raises(KeyError):
        next(arrived)
    with pytest.raises(values.CandidateError, match="more than"):
        list(copy(endless()))
    limit = values.MAX_ITERATOR_ITEMS
    assert len(list(copy(iter(range(limit))))) == limit


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def depth_of(value):
    found = 0
    while value:
        (value,) = value
        found += 1
    return found


def test_depth_and_cycles_cross():
    assert copy(nested(100)) == nested(100)
    assert depth_of(copy(nested(100_000))) == 100_000
    cycle = []
    cycle.extend([cycle, (cycle, {"again": cycle})])
    arrived = copy(cycle)
    assert arrived[0] is arrived and arrived[1][0] is arrived and arrived[1][1]["again"] is arrived


def test_what_is_the_same_object_stays_so():
    row = [1]
    arrived = copy([row, row, [1]])
    assert arrived[0] is arrived[1] and arrived[0] is not arrived[2]


def test_what_is_too_large_is_refused():
    most = values.MAX_BYTES
    part = ["x" * 1000] * 1000
    rows = [list(part) for _ in range(most // 1_000_000 + 1)]
    for value in ("x" * (most + 1), b"x" * (most // 2 + 1), rows, 1 << (4 * most + 4)):
        with pytest.raises(wire.WireError, match="more than"):
            values.encode(value)
    assert copy("x" * (20 << 20)) == "x" * (20 << 20)


@pytest.mark.parametrize(
    "data",
    [
        [],
        ["list"],
        ["list", 1],
        ["list", [1], 2],
        ["unknown", []],
        [["list", []], 1],
        {},
        {"list": 1, "tuple": 2},
        ["int", "z"],
        ["int", 1],
        ["set", [["list", []]]],
        ["dict", [[["list", []], 1]]],
        ["dict", [1]],
        ["range", [1.5]],
        ["fraction", [1, 0]],
        ["decimal", "x"],
        ["bytes", "0"],
        ["iterator", 1],
        ["opaque", 1],
        [[[0, "list", None, [[1]]]], [0]],
        [[[0, "list", None, []]], [1]],
        [[[0, "list", None, [{}]]], [0]],
        [[[0, "plain", [], []]], [0]],
        [[[0, "plain", {}, []]], [0]],
        [[[0, "unknown", None, []]], [0]],
        [[[0, "int", "z", []]], [0]],
        [[[0, "set", None, [[1]]], [1, "list", None, []]], [0]],
        [[[0, "dict", None, [1]]], [0]],
        [[[0, "range", None, [1.5]]], [0]],
        [[[0, "fraction", None, [1, 0]]], [0]],
        [[[0, "numpy", ["O", [1], False, ""], []]], [0]],
        [[[0, "numpy", ["<f8", [1 << 40], False, ""], []]], [0]],
        [[[0, "path", None, ["object", "x"]]], [0]],
        [[[0, "pattern", None, ["(", 0]]], [0]],
        [[[0, "mine", [1, ["x", [], None, "object"]], []]], [0]],
        [[[0, "library", "os:system", []]], [0]],
        ["counter", [[["dict", []], 1]]],
    ],
    ids=str,
)
def test_forged_data_is_refused(data):
    with pytest.raises(wire.WireError):
        values.decode(data)


def test_deeply_forged_data_is_refused():
    data = []
    for _ in range(100000):
        data = ["list", [data]]
    with pytest.raises(wire.WireError):
        values.decode(data)


class Custom(ValueError):
    pass


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("x"), ValueError, "x"),
        (Custom("x"), ValueError, "x"),
        (AssertionError("x"), AssertionError, "x"),
        (SystemExit(0), values.CandidateError, "SystemExit: 0"),
        (KeyboardInterrupt(), values.CandidateError, "KeyboardInterrupt: "),
        (UnicodeDecodeError("a", b"", 0, 1, "x"), ValueError, None),
        (ValueError("x" * 10000), ValueError, "x" * values.MAX_MESSAGE_CHARS),
    ],
)
def test_exceptions_keep_their_builtin_type(error, kind, message):
    arrived = values.decode_error(values.encode_error(error))
    assert isinstance(arrived, kind | values.CandidateError)
    assert message is None or (type(arrived) is kind and str(arrived) == message)


@pytest.mark.parametrize("name", ["SystemExit", "BaseException", "print", "nothing", 1, None, []])
def test_a_forged_exception_cannot_be_more_than_an_exception(name):
    assert type(values.decode_error([name, "x"])) is values.CandidateError


def test_an_exception_that_has_no_message_is_one():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert values.encode_error(Mute())[0] == "Exception"


def pipe_with(data):
    read, write = os.pipe()
    os.write(write, data)
    os.close(write)
    return read


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x00\x00\x05[1",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02[1",
        b"\x00\x00\x00\x01\xff",
        b"\x00\x00\x80\x00" + b"[" * 0x8000,
    ],
    ids=lambda data: ascii(data[:8]),
)
def test_a_malformed_message_is_refused(data):
    with pytest.raises(wire.WireError):
        wire.receive(pipe_with(data))


def test_a_message_that_is_too_large_is_not_sent():
    read, write = os.pipe()
    with pytest.raises(wire.WireError, match="at most"):
        wire.send(write, "x" * (wire.MAX_BYTES + 1))
    os.close(write)
    assert os.read(read, 1) == b""
