"""One end of the wire between tests and candidate: calls, attributes and iteration, both ways.

While a side waits for an answer it serves what the other one asks, so that a function of the tests
can be called by the program. The side of the tests gives out only what the tests themselves
passed: of a function the call, of an instance of a class of the tests its public attributes; and
of what the other side answers it believes nothing but values.
"""

import asyncio
import builtins
import collections
import copy
import functools
import inspect
import io
import itertools
import queue
import random
import threading
import time
import types
import weakref
from collections.abc import Callable, Mapping

from . import common_names, errors, remote, shared, streams, values, wire
from .library import module_of
from .observations import Observations

_AHEAD_ITEMS, _AHEAD_S = 1024, 0.01
_EXITS = ("__exit__", "__aexit__")
_RAISED = (SystemExit, KeyboardInterrupt, GeneratorExit)
# Instances of the library whose public attributes do no more than they are passed for.
_OPEN = (io.IOBase, queue.Queue, random.Random, threading.Event)


class Malformed(wire.WireError):
    """The other side does not keep to the protocol."""


class Peer:
    """See the module. `tests` says which side this is; `classes` are those of the prompt.

    `fatal` is raised for what no test may catch: the other side is gone or breaks the protocol.
    `more` are further requests that it serves.
    """

    def __init__(
        self,
        send: int,
        receive: int,
        tests: bool,
        classes: dict[str, type],
        fatal: type[BaseException],
        more: Mapping[str, Callable] = types.MappingProxyType({}),
    ):
        self._send, self._receive, self.tests = send, receive, tests
        self._fatal, self._more = fatal, more
        self.known_classes = common_names.KnownClasses(classes)
        self.shared = shared.Table(1 if tests else -1, self.known_classes)
        self.streams = streams.Tests() if tests else streams.Program()
        self.in_task = False  # whether the task is to write a class
        self.ahead = True  # whether items may be fetched before they are asked for
        self.stops = True  # whether the end of an iterator may come from what is none
        self.observations: Observations | None = None
        self.notes: list[str] = []
        self._sharing = False
        self._mine: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._proxies: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self._error_types: dict[int, type] = {}
        self._lock = threading.RLock()
        self._loop = None

    # Messages

    def request(self, action: str, *operands):
        """Ask the other side; its answer. Raises what it raised, or what is fatal."""
        with self._lock:
            try:
                self._write(action, operands, sharing=True)
                kind, answers = self._read()
                while kind not in ("value", "error"):
                    self._answer(kind, answers)
                    kind, answers = self._read()
            except wire.Closed:
                raise self._fatal("the program ended before it answered") from None
            except Malformed:
                raise self._fatal("the program's answer is malformed") from None
            except wire.WireError as error:
                raise self._fatal(f"{errors.NOT_CROSSED}: {error}") from None
        (answer,) = answers
        if kind == "value":
            return answer
        if not isinstance(answer, BaseException):
            raise self._fatal("the program's answer is malformed")
        raise answer

    def serve(self) -> None:
        """Answer until the other side is gone. Raises wire.Closed."""
        while True:
            self._answer(*self._read())

    def _answer(self, action: str, operands: list) -> None:
        serve = _SERVED.get(action) or (None if self.tests else _FOR_TESTS.get(action))
        serve = serve or self._more.get(action)
        try:
            if serve is None:
                raise Malformed("not a request")
            answer = ("value", (serve(self, *operands),))
        except (self._fatal, Malformed):
            raise
        except BaseException as error:
            error.__traceback__ = None  # its frames hold arguments
            answer = ("error", (error,))
        operands.clear()
        try:
            self._write(*answer, sharing=False)
        except wire.Closed:
            raise
        except BaseException as error:  # too large, or its own code failed while it was written
            self._write("error", (wire.WireError(errors.message(error)),), sharing=False)

    def _write(self, action: str, operands, sharing: bool) -> None:
        def parts():
            yield action
            yield from self.streams.outgoing()
            changed = self.shared.changed()
            released = self.shared.release()
            yield len(released)
            yield from released
            yield len(changed)
            self._sharing = True  # what hangs on a shared object is shared
            yield from changed
            self._sharing = sharing
            yield from operands

        wire.send(self._send, values.Encoder(self).encode(parts()), most=wire.VALUE_BYTES)

    def _read(self) -> tuple[str, list]:
        try:
            data = wire.receive(self._receive, most=wire.VALUE_BYTES)
            parts = values.Decoder(self).decode(data)
            action, text, ask, count, *rest = parts
            self.streams.receive(text, ask)
            for key in rest[:count]:
                if (key > 0) == self.tests:  # only what came from here is the other side's to drop
                    self.shared.drop(key)
            changed = rest[count]
            return str(action), rest[count + 1 + changed :]
        except wire.Closed:
            raise
        except (TypeError, ValueError, IndexError):
            raise Malformed("not a message") from None

    # Values: what an encoder and a decoder ask

    def describe(self, value):
        """`(tag, meta, children)` of what is more than a plain value; None for a plain one."""
        kind = type(value)
        if issubclass(kind, remote.Proxy):
            return "yours", value._number, ()
        if (key := self.shared.key(value)) is not None:
            return self.shared.write(key)
        if self._sharing and self.shared.shareable(value):
            return self.shared.write(self.shared.add(value))
        if kind in values.PLAIN:
            return None
        if (number := self._numbers.get(id(value))) is not None:
            return self._reference_row(number, value)
        if issubclass(kind, BaseException):
            return self._error_row(value)
        if (member := self.known_classes.member(value)) is not None:
            return "member", member, ()
        if (name := self.known_classes.name(kind)) is not None:
            contents = self.known_classes.contents(value)
            return "instance", [name, self.known_classes.mutable(value)], contents
        if value is Ellipsis or value is NotImplemented:
            return "constant", str(value), ()
        if isinstance(value, type):
            if (name := self.known_classes.name(value)) is not None:
                return "class", name, ()
            for number, error_type in self._error_types.items():
                if error_type is value:
                    return "yours", number, ()
        if (name := common_names.library_name(value, to_tests=not self.tests)) is not None:
            return "library", name, ()
        if isinstance(value, type) and issubclass(value, BaseException) and not self.tests:
            return "error type", self._class_chain(value), ()
        if self._is_named_tuple(kind):
            return "named tuple", [kind.__name__, list(kind._fields)], tuple.__iter__(value)
        if kind is types.SimpleNamespace:
            pairs = itertools.chain.from_iterable(vars(value).items())
            return "namespace", None, pairs
        if kind.__name__ == "defaultdict" and module_of(kind) == "collections":
            pairs = itertools.chain.from_iterable(dict.items(value))
            return "defaultdict", None, (value.default_factory, *pairs)
        if self._is_plain_subclass(kind):
            return None
        if module_of(kind) == "numpy" and values.library.write(value, lambda size: None):
            return None
        return self._reference_row(self.number(value), value)

    def _is_named_tuple(self, kind: type) -> bool:
        return issubclass(kind, tuple) and kind.__bases__ == (tuple,) and hasattr(kind, "_fields")

    def _is_plain_subclass(self, kind: type) -> bool:
        """Of these only the plain base crosses, unless they are what the task is about."""
        plain = any(issubclass(kind, base) for base in values.PLAIN)
        return plain and (self.tests or not self.in_task or module_of(kind) != "builtins")

    def number(self, value) -> int:
        """The name of an object of this side, from now on kept for the other one."""
        if (number := self._numbers.get(id(value))) is None:
            number = self._numbers[id(value)] = len(self._mine) + 1
            self._mine[number] = value
        return number

    def _reference_row(self, number: int, value):
        kind = type(value)
        flavour = "coroutine" if isinstance(value, types.CoroutineType) else "object"
        remote_type = [
            kind.__name__[:100],
            remote.specials(kind),
            self.known_classes.nearest(kind),
            flavour,
        ]
        return "mine", [number, remote_type], ()

    def _class_chain(self, kind: type) -> list:
        """`[[number, name, where the library may have it] of what the other side need not know...,
        [how, nearest that both know]]`."""
        chain = []
        for ancestor in kind.__mro__:
            if (name := self.known_classes.name(ancestor)) is not None:
                return [*chain, ["class", name]]
            if getattr(builtins, ancestor.__name__, None) is ancestor:
                return [*chain, ["builtin", ancestor.__name__]]
            chain.append(
                [self.number(ancestor), ancestor.__name__[:100], errors.library_path(ancestor)]
            )
        return [*chain, ["builtin", "Exception"]]

    def _error_row(self, error: BaseException):
        origin = getattr(error, "__origin__", None)
        if origin is not None and origin[0] is self:
            return "yours", origin[1], ()
        number = self.number(error) if self.tests else 0
        message = errors.message(error)
        attributes = common_names.state(error)
        meta = [number, self._class_chain(type(error)), message]
        arguments = tuple(error.args)
        if isinstance(error, OSError) and error.filename is not None and len(arguments) == 2:
            arguments = (*arguments, error.filename)
        return "error", meta, (arguments, *attributes)

    def shell(self, tag: str, meta):
        """An empty object that a row will fill."""
        if tag == "shared":
            return self.shared.shell(meta)
        if tag == "instance" and meta[1] is True:
            return self.known_classes.make(meta[0])
        return types.SimpleNamespace() if tag == "namespace" else None

    def fill(self, target, tag: str, meta, items: list) -> None:
        if tag == "shared":
            self.shared.fill(target, meta, items)
        elif tag == "instance":
            self.known_classes.fill(target, items)
        else:
            vars(target).update(zip(items[::2], items[1::2], strict=True))

    def build(self, tag: str, meta, items: list):
        return _BUILT[tag](self, meta, items)

    def _make_proxy(self, meta, _):
        number, remote_type = meta
        if (found := self._proxies.get(number)) is None:
            if self.tests and not self.in_task:
                remote_type[1] = [
                    name
                    for name in remote_type[1]
                    if remote.allowed_outside_a_task(name) or name == "__await__"
                ]
            found = remote.make_proxy(self, int(number), remote_type)
            self._proxies[number] = found
        return self.awaiting(found) if remote_type[3] == "coroutine" else found

    def _constant(self, meta, _):
        return {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}[meta]

    def _named_tuple(self, meta, items):
        return _named_tuple(str(meta[0]), tuple(meta[1]))(*items)

    def _default_dict(self, _, items):
        found = collections.defaultdict(items[0])
        values.fill_pairs(found, items[1:])
        return found

    def _member(self, meta, _):
        return self.known_classes.get(meta[0])[meta[1]]

    def _error_type(self, chain, _=()) -> type:
        (where, name), own = chain[-1], chain[:-1]
        kind = self.known_classes.get(name) if where == "class" else getattr(builtins, name)
        if not (isinstance(kind, type) and issubclass(kind, (Exception, *_RAISED))):
            kind = values.CandidateError
        for number, name, place in reversed(own):
            if place is not None and (there := errors.library_exception(place)) is not None:
                kind = there
                continue
            if number not in self._error_types:
                body = {"__str__": _stored_message, "__module__": "builtins"}
                self._error_types[number] = type(str(name), (kind,), body)
            kind = self._error_types[number]
        return kind

    def _error(self, meta, items):
        number, chain, message = meta
        arguments, *attributes = items
        kind = self._error_type(chain)
        # Not by its own way of making one, which takes other arguments than it hands on.
        base = next(k for k in kind.__mro__ if not k.__flags__ & common_names.HEAP_TYPE)
        error = base.__new__(kind, *arguments)
        try:
            base.__init__(error, *arguments)
        except Exception:
            error.args = tuple(arguments)
        common_names.set_state(error, attributes)
        if number and not self.tests:
            error.__origin__ = (self, number)
        if type(error).__str__ is _stored_message:
            error.__said__ = str(message)
        return error

    # What this side asks

    def get(self, proxy, name: str):
        if self.tests and not self.in_task and name in remote.ORACLES:
            self.note(proxy, f".{name}")
            raise AttributeError(name)
        return self.request("get", proxy, name)

    def special(self, proxy, name: str, arguments: tuple, keywords: dict):
        """What a special method of a stand-in gives."""
        try:
            if self.observations is None:
                answer = self._ask_special(proxy, name, arguments, keywords)
            else:
                answer = self.observations.answer(proxy, name, arguments, keywords)
        except StopIteration as error:
            if self.stops or name == "__next__":
                raise
            # It would end a loop of the tests over calls.
            raise RuntimeError("the program raised StopIteration") from error
        if self.tests and name in _EXITS and _is_assertion(arguments):
            return False  # a context manager of the program does not answer for the tests
        return answer

    def _ask_special(self, proxy, name: str, arguments: tuple, keywords: dict):
        return self.request("special", proxy, name, len(arguments), *arguments, *_flatten(keywords))

    def next(self, proxy):
        """The next item; several are fetched at a time, more the longer it goes on."""
        ahead = proxy._ahead
        if not ahead:
            ahead.extend(self.request("next", proxy, proxy._most))
            if self.ahead:
                object.__setattr__(proxy, "_most", min(_AHEAD_ITEMS, 2 * proxy._most))
        kind, item = ahead.popleft()
        if kind:
            return item
        raise item

    def awaiting(self, proxy):
        async def wait():
            return self.request("await", proxy)

        return wait()

    def equal(self, proxy, other) -> bool:
        if proxy is other:
            return True
        if not isinstance(other, remote.Proxy):
            if not self.tests:
                return self.request("eq", proxy, other) is True
            if other is not None:
                self.note(proxy, "== with a value of the tests")
            return False
        if not self.tests or self.in_task:
            return self.request("eq", proxy, other) is True
        one, two = self.request("state", proxy), self.request("state", other)
        return bool(one) and bool(two) and one[0] is two[0] and one[1:] == two[1:]

    def note(self, proxy, what: str) -> None:
        """Remember what was not asked of an object, for the verdict to tell."""
        name = type(proxy).__name__[:40]
        self.notes.append(f"an object of the program's own class {name} {errors.NOT_ASKED} {what}")

    # What this side answers

    def _require_exported(self, value):
        """`value`, if the tests gave it out; the other side may name no other thing of theirs."""
        if self.tests and id(value) not in self._numbers:
            raise Malformed("not a thing that was passed")
        return value

    def _require_open(self, value, name: str):
        """The same for an attribute of it."""
        if not self.tests:
            return value
        own = type(value)
        mock = module_of(own) == "unittest.mock"
        made_here = module_of(own) == "builtins" and own.__flags__ & common_names.HEAP_TYPE
        if name.startswith("_") or not (made_here or mock or isinstance(value, _OPEN)):
            raise AttributeError(name)
        return self._require_exported(value)

    def _set(self, target, name: str, value) -> None:
        target = self._require_open(target, name)
        if self.tests and common_names.shadows(type(target), name):
            raise AttributeError(name)
        setattr(target, name, value)

    def _call(self, target, count: int, *rest):
        return self._require_exported(target)(*rest[:count], **_dict(rest[count:]))

    def _special(self, target, name: str, count: int, *rest):
        if name not in remote.SPECIAL:
            raise Malformed("not a special method")
        if name == "__call__":
            return self._call(target, count, *rest)
        method = getattr(type(self._require_exported(target)), name)
        if name in _EXITS and count == 3 and isinstance(rest[1], BaseException):
            rest = (*rest[:2], _raised(rest[1]).__traceback__, *rest[3:])  # it does not cross
        return method(target, *rest[:count], **_dict(rest[count:]))

    def _next(self, target, most: int):
        """Pairs: an item after True; the last is after False what ended it, if it has ended."""
        items, start = [], time.monotonic()
        self._require_exported(target)
        for _ in range(min(most, _AHEAD_ITEMS)):
            try:
                items.append((True, next(target)))
            except BaseException as error:
                error.__traceback__ = None
                items.append((False, error))
                break
            if time.monotonic() - start > _AHEAD_S:
                break
        return items

    def _await(self, target):
        """Finish a coroutine: in a loop that is kept, or beside the one that is running."""
        self._require_exported(target)

        async def whole():
            return await target

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop.run_until_complete(whole())
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(_outcome(whole)))
        thread.start()
        thread.join()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def _signature(self, target) -> list:
        return [
            (p.name, int(p.kind), () if p.default is p.empty else (p.default,))
            for p in inspect.signature(target).parameters.values()
        ]

    def _state(self, target):
        """The class and the attributes; empty where two of them are equal only if the same."""
        if type(target).__eq__ is object.__eq__:
            return ()
        return (type(target), common_names.state(target))


