"""The study of the meters: from a validated configuration to its one session. Pure: no devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configuration.protocol import specified
from loads.specification import MetersSpecification


def meters_spec(config: Mapping[str, Any]) -> str:
    """What the session is told, as JSON.

    Raises:
        ConfigurationError: Its program would refuse it.
    """
    spec = {
        "session": "meters",
        **{name: config[name] for name in ("device", "seed", "metering", "protocol")},
        **config["meters"],
    }
    return specified(MetersSpecification, spec)
