"""What tests have observed of an object of the program's own class: it shows them nothing else.

A test that asks an object for its length and then for its items takes both for views of one thing.
An object that answers each question anew could suit them all and be nothing.
"""

from collections.abc import Callable, Iterator

# What only reads. Whatever else is asked may change the object, and ends what was observed.
READ_ONLY = frozenset(
    ("__float__", "__int__", "__index__", "__complex__", "__len__", "__getitem__", "__iter__")
)


class Observations:
    """The same answer to the same question, until something is done.

    `ask` passes a question on to the program; `note` says of an object what was refused.
    """

    def __init__(self, ask: Callable, note: Callable):
        self._ask, self._note = ask, note
        self._seen: dict = {}

    def answer(self, proxy, name: str, arguments: tuple, keywords: dict):
        """What a special method of a proxy returns: what it returned before, if it only reads."""
        if name in ("__next__", "__anext__"):
            return self._ask(proxy, name, arguments, keywords)
        if name not in READ_ONLY or hasattr(type(proxy), "__next__"):
            self._seen.clear()
            return self._ask(proxy, name, arguments, keywords)
        if name == "__getitem__":
            self._check_index(proxy, arguments[0])
        return self._observe(proxy, name, arguments)

    def _check_index(self, proxy, index) -> None:
        if type(index) is slice:
            self._note(proxy, "a slice")
            raise TypeError("a slice of an object of the program's own class")
        # Python asks for one place after the other, up to this error, where there is no `__iter__`.
        sequence = hasattr(type(proxy), "__len__") and not hasattr(type(proxy), "__iter__")
        if sequence and type(index) is int:
            length = self._observe(proxy, "__len__", ())
            if not -length <= index < length:
                raise IndexError("beyond the length that the object tells")

    def _observe(self, proxy, name: str, arguments: tuple):
        key = (proxy._number, name, *map(type, arguments), *arguments)
        try:
            hash(key)
        except TypeError:
            return self._ask(proxy, name, arguments, {})
        if key not in self._seen:
            answer = self._ask(proxy, name, arguments, {})
            # The proxy is kept as well: its number stays its own.
            self._seen[key] = proxy, (iter(answer), []) if name == "__iter__" else answer
        answer = self._seen[key][1]
        if name != "__iter__":
            return answer
        most = self._observe(proxy, "__len__", ()) if hasattr(type(proxy), "__len__") else None
        return _replay(*answer, most)


def _replay(rest: Iterator, seen: list, most: int | None) -> Iterator:
    at = 0
    while True:
        if at == len(seen):
            try:
                seen.append(next(rest))
            except StopIteration:
                return
        if most is not None and at >= most:
            raise ValueError("an object has more items than its length")
        yield seen[at]
        at += 1
