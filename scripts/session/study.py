"""What a study gives for a session of it to be measured by the loop."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from session.specification import Repetitions

Say = Callable[[str], None]
# A line of windows.jsonl: at least its `kind`, `start_ns` and `end_ns`.
Window = dict[str, Any]


class Item(Protocol):
    """A piece of work that is measured as a whole or not at all.

    Attributes:
        name: Its name, of its own within the session: CELL:NUMBER, numbered from 0.
        block: What it is measured together with: before another block the device cools down. None
            where it never does.
    """

    @property
    def name(self) -> str: ...

    @property
    def block(self) -> str | None: ...


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a session measures.

    Attributes:
        items: All that there can be, in the order of measuring; where a cell has no fixed number of
            windows, round by round.
        repetitions: By cell, how often it is repeated; None where every item is measured and
            nothing is said of cells. As many windows as make an interval narrow are windows that
            say how many `units` of work they hold, unless `analysis.energy.repeated` knows it of
            their kind.
    """

    items: Sequence[Item]
    repetitions: Mapping[str, Repetitions] | None = None


class Bench(Protocol):
    """What stands ready to be measured.

    Attributes:
        facts: What the segment keeps of it, beside the machine, the software, the device and the
            meters.
    """

    facts: Mapping[str, Any]

    def prepare(self, say: Say) -> list[Window]:
        """Warms up on all that will be measured; its windows. The loop rests and records idle."""
        ...

    def measure(self, item: Any) -> list[Window]:
        """Measures an item; its windows, that of the whole last: of one of the study's `kinds`,
        with the item's name under that word."""
        ...

    def describe(self, item: Any, windows: Sequence[Window]) -> str:
        """What was measured, in a few words for the user."""
        ...


class Study(Protocol):
    """What a session of one study is. It is made for one session, with all that this is told.

    Attributes:
        kinds: The kinds of window that end an item, such as `generation`.
        device: Where it computes: it only goes on where it was begun.
        exclusion: Why the session may not be measured, as `stage` and `why`; None where it may. It
            is looked at when the plan is there, and again when the bench is open.
    """

    kinds: tuple[str, ...]
    device: str
    exclusion: Mapping[str, str] | None

    def plan(self, say: Say) -> Plan:
        """What is measured, whatever of it is finished already."""
        ...

    def open(self, say: Say) -> contextlib.AbstractContextManager[Bench | None]:
        """What measures, ready while the block runs; None where `exclusion` now says why there is
        nothing. Not called where nothing is left to be measured."""
        ...

    def conclude(self, segments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """What session.json keeps of the session, beside what the loop puts there.

        Args:
            segments: What was taken down of each process that measured a part of it.
        """
        ...
