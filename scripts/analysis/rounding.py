"""How a figure of a table becomes text: rounded once, from the table's full value."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pandas as pd

NONE, NO_INTERVAL = "–", "no interval"


@dataclass(frozen=True)
class Form:
    """How a figure is written.

    Attributes:
        places: Digits behind the point. Only one of `places` and `digits` is given.
        digits: Significant digits; the bounds of an interval have the value's places.
        scale: Factor before rounding; of `%` it is 100.
        unit: Stands behind the value, not behind the bounds.
        sign: Whether a plus is written too.
        interval: Whether `[low, high]` follows; where the table has none, that is said.
    """

    places: int | None = None
    digits: int | None = None
    scale: float = 1
    unit: str = ""
    sign: bool = False
    interval: bool = False

    def __post_init__(self) -> None:
        if (self.places is None) == (self.digits is None):
            raise ValueError("a form has either places or digits")

    def text(self, value: Any, low: Any = None, high: Any = None) -> str:
        """The figure in words; words stay as they are, and what is missing is a dash."""
        if isinstance(value, str):
            return value
        if value is None or pd.isna(value):
            return NONE
        exact = self._scaled(value)
        places = self.places if self.digits is None else places_of(exact, self.digits)
        text = written(exact, places, self.sign) + (f" {self.unit}" if self.unit else "")
        if not self.interval:
            return text
        if any(bound is None or pd.isna(bound) for bound in (low, high)):
            return f"{text} ({NO_INTERVAL})"
        bounds = (written(self._scaled(bound), places, self.sign) for bound in (low, high))
        return f"{text} [{', '.join(bounds)}]"

    def _scaled(self, value: Any) -> Decimal:
        # The shortest decimal that is this float, so that the factor brings no digits of its own.
        scale = 100 if self.unit == "%" and self.scale == 1 else self.scale
        return Decimal(repr(float(value))) * Decimal(repr(float(scale)))


def places_of(value: Decimal, digits: int) -> int:
    """How many places show so many significant digits; negative ones round to tens, hundreds."""
    if not value:
        return digits - 1
    places = digits - 1 - value.adjusted()
    # 9.96 in two digits is 10, not 10.0.
    return digits - 1 - _at(value, places).adjusted()


def written(value: Decimal, places: int, sign: bool = False) -> str:
    """A number in so many places: half-way cases to the even digit, thousands with commas, a true
    minus, and no minus before zero."""
    at = _at(value, places)
    text = f"{abs(at):,.{max(places, 0)}f}"
    if not at:
        return text
    return f"−{text}" if at < 0 else f"+{text}" if sign else text


def _at(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