def _is_assertion(arguments: tuple) -> bool:
    kind = arguments[0] if arguments else None
    return isinstance(kind, type) and issubclass(kind, AssertionError)


def _raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def _flatten(pairs: dict) -> list:
    return [part for pair in pairs.items() for part in pair]


def _dict(parts) -> dict:
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _outcome(whole):
    try:
        return asyncio.run(whole()), None
    except BaseException as error:
        return None, error


@functools.cache
def _named_tuple(name: str, fields: tuple):
    return collections.namedtuple(name, fields)


def _stored_message(self) -> str:
    return getattr(self, "__said__", "")


_SERVED = {
    "special": Peer._special,
    "next": Peer._next,
    "await": Peer._await,
    "get": lambda peer, target, name: getattr(peer._require_open(target, name), name),
    "set": Peer._set,
    "bool": lambda peer, target: bool(peer._require_exported(target)),
    "str": lambda peer, target: str(peer._require_exported(target)),
    "repr": lambda peer, target: repr(peer._require_exported(target)),
    "format": lambda peer, target, spec: format(peer._require_exported(target), spec),
    "eq": lambda peer, target, other: peer._require_exported(target) == other,
    "isinstance": lambda peer, value, kind: isinstance(value, peer._require_exported(kind)),
    "issubclass": lambda peer, one, kind: issubclass(one, peer._require_exported(kind)),
    "name": lambda peer, target: getattr(peer._require_exported(target), "__name__"),  # noqa: B009
    "dir": lambda peer, target: [
        n for n in dir(peer._require_exported(target)) if not n.startswith("_")
    ],
}
# What only the tests may ask.
_FOR_TESTS = {
    "signature": Peer._signature,
    "del": lambda peer, target, name: delattr(target, name),
    "copy": lambda peer, target, deep: (copy.deepcopy if deep else copy.copy)(target),
    "state": Peer._state,
}
_BUILT = {
    "mine": Peer._make_proxy,
    "yours": lambda peer, number, _: peer._mine[number],
    "class": lambda peer, name, _: peer.known_classes.get(name),
    "library": lambda peer, name, _: common_names.library_value(name, from_candidate=peer.tests),
    "constant": Peer._constant,
    "instance": lambda peer, meta, items: peer.known_classes.build(meta[0], items),
    "member": Peer._member,
    "named tuple": Peer._named_tuple,
    "defaultdict": Peer._default_dict,
    "error": Peer._error,
    "error type": Peer._error_type,
}
