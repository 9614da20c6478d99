"""What a session's configuration says of its meters."""

from __future__ import annotations

import dataclasses

from metering.wall import WallSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metering:
    """How energy is read.

    Attributes:
        period_s: Seconds between two readings of the meters.
        idle_s: Seconds of idle that are recorded before the first window and behind the last.
        cpu_rated_power_w: For the estimate, in watts; None assumes so much a logical CPU.
        wall: A meter on the network; None where there is none.
    """

    period_s: float
    idle_s: float
    cpu_rated_power_w: float | None
    wall: WallSettings | None
