"""What the session of the study of the meters is told."""

from __future__ import annotations

import dataclasses
from typing import Literal

from session.specification import Specification


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetersSpecification(Specification):
    """Loads whose work is known, in windows of many lengths.

    Attributes:
        loads: Their names.
        window_s: Lengths of the windows, in seconds.
        seconds_each: Seconds that all windows of one length and load take together, about.
        most: Windows of one length and load at most.
        tools: Whether other tools measure too, where they are installed.
    """

    loads: tuple[Literal["steady", "bursty", "decode", "prefill-decode"], ...]
    window_s: tuple[float, ...]
    seconds_each: float
    most: int
    tools: Literal["auto", "none"]
