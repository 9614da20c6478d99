"""The sampler is started as the session's specification has it."""

import json

import pytest

from metering.sampler import Sampler
from metering.specification import Metering
from metering.wall import WallSettings

WALL = WallSettings(host="h", port=5, period_s=1, timeout_s=2.5, max_power_w=20000)


@pytest.mark.parametrize("wall", [None, WALL])
@pytest.mark.parametrize("rated_w", [None, 95])
def test_its_options_are_those_of_the_specification(wall, rated_w):
    metering = Metering(period_s=0.02, idle_s=3, cpu_rated_power_w=rated_w, wall=wall)
    command = Sampler.configured(metering, "trace.csv", "events.jsonl", 2)._command
    given = dict(zip(command[2::2], command[3::2], strict=True))
    assert (given["--period-s"], given["--segment"]) == ("0.02", "2")
    assert given.get("--cpu-rated-power-w") == (None if rated_w is None else "95")
    assert ("--wall" in given) is (wall is not None)
    assert wall is None or WallSettings.parse(json.loads(given["--wall"])) == wall
