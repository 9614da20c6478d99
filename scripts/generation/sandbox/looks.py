"""What tests have seen of an object of the program's own class: it shows them nothing else.

A test that asks an object for its length and then for its items takes both for views of one thing.
An object that answers each question anew could suit them all and be nothing.
"""

from collections.abc import Callable, Iterator

# What only looks. Whatever else is asked may change the object, and ends what was seen.
LOOKS = frozenset(
    ("__float__", "__int__", "__index__", "__complex__", "__len__", "__getitem__", "__iter__")
)


class Looks:
    """The same answer to the same question, until something is done.

    `ask` passes a question on to the program; `note` says of an object what was refused.
    """

    def __init__(self, ask: Callable, note: Callable):
        self._ask, self._note = ask, note
        self._seen: dict = {}

    def answer(self, stand, name: str, arguments: tuple, keywords: dict):
        """What a special method of a stand-in gives."""
        if name in ("__next__", "__anext__"):
            return self._ask(stand, name, arguments, keywords)
        if name not in LOOKS or hasattr(type(stand), "__next__"):
            self._seen.clear()
            return self._ask(stand, name, arguments, keywords)
        if name == "__getitem__":
            self._check_place(stand, arguments[0])
        return self._look(stand, name, arguments)

    def _check_place(self, stand, place) -> None:
        if type(place) is slice:
            self._note(stand, "a slice")
            raise TypeError("a slice of an object of the program's own class")
        # Python asks for one place after the other, up to this error, where there is no `__iter__`.
        alone = hasattr(type(stand), "__len__") and not hasattr(type(stand), "__iter__")
        if alone and type(place) is int:
            length = self._look(stand, "__len__", ())
            if not -length <= place < length:
                raise IndexError("beyond the length that the object tells")

    def _look(self, stand, name: str, arguments: tuple):
        key = (stand._number, name, *map(type, arguments), *arguments)
        try:
            hash(key)
        except TypeError:
            return self._ask(stand, name, arguments, {})
        if key not in self._seen:
            answer = self._ask(stand, name, arguments, {})
            # The stand-in is kept as well: its number stays its own.
            self._seen[key] = stand, (iter(answer), []) if name == "__iter__" else answer
        answer = self._seen[key][1]
        if name != "__iter__":
            return answer
        most = self._look(stand, "__len__", ()) if hasattr(type(stand), "__len__") else None
        return _replayed(*answer, most)


def _replayed(rest: Iterator, seen: list, most: int | None) -> Iterator:
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
